"""Runs the command line by ``python -m sessionware``."""

from __future__ import annotations

import sys

from sessionware.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
