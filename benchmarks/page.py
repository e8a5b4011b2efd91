"""Lays the figures of a run into a page of the documentation."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import in_process, leftovers, served
from benchmarks.leftovers import Counts
from benchmarks.rounds import Times
from benchmarks.rows import Row
from benchmarks.served import BEAKER, BY_HAND, MINE, PLAIN, Load

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
    ("untouched, over an application that returns a list", "untouched list"),
    ("untouched, over a generator", "untouched generator"),
    ("untouched, over Flask", "untouched Flask"),
)
_INTRODUCTION = """\
Microseconds that a session adds to a request in one process, {python}, on eight sessions of about ten keys that
take turns; medians of one run. What is measured has one processor, and the servers have another one.
"By hand" is the work that cannot be left out: the same ciphers, the bare commands or SQL with the same driver.
Beaker has an idle timeout, JSON instead of pickle, the package cryptography, ``ext:database`` for SQL. Flask-Session
{flask_session} has its default options, cachelib for memory, and for the cookie stands Flask's own session, which is
signed and not encrypted. So is Django's; Django {django} has its sessions in its cache, and in PostgreSQL in its
database. Flask alone takes {flask:.0f} µs, Django alone {django_time:.0f}. PostgreSQL does not wait for its disk."""
_AIM = """\
The aim is to add to a request that touches no session no more than Beaker does, nor than 1.5 µs over a list or 2.5 µs
over a generator; for the cookie a ninth (read) and 4.5th (write) of Beaker's time, and 1.75 and 1.65 times the work by
hand; for memory a 2.5th (read) and 1.15th (write) of Beaker's time; for SQL what memory takes and 1.5 times the work by
hand, for Redis and memcached 1.1 times; never more than Beaker for a read of a large session, nor for a nested change
of a hundred items; and under gunicorn 92 % of what the work by hand serves."""
_LEFT = """\
What a request leaves to Python's garbage collector, in objects; the most memory, in MB beyond what there was before,
that {uploads} uploads of 2 MB take at one moment, one after another, each read into ``environ`` while its session is
open; and the bytes that are kept of each of {visitors:,} visitors with keys of their own, in a cookie, when they have
gone."""
_HEADING = ("request", "sessionware", "the aim", "Beaker 1.14", "Flask-Session", "Django", "by hand")
_LEFT_HEADING = ("", "sessionware", "Beaker 1.14", "no session")
_PROCESSOR, _RATE = "cookie under gunicorn, processor time of a read", "cookie under gunicorn, reads per second"
_Cells = tuple[str, ...]


def replace_figures(
    path: Path, machine: dict[str, Any], times: Times, timed: list[Row], counts: Counts, loads: dict[str, Load]
) -> None:
    """Replace what stands between the two marks in *path*."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    figures = "\n\n".join(_figures(machine, times, timed, counts, loads))
    path.write_text(f"{before}{BEGIN}\n{figures}\n\n{END}{after}", encoding="utf-8")


def _figures(
    machine: dict[str, Any], times: Times, timed: list[Row], counts: Counts, loads: dict[str, Load]
) -> Iterator[str]:
    yield _INTRODUCTION.format(
        python=machine["python"],
        flask_session=machine["versions"]["Flask-Session"],
        django=machine["versions"]["Django"],
        flask=times["plain Flask"],
        django_time=times["plain Django"],
    )
    cells = [*_cells(in_process.added(times), _limits(timed)), *_served(loads)]
    yield _table(_HEADING, cells)
    yield _AIM
    missed = _missed(cells)
    if missed:
        yield "\n".join(textwrap.wrap(f"Missed in this run: {missed}.", 120))
    yield _LEFT.format(uploads=leftovers.UPLOADS, visitors=leftovers.VISITORS)
    yield _table(_LEFT_HEADING, _left(counts))


