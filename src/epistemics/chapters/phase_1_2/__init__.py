"""Phase 1.2: log entry 8."""
