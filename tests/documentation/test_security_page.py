"""The page about security names every requirement and every advisory, and tests that there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import docutils.nodes
import pytest
from documentation.pages import ROOT, document, literals, tables

PAGE = ROOT / "docs" / "security.rst"
THREATS, COOKIES, SESSIONS, TOKENS, ADVISORIES = tables(PAGE)
#: Of OWASP ASVS 5.0.0: how many requirements each section has.
REQUIREMENTS = {"3.3": 5, "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2, "9.1": 3, "9.2": 4}
#: What no code can prove: it is a document of the application's own.
WITHOUT_TEST = {"7.1.3"}
#: A function, or the method of a class, in a file of tests.
NAMED = sorted({text for text in literals(document(PAGE)) if "::" in text})


def number_of(row: list[docutils.nodes.Node]) -> str:
    return row[0].astext().partition(" ")[0]


def test_every_requirement_of_the_chapters_has_a_row() -> None:
    wanted = [f"{section}.{number}" for section, count in REQUIREMENTS.items() for number in range(1, count + 1)]

    assert [number_of(row) for row in (*COOKIES, *SESSIONS, *TOKENS)] == wanted


def test_every_row_says_what_is_done_and_what_is_left() -> None:
    rows = [*THREATS, *COOKIES, *SESSIONS, *TOKENS, *ADVISORIES]

    assert [row[0].astext() for row in rows if not all(cell.astext().strip() for cell in row[:-1])] == []


def test_every_row_names_a_test() -> None:
    rows = [*THREATS, *COOKIES, *SESSIONS, *TOKENS, *ADVISORIES]

    without = {number_of(row) for row in rows if not set(literals(row[-1])) & set(NAMED)}

    assert without == WITHOUT_TEST


def test_every_advisory_that_a_test_of_security_names_has_a_row() -> None:
    pattern = r"CVE-\d{4}-\d+|GHSA(?:-\w{4}){3}"
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "security").glob("test_*.py"))
    told = " ".join(row[0].astext() for row in ADVISORIES)

    missing = {found for found in re.findall(pattern, sources) if found not in told}

    assert missing == set()


def collected(session: pytest.Session) -> set[str]:
    """The tests of this run, as the page names them."""
    return {
        f"{item.path.relative_to(ROOT / 'tests').as_posix()}::{item.nodeid.partition('::')[2].partition('[')[0]}"
        for item in session.items
    }


def test_every_test_that_is_named_is_collected(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A run of all tests has collected them; for what a shorter one has not, pytest is asked."""
    known = collected(request.session)
    missing = [name for name in NAMED if name not in known]
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "setup.cfg"), "--collect-only", "-q"]
    command += ["-p", "no:cacheprovider", *(f"{ROOT}/tests/{name}" for name in missing)]

    done = missing and subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200)

    assert not done or done.returncode == 0, done.stdout[-3000:]
