"""Epistemics: a research log on AI alignment, published as code."""

import os

__version__ = "0.1.0"

# Cells, training and tests share the cores: a second thread of a process mostly waits, and sums in another order.
# NumPy and torch read this when they are loaded; a value that the environment already has wins.
os.environ.setdefault("OMP_NUM_THREADS", "1")
