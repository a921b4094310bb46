"""Results on disk that know the code that made them.

Imports nothing else of the package. ``store`` holds results, ``record`` says what a stored record looks like,
``files`` writes files that appear whole or not at all, ``source`` reads a module's definitions and ``fingerprint``
hashes all that one of them reaches.
"""
