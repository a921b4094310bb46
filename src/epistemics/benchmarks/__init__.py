"""How near training and rendering are to what this machine can do.

Every comparison is a ratio within one run. May import ``lab``, ``declared`` and ``science``; of the other rooms only
``publishing`` and ``cli`` may import it. ``training`` times a step of ours beside a plain trainer's and beside its own
matrix products, in processes that ``timing`` runs; ``rendering`` times renders of a copy of the book; ``report`` says
both to a terminal. What stands beside the package in ``benchmarks/`` needs nothing of it, or is no part of the product:
the plain trainer, what Ray costs, and the measured times that the README shows.
"""
