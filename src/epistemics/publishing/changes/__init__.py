"""What changed in the book between a commit and now: asked of both, compared, and told as text, JSON and a page.

``snapshot`` asks a checkout's own code for its book, and ``drawn`` is what draws its figures there; ``comparison``
compares two snapshots and knows no file; ``told`` writes what it found.
"""
