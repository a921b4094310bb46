"""Von Neumann's threshold: log entry 5."""
