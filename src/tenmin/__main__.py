"""``python -m tenmin``."""

import sys

from tenmin.cli import main

if __name__ == "__main__":
    sys.exit(main())
