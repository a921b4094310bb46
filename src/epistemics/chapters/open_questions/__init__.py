"""Open questions: resisting an input."""