def _table(heading: _Cells, cells: Iterable[_Cells]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [heading, *cells]:
        lines += [f"   {'*' if place == 0 else ' '} - {cell}".rstrip() for place, cell in enumerate(row)]
    return "\n".join(lines)


def _limits(found: list[Row]) -> Times:
    """The most that each request is to take: the lowest of its bounds, which stand where the rows are made."""
    limits: Times = {}
    for row in found:
        if row.limit is not None and not row.compared_with.startswith("the same"):
            limits[row.request] = min(row.limit, limits.get(row.request, math.inf))
    return limits


def _cells(added: Times, limits: Times) -> Iterator[_Cells]:
    for title, name in _UNTOUCHED:
        yield _cell(title, name, added, limits, digits=1)
    for title, name in _SESSIONS:
        if f"read {name}" in added:
            for action in in_process.ACTIONS:
                yield _cell(f"{title}, {action}", f"{action} {name}", added, limits)
    for keys in in_process.KEYS:
        for action in in_process.ACTIONS:
            yield _cell(f"memory, {keys:,} keys, {action}", f"{action} {keys} keys", added, limits)
    for items in in_process.CARTS:
        title = f"memory, a nested change of a cart of {items}"
        yield _cell(title, f"nested change of {items} items", added, limits)
    yield _cell("memory, a text of 100 KB, read", "read a long text", added, limits)
    yield _cell("memory, a text of 100 KB, write", "write beside a long text", added, limits)


def _cell(title: str, name: str, added: Times, limits: Times, digits: int = 0) -> _Cells:
    names = [f"{name}{whose}" for whose in ("", ", Beaker", ", Flask-Session", ", Django", ", by hand")]
    mine, *others = (f"{added[each]:.{digits}f}" if each in added else "" for each in names)
    return title, mine, f"{limits[name]:.{digits}f}" if name in limits else "", *others


def _served(loads: dict[str, Load]) -> Iterator[_Cells]:
    if not loads:
        return
    mine, beaker, plain, hand = (loads[name] for name in (MINE, BEAKER, PLAIN, BY_HAND))
    times, rates = served.rows(loads)[:2]
    aims = hand.microseconds / (times.bound or 1), hand.requests_per_second * (rates.bound or 1)
    for title, place, aim in ((_PROCESSOR, 1, aims[0]), (_RATE, 0, aims[1])):
        shown = [f"{figure:,.0f}" for figure in (mine[place], aim, beaker[place], hand[place], plain[place])]
        yield title, *shown[:3], "", "", f"{shown[3]} (no session: {shown[4]})"


def _missed(cells: list[_Cells]) -> str:
    """Which rows are over their aim, by the figures as they are printed; of requests per second, under it."""
    missed: dict[str, list[str]] = {}
    for title, mine, aim, *_ in cells:
        if aim and _is_missed(title, _number(mine), _number(aim)):
            what, _, action = title.rpartition(", ")
            missed.setdefault(what, []).append(action)
    return "; ".join(f"{what} ({' and '.join(actions)})" for what, actions in missed.items())


def _is_missed(title: str, mine: float, aim: float) -> bool:
    return mine < aim if title == _RATE else mine > aim


def _number(cell: str) -> float:
    return float(cell.replace(",", ""))


def _left(counts: Counts) -> Iterator[_Cells]:
    for scheme in leftovers.SCHEMES:
        for title, name in (("untouched", "untouched list"), ("read", "read"), ("write", "write")):
            mine, beaker = counts[f"{name}, {scheme}"], counts[f"{name}, {scheme}, Beaker"]
            yield f"objects, {title}, {scheme}", f"{mine:.0f}", f"{beaker:.0f}", "0"
        for name in (f"uploads, untouched, {scheme}", f"uploads, read, {scheme}"):
            mine, beaker = counts[name], counts[f"{name}, Beaker"]
            yield f"MB, {name}", f"{mine:.0f}", f"{beaker:.0f}", f"{counts['uploads']:.0f}"
    yield "bytes, each visitor", f"{counts['kept of a visitor']:.0f}", f"{counts['kept of a visitor, Beaker']:.0f}", ""
