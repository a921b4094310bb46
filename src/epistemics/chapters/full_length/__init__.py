"""Long after grokking."""
