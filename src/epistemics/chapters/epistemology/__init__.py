"""What can be known: log entries 1 and 2."""
