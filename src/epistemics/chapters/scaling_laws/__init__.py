"""Scaling laws: log entry 6."""
