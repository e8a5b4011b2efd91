"""Lays the figures of a run into the README."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.served import Load

BEGIN, END = ".. benchmark: begin\n", ".. benchmark: end\n"

#: What is said of a session's way, and what it is called where it was measured.
_SESSIONS = (
    ("cookie", "cookie"),
    ("memory", "memory"),
    ("SQLite", "sqlite"),
    ("PostgreSQL", "postgresql"),
    ("Redis", "redis"),
    ("memcached", "memcached"),
)
_UNTOUCHED = (
    ("untouched, over an application that returns a list", "untouched list", "plain list", "untouched list, Beaker"),
    ("untouched, over a generator", "untouched generator", "plain generator", ""),
    ("untouched, over Flask", "untouched Flask", "plain Flask", ""),
)
_INTRODUCTION = """\
Microseconds of a request in one process, {python}, on a session of ten keys; medians of one run, in turns.
"By hand" is the work that nobody can do without: the same ciphers, the bare commands or SQL with the same driver.
Beaker has an idle timeout, JSON instead of pickle, the package cryptography, ``ext:database`` for SQL. Flask-Session
{flask_session} goes through Flask, whose own {flask:.0f} µs are in its figures. Servers are on the same machine, and
PostgreSQL does not wait for its disk."""
_Row = tuple[str, str, str, str, str]


def replace_figures(path: Path, machine: dict[str, Any], times: dict[str, float], loads: dict[str, Load]) -> None:
    """Replace what stands between the two marks in *path*."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(before + BEGIN + "\n" + _figures(machine, times, loads) + "\n" + END + after, encoding="utf-8")


def _figures(machine: dict[str, Any], times: dict[str, float], loads: dict[str, Load]) -> str:
    introduction = _INTRODUCTION.format(
        python=machine["python"], flask_session=machine["versions"]["Flask-Session"], flask=times["plain Flask"]
    )
    lines = [introduction, "", ".. list-table::", "   :header-rows: 1", ""]
    heading = ("request", "sessionware", "Beaker 1.14", "Flask-Session", "by hand")
    for row in [heading, *_cells(times), *_served(loads)]:
        lines += [f"   {'*' if place == 0 else ' '} - {cell}".rstrip() for place, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def _cells(times: dict[str, float]) -> Iterator[_Row]:
    for title, mine, plain, beaker in _UNTOUCHED:
        theirs = f"+{times[beaker] - times[plain]:.1f}" if beaker else ""
        yield title, f"+{times[mine] - times[plain]:.1f}", theirs, "", ""
    for title, name in _SESSIONS:
        if f"read {name}" not in times:
            continue
        for action in ("read", "write"):
            whose = [f"{action} {name}{suffix}" for suffix in ("", ", Beaker", ", Flask-Session", ", by hand")]
            mine, beaker, flask_session, bare = (f"{times[each]:.0f}" if each in times else "" for each in whose)
            yield f"{title}, {action}", mine, beaker, flask_session, bare


def _served(loads: dict[str, Load]) -> Iterator[_Row]:
    if not loads:
        return
    mine, beaker, plain = (loads[name] for name in ("sessionware", "beaker", "plain"))
    yield (
        "cookie, read, under gunicorn: processor time",
        f"{mine.microseconds:.0f}",
        f"{beaker.microseconds:.0f}",
        "",
        f"{plain.microseconds:.0f} (no session)",
    )
    yield (
        "the same, requests per second",
        f"{mine.requests_per_second:,.0f}",
        f"{beaker.requests_per_second:,.0f}",
        "",
        f"{plain.requests_per_second:,.0f} (no session)",
    )
