"""Two operations in one model: log entry 11."""
