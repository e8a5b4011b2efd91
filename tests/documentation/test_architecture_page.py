"""The page about the architecture names the modules that there are, in their order."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import docutils.nodes
import pytest
from documentation.pages import ROOT, document, literals, tables

import sessionware

PACKAGE = Path(sessionware.__file__).parent
PAGE = ROOT / "docs" / "architecture.rst"
NAMED = [text for text in literals(document(PAGE)) if re.fullmatch(r"[a-z_]+(/[a-z_]+)*(\.py|/)", text)]
FOLDERS = sorted({path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE})
#: The order of the modules, as the test of it has it.
(FLOORS,) = (
    ast.literal_eval(node.value)
    for node in ast.parse((ROOT / "tests" / "test_architecture.py").read_text(encoding="utf-8")).body
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "FLOORS"
)
#: Those that only re-export, or run what another module has.
WITHOUT_A_JOB = {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("name", sorted(set(NAMED) - {"tests/test_architecture.py"}))
def test_a_module_that_is_named_exists(name: str) -> None:
    assert (PACKAGE / name).exists()


@pytest.mark.parametrize("folder", [pytest.param(path, id=path.relative_to(PACKAGE).as_posix()) for path in FOLDERS])
def test_a_folder_of_the_package_is_named(folder: Path) -> None:
    assert f"{folder.relative_to(PACKAGE).as_posix()}/" in NAMED


def test_every_module_at_the_root_or_in_a_folder_of_the_first_level_is_named() -> None:
    """But for what is in the folder of one store, or of the suite, which is for the reader of that folder."""
    shallow = {path.relative_to(PACKAGE).as_posix() for path in [*PACKAGE.glob("*.py"), *PACKAGE.glob("*/*.py")]}

    wanted = {name for name in shallow if Path(name).name not in WITHOUT_A_JOB}

    assert wanted <= set(NAMED)


def test_the_folders_and_their_files_stand_in_the_order_that_is_tested() -> None:
    order = [f"{name.replace('.', '/')}.py" for floor in FLOORS.values() for name in floor.split()]
    _, folders = tables(PAGE)[:2]
    named = [
        name for row in folders for cell in (row[0], row[2]) for name in literals(cell) if "/" in name or ".py" in name
    ]

    places = [next(number for number, path in enumerate(order) if path.startswith(name)) for name in named]

    assert len(named) > 40
    assert places == sorted(places)


def test_the_plain_types_stand_where_the_page_says() -> None:
    terms = [list(literals(term)) for term in document(PAGE).findall(docutils.nodes.term)]

    assert len(terms) == 4
    for name, module in terms:
        assert re.search(rf"^class {name}\b", (PACKAGE / module).read_text(encoding="utf-8"), re.MULTILINE), name
