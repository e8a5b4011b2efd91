"""The tests stand as the package does, and share nothing but what stands in support or in a module of their folder."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sessionware

PACKAGE = Path(sessionware.__file__).parent
TESTS = Path(__file__).parent
#: Folders whose tests concern the package as a whole.
WHOLE = {"behaviour", "concurrency", "documentation", "fuzz", "production", "security", "typing", "vectors"}
MODULES = sorted(path for path in TESTS.rglob("*.py") if "__pycache__" not in path.parts)


def folder(path: Path) -> str:
    return path.parent.relative_to(TESTS).as_posix()


def is_of_tests(path: Path) -> bool:
    return path.name.startswith("test_")


def modules_imported_by(path: Path) -> set[str]:
    """The full names of what *path* imports, where a name may be that of a module or of something in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {
        f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return whole | parts


def test_a_folder_of_tests_bears_the_name_of_a_folder_of_the_package() -> None:
    folders = {folder(path) for path in MODULES if is_of_tests(path)} - {"."}

    strangers = {name for name in folders - WHOLE if not (PACKAGE / name / "__init__.py").exists()}

    assert strangers == set()


def test_at_the_top_are_only_the_tests_of_the_layout_and_of_the_architecture() -> None:
    assert {path.name for path in TESTS.glob("test_*.py")} == {"test_architecture.py", "test_layout.py"}


def test_support_holds_no_tests() -> None:
    assert list((TESTS / "support").rglob("test_*.py")) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_nothing_imports_a_module_of_tests_or_of_fixtures(path: Path) -> None:
    parts = {part for name in modules_imported_by(path) for part in name.split(".")}

    assert [part for part in sorted(parts) if part.startswith("test_") or part == "conftest"] == []


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if folder(path).partition("/")[0] == "support"],
    ids=lambda path: path.relative_to(TESTS).as_posix(),
)
def test_support_imports_nothing_of_the_folders_beside_it(path: Path) -> None:
    beside = {entry.name for entry in TESTS.iterdir() if entry.is_dir()} - {"support", "typing"}

    assert {name.partition(".")[0] for name in modules_imported_by(path)} & beside == set()
