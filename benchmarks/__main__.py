"""Measures, prints what came out beside the bounds that the project sets itself, and writes the same as JSON.

All figures are of one run, in turns. The status says nothing about the bounds, because a busy machine breaks them all.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import platform
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import contenders, in_process, served, servers
from benchmarks.page import replace_figures
from benchmarks.rounds import microseconds
from benchmarks.rows import print_rows


def main() -> None:
    arguments = _arguments()
    stores = ["sqlite"]
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = servers.start(stack, list(servers.SERVERS))
        stores += urls
        times = microseconds(in_process.calls(directory, urls), arguments.rounds)
    loads = {} if arguments.without_gunicorn or not served.is_possible() else served.loads(arguments.rounds // 2)
    rows = in_process.rows(times, stores) + served.rows(loads)
    print(f"{machine()['python']}, a session of ten keys, {contenders.size_of_session()} bytes as JSON\n")
    print_rows(rows)
    print("\nmicroseconds per request, the median of all rounds:")
    for name, taken in times.items():
        print(f"  {name:<34}{taken:>9.2f}")
    served.print_loads(loads)
    if arguments.json:
        found = {
            "machine": machine(),
            "microseconds": times,
            "gunicorn": {name: load._asdict() for name, load in loads.items()},
            "rows": [row.as_dict() for row in rows],
        }
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    if arguments.page:
        replace_figures(arguments.page, machine(), times, loads)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--page", type=Path, help="a page to lay the figures into")
    parser.add_argument("--without-gunicorn", action="store_true")
    return parser.parse_args()


def machine() -> dict[str, Any]:
    packages = ("Beaker", "Flask-Session", "cryptography", "gunicorn", "msgpack", "sessionware")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {"python": f"Python {platform.python_version()}", "processor": platform.machine(), "versions": versions}


if __name__ == "__main__":
    main()
