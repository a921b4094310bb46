"""Phase 1.1: log entry 7."""
