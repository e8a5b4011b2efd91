"""Each program that the README prints runs as printed, in the file that the README names, and is served as it says."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import docutils.nodes
import pytest
from documentation.pages import README, commands, document, literals, python_with

FILES = ("hello.py", "shop.py", "theme.py", "stored.py")


def programs() -> dict[str, str]:
    """Every snippet of Python, under the name of a file that was named last before it."""
    found = {}
    name = ""
    for node in document(README).findall():
        if isinstance(node, docutils.nodes.paragraph):
            name = next((text for text in literals(node) if re.fullmatch(r"\w+\.py", text)), name)
        elif isinstance(node, docutils.nodes.literal_block) and "python" in node["classes"]:
            assert name not in found, f"two snippets for {name!r}"
            found[name] = node.astext() + "\n"
    return found


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory with the file of the quick start, which the others may go on from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SESSION_SECRET", secrets.token_urlsafe(32))
    (tmp_path / "hello.py").write_text(python_with(README, "make_server"))
    return tmp_path


def ask(name: str, form: dict[str, str] | None = None) -> str:
    """What the program in file *name* answers to two requests of one browser, or to *form* twice, the second time."""
    Path(name).write_text(programs()[name])
    sent = "browser.get('/')" if form is None else f"browser.post('/', {form!r})"
    program = (
        f"import webtest, {Path(name).stem} as program\n"
        "browser = webtest.TestApp(program.app)\n"
        f"for _ in range(2): answer = {sent}.maybe_follow()\n"
        "print(answer.text, end='')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_snippet_has_a_file_of_its_own() -> None:
    assert tuple(programs()) == FILES


@pytest.mark.parametrize(
    ("name", "form", "answer"),
    [
        ("hello.py", None, "visit 2\n"),
        ("shop.py", {"item": "tea"}, "In the cart: tea, tea"),
        ("theme.py", {"theme": "dark"}, "Now dark."),
        ("stored.py", None, "visit 2\n"),
    ],
)
def test_a_snippet_runs_by_itself(name: str, form: dict[str, str] | None, answer: str) -> None:
    assert answer in ask(name, form)


def test_the_snippet_over_sqlite_keeps_its_sessions_there(place: Path) -> None:
    ask("stored.py")

    assert (place / "sessions.db").exists()


@pytest.mark.parametrize("name", FILES)
def test_a_snippet_without_a_secret_says_how_to_make_one(name: str, place: Path) -> None:
    (place / name).write_text(programs()[name])
    environment = {key: value for key, value in os.environ.items() if key != "SESSION_SECRET"}

    done = subprocess.run([sys.executable, name], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "ConfigError: secret: it is missing; make a good one with 'sessionware secret'" in done.stderr


def test_gunicorn_takes_the_snippet_that_it_is_told_to_serve(place: Path) -> None:
    (module,) = [found[1] for line in commands(README) if (found := re.search(r"\) gunicorn (\w+):app$", line))]
    (place / f"{module}.py").write_text(programs()[f"{module}.py"])

    served = [sys.executable, "-m", "gunicorn", "--check-config", f"{module}:app"]
    done = subprocess.run(served, capture_output=True, text=True, check=False, timeout=200)

    assert done.returncode == 0, done.stderr


def test_what_the_snippets_need_beside_the_package_is_what_the_readme_installs() -> None:
    (named,) = [command.split()[2:] for command in commands(README) if re.fullmatch(r"pip install [\w ]+", command)]
    imported = {found for text in programs().values() for found in re.findall(r"^import (\w+)$", text, re.MULTILINE)}

    assert set(named) - {"gunicorn"} == {name for name in imported if name not in sys.stdlib_module_names}
    assert all(find_spec(name) for name in named)
