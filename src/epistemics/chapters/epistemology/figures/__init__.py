"""Pictures of what can be known: from tables, computing nothing."""
