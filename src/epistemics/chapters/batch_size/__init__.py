"""Batch size: log entry 6."""
