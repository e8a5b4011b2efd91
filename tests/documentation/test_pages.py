"""Everything that the README and the documentation print works as printed."""

from __future__ import annotations

import configparser
import doctest
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import docutils.nodes
import pytest
import webtest
from documentation.pages import (
    PAGES,
    QUICK_START,
    README,
    ROOT,
    blocks,
    commands,
    document,
    literals,
    python_with,
    tables,
)

from sessionware import SessionMiddleware, get_session
from sessionware.cli.main import main
from sessionware.config.table import OPTIONS, STORE_OPTIONS

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
DOCS = ROOT / "docs"
README_LINES = 200
every_page = pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES]
)
every_page_with_snippets = pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.relative_to(ROOT).as_posix())
        for page in PAGES
        if page != README and blocks(page, "python", "pycon")
    ],
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """An empty directory to follow a page in, and a secret as the quick start makes it."""
    main(["secret"])
    monkeypatch.setenv("SESSION_SECRET", capsys.readouterr().out.strip())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@every_page
def test_a_page_reads_without_a_warning(page: Path) -> None:
    assert document(page).astext().strip()


@every_page_with_snippets
def test_every_snippet_runs_in_the_order_of_the_page(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Behind those of the quick start, which says so. Those of the README are programs, each tried in its own file."""
    names: dict[str, Any] = {"__name__": "page"}
    runner = doctest.DocTestRunner()
    before = [] if page == QUICK_START else blocks(QUICK_START, "python")

    for number, (language, text) in enumerate([*before, *blocks(page, "python", "pycon")]):
        if language == "python":
            # As the author of the page wrote it, not as the author of this test: no future imports.
            exec(compile(text, f"{page.name}, snippet {number}", "exec", dont_inherit=True), names)
        else:
            examples = doctest.DocTestParser().get_doctest(text, names, f"snippet {number}", None, 0)
            runner.run(examples, clear_globs=False)
            names.update(examples.globs)

    assert runner.failures == 0, capsys.readouterr().out
    assert runner.tries >= len(blocks(page, "pycon"))


def test_pages_show_what_a_console_of_python_prints() -> None:
    assert sum(len(blocks(page, "pycon")) for page in PAGES) >= 2


# Commands


@every_page
def test_every_target_of_make_exists(page: Path) -> None:
    named = {command.split()[1] for command in commands(page) if command.startswith("make ")}
    named |= {found[1] for text in literals(document(page)) if (found := re.match(r"make ([a-z-]+)", text))}

    assert all(re.search(rf"^{target}:", MAKEFILE, re.MULTILINE) for target in named)


def test_every_target_that_the_makefile_explains_is_told_to_contributors() -> None:
    explained = set(re.findall(r"^#   make ([a-z-]+)", MAKEFILE, re.MULTILINE))

    told = {command.removeprefix("make ") for page in PAGES for command in commands(page)}

    assert explained <= told


@every_page
def test_every_extra_that_is_installed_exists(page: Path) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")

    named = {
        extra
        for text in (*commands(page), *literals(document(page)))
        for extra in re.findall(r"(?:sessionware|'\.)\[([a-z]+)\]", text)
    }

    assert named <= set(setup["options.extras_require"])


@every_page
def test_every_command_is_one_that_is_tried(page: Path) -> None:
    """Those of make and pip here, those of the quick start by a server: others would be promised and never run."""
    quick_start = [command for command in commands(README) if not command.startswith("make ")]

    others = [
        command
        for command in commands(page)
        if command not in quick_start and not command.startswith(("make ", "pip install '.["))
    ]

    assert others == []


# Files


@every_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    roots = "examples|benchmarks|docs|tests|sessionware"
    named = {
        text for text in literals(document(page)) if re.fullmatch(rf"(?:{roots})/\S*|[A-Z]+\.rst|setup\.cfg", text)
    }

    assert all(os.path.exists(ROOT / name) for name in named)


def test_the_readme_names_files() -> None:
    named = {text for text in literals(document(README)) if text.startswith("docs/")}

    assert named
    assert "examples/" in set(literals(document(README)))


def test_the_readme_names_every_page() -> None:
    """But for the first one, and for what the README itself is the place of."""
    written = {f"docs/{path.name}" for path in PAGES if path.parent == DOCS} - {"docs/index.rst", "docs/quickstart.rst"}

    assert written <= set(literals(document(README)))


def test_the_readme_is_for_newcomers() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_the_configuration_of_gunicorn_is_that_of_the_examples() -> None:
    lines = python_with(DOCS / "deployment.rst", "preload_app").splitlines()

    given = (ROOT / "examples" / "gunicorn.conf.py").read_text(encoding="utf-8").splitlines()

    assert set(lines) <= set(given)


# What is said of the code


def test_the_store_of_ones_own_passes_the_suite(place: Path) -> None:
    page = DOCS / "own-store.rst"
    program = python_with(page, "class DictStore") + "\n\n" + python_with(page, "class TestDictStore")
    (place / "test_dict_store.py").write_text(program)

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "test_dict_store.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)

    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


def test_the_tables_of_options_have_all_of_the_code() -> None:
    options, store_options = tables(DOCS / "configuration.rst")

    assert [row[0].astext() for row in options] == list(OPTIONS)
    assert all(cell.astext().strip() for row in options for cell in row)
    assert [row[0].astext() for row in store_options] == list(STORE_OPTIONS)


def test_every_event_of_the_log_is_explained() -> None:
    rows = tables(DOCS / "events.rst")[0]
    explained = [row[0].astext() for row in rows]
    first = next(iter(document(DOCS / "events.rst").findall(docutils.nodes.paragraph)))

    assert set(explained) < set(literals(first))
    assert {"created", "loaded", "ended", "rejected", "store_failed"} <= set(explained)


def test_the_audit_of_the_page_sees_every_sign_in_and_sign_out(capsys: pytest.CaptureFixture[str]) -> None:
    def hello(environ: Any, start_response: Any) -> list[bytes]:
        session = get_session(environ)
        if environ["PATH_INFO"] == "/in":
            session.login(environ["QUERY_STRING"])
        elif environ["PATH_INFO"] == "/out":
            session.clear()
        else:
            session["seen"] = True
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b""]

    names: dict[str, Any] = {
        "hello": hello,
        "SessionMiddleware": SessionMiddleware,
        "secret": os.environ["SESSION_SECRET"],
    }
    exec(python_with(DOCS / "events.rst", "def audit"), names)
    browser, other = webtest.TestApp(names["app"]), webtest.TestApp(names["app"])

    browser.get("/in?a-new-visitor")
    other.get("/")
    other.get("/in?somebody-known")
    other.get("/in?another")
    other.get("/out")
    told = capsys.readouterr().out.splitlines()

    assert [line.split()[2] for line in told] == ["created", "regenerated", "ended", "created", "ended"]
    assert [line.split()[-1] for line in told][:2] == ["a-new-visitor", "somebody-known"]


# Speed


def test_the_speed_of_every_row_is_within_its_aim_or_said_to_miss_it() -> None:
    page = DOCS / "speed.rst"
    missed = page.read_text(encoding="utf-8").partition("Missed in this run:")[2].partition("\n\n")[0]
    rows, _ = tables(page)
    aims = [[cell.astext().replace(",", "") for cell in row[1:3]] for row in rows]
    titles = [row[0].astext() for row in rows]

    over = []
    for title, (mine, aim) in zip(titles, aims, strict=True):
        is_rate = title.endswith("per second")
        if aim and (float(mine) < float(aim) if is_rate else float(mine) > float(aim)):
            over.append(title)

    named = {
        f"{what}, {action}"
        for what, actions in re.findall(r"([^;(]+) \(([^)]*)\)", missed.replace("\n", " "))
        for action in actions.split(" and ")
    }
    assert {title.strip() for title in named} == set(over)
