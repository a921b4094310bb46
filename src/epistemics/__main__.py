"""``python -m epistemics``: the same program as ``epistemics``."""

import sys

from epistemics.cli import main

if __name__ == "__main__":
    sys.exit(main())
