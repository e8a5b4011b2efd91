"""Lays the figures of a run into a page of the documentation."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import in_process, served
from benchmarks.rows import Row
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
"By hand" is the work that cannot be left out: the same ciphers, the bare commands or SQL with the same driver.
Beaker has an idle timeout, JSON instead of pickle, the package cryptography, ``ext:database`` for SQL. Flask-Session
{flask_session} goes through Flask, whose own {flask:.0f} µs are in its figures. Servers are on the same machine, and
PostgreSQL does not wait for its disk."""
_AIM = """\
The aim was to add to a request that touches no session no more than Beaker does, nor than 1.5 µs over a list or 2.5 µs
over a generator; for the cookie a tenth (read) and a sixth (write) of Beaker's time, and 1.8 times the work by hand;
for memory half of Beaker's time (read), and no more (write); for SQL what memory takes and 1.5 times the work by hand,
for Redis and memcached 1.2 times; and under gunicorn 90 % of what it serves without a session."""
_HEADING = ("request", "sessionware", "the aim", "Beaker 1.14", "Flask-Session", "by hand")
_GUNICORN = ("cookie under gunicorn, processor time of a read", "cookie under gunicorn, reads per second")
_Cells = tuple[str, str, str, str, str, str]
_Limits = dict[str, float]


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
    cells = [*_cells(times, _limits(times)), *_served(loads)]
    for row in [_HEADING, *cells]:
        lines += [f"   {'*' if place == 0 else ' '} - {cell}".rstrip() for place, cell in enumerate(row)]
    return "\n".join([*lines, "", _AIM, *_missed(cells)]) + "\n"


def _limits(times: dict[str, float]) -> _Limits:
    """The most that each request was to take: the lowest of its bounds, which stand where the rows are made."""
    found: _Limits = {}
    stores = [name for _, name in _SESSIONS[2:] if f"read {name}" in times]
    for row in in_process.rows(times, stores):
        if row.bound is not None and not row.compared_with.startswith("the same"):
            found[row.request] = min(_limit(row, row.bound), found.get(row.request, math.inf))
    return found


def _limit(row: Row, bound: float) -> float:
    """What *row* compares, at its bound: every comparison is a straight line, as steep as its unit says."""
    return row.ours - (row.measured - bound) * (row.theirs if row.unit == "x" else 1)


def _missed(cells: list[_Cells]) -> Iterator[str]:
    """Which rows are over their aim, by the figures as they are printed; of requests per second, under it."""
    missed: dict[str, list[str]] = {}
    for title, mine, aim, *_ in cells:
        if aim and _is_missed(title, _number(mine), _number(aim)):
            what, _, action = title.rpartition(", ")
            missed.setdefault(what, []).append(action)
    if missed:
        named = "; ".join(f"{what} ({' and '.join(actions)})" for what, actions in missed.items())
        yield from ["", *textwrap.wrap(f"Missed in this run: {named}.", 120)]


def _is_missed(title: str, mine: float, aim: float) -> bool:
    return mine < aim if title == _GUNICORN[1] else mine > aim


def _number(cell: str) -> float:
    return float(cell.replace(",", ""))


def _cells(times: dict[str, float], limits: _Limits) -> Iterator[_Cells]:
    for title, mine, plain, beaker in _UNTOUCHED:
        theirs = f"+{times[beaker] - times[plain]:.1f}" if beaker else ""
        aim = f"+{limits[mine] - times[plain]:.1f}" if mine in limits else ""
        yield title, f"+{times[mine] - times[plain]:.1f}", aim, theirs, "", ""
    for title, name in _SESSIONS:
        if f"read {name}" not in times:
            continue
        for action in ("read", "write"):
            whose = [f"{action} {name}{suffix}" for suffix in ("", ", Beaker", ", Flask-Session", ", by hand")]
            mine, beaker, flask_session, bare = (f"{times[each]:.0f}" if each in times else "" for each in whose)
            yield f"{title}, {action}", mine, f"{limits[f'{action} {name}']:.0f}", beaker, flask_session, bare


def _served(loads: dict[str, Load]) -> Iterator[_Cells]:
    if not loads:
        return
    mine, beaker, plain = (loads[name] for name in ("sessionware", "beaker", "plain"))
    times, rates = served.rows(loads)[:2]
    yield (
        _GUNICORN[0],
        f"{mine.microseconds:.0f}",
        f"{plain.microseconds / (times.bound or 1):.0f}",
        f"{beaker.microseconds:.0f}",
        "",
        f"{plain.microseconds:.0f} (no session)",
    )
    yield (
        _GUNICORN[1],
        f"{mine.requests_per_second:,.0f}",
        f"{plain.requests_per_second * (rates.bound or 1):,.0f}",
        f"{beaker.requests_per_second:,.0f}",
        "",
        f"{plain.requests_per_second:,.0f} (no session)",
    )
