"""The command ``sessionware``: ``secret`` prints a new secret, ``check`` tells of a move, ``--version`` the version."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import metadata

from sessionware.cli.check import add_check
from sessionware.crypto.keys import new_secret


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that *arguments* name (by default those of the process); returns the exit status."""
    parser = argparse.ArgumentParser(prog="sessionware", description="Sessions for WSGI applications.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    secret = commands.add_parser("secret", help="print a new secret for the option 'secret'")
    secret.set_defaults(run=_print_secret)
    add_check(commands)
    given = parser.parse_args(arguments)
    return int(given.run(given))


def _print_secret(arguments: argparse.Namespace) -> int:
    print(new_secret())
    return 0


def _version() -> str:
    """The version that is installed; a source tree that was never installed has none."""
    try:
        return metadata.version("sessionware")
    except metadata.PackageNotFoundError:
        return "(not installed)"
