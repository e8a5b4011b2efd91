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

from benchmarks import against, in_process, leftovers, rows, served, servers
from benchmarks.page import replace_figures
from benchmarks.processors import MEASURED, keep_to
from benchmarks.rounds import Times, medians, microseconds, spreads

QUICK_ROUNDS = 3
#: A turn under gunicorn takes a hundred times as long.
ROUNDS_PER_LOAD = 4


def main() -> None:
    arguments = _arguments()
    rounds = QUICK_ROUNDS if arguments.quick else arguments.rounds
    keep_to(MEASURED)
    compared: dict[str, against.Both] = {}
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        roots = {served.OTHER: against.root(stack, arguments.against)} if arguments.against else {}
        urls = servers.start(stack, list(servers.SERVERS))
        taken = microseconds(in_process.calls(directory, urls), rounds)
        for root in roots.values():
            compared = against.compared(root, urls, rounds)
        loads = (
            {}
            if arguments.without_gunicorn or not served.is_possible()
            else served.loads(rounds // ROUNDS_PER_LOAD, roots)
        )
    times = medians(taken)
    timed = rows.timed([in_process.added(each) for each in taken])
    counts = leftovers.counts(with_beaker=True)
    found = [*timed, *leftovers.rows(counts), *served.rows(loads)]
    print(f"{machine()['python']}, eight sessions of ten keys; microseconds beyond the application without a session\n")
    rows.print_rows(found)
    _print_times(times, spreads(taken))
    leftovers.print_counts(counts)
    served.print_loads(loads)
    if compared:
        against.print_compared(compared)
    if arguments.json:
        figures = {
            "machine": machine(),
            "microseconds": times,
            "left": counts,
            "gunicorn": {name: load._asdict() for name, load in loads.items()},
            "against": {name: both._asdict() for name, both in compared.items()},
            "rows": [row.as_dict() for row in found],
        }
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    if arguments.page:
        replace_figures(arguments.page, machine(), times, timed, counts, loads)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--quick", action="store_true", help=f"a trial of {QUICK_ROUNDS} rounds")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--page", type=Path, help="a page to lay the figures into")
    parser.add_argument("--against", type=Path, help="another checkout, whose package is timed in turns with this one")
    parser.add_argument("--without-gunicorn", action="store_true")
    return parser.parse_args()


def _print_times(times: Times, spread: Times) -> None:
    print("\nmicroseconds of a whole request, the median of all rounds, and how far the middle half of them reaches:")
    for name, taken in times.items():
        print(f"  {name:<42}{taken:>9.2f}{spread[name]:>6.0%}")


def machine() -> dict[str, Any]:
    packages = ("Beaker", "Django", "Flask-Session", "cryptography", "gunicorn", "msgpack", "msgspec", "sessionware")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {"python": f"Python {platform.python_version()}", "processor": platform.machine(), "versions": versions}


if __name__ == "__main__":
    main()
