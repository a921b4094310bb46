"""Epistemics: a research log on AI alignment, published as code."""

__version__ = "0.1.0"
