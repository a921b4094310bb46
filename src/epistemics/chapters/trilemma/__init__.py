"""The trilemma: log entry 12."""
