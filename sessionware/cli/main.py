"""The command ``sessionware``, whose subcommand ``secret`` prints a new secret."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sessionware.crypto.keys import new_secret


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that *arguments* name (by default those of the process); returns the exit status."""
    parser = argparse.ArgumentParser(prog="sessionware", description="Sessions for WSGI applications.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("secret", help="print a new secret for the option 'secret'")
    parser.parse_args(arguments)
    print(new_secret())
    return 0
