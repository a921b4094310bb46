"""Debate: log entries 3 and 4."""
