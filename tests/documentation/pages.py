"""The pages of the documentation, read as docutils reads them; what only Sphinx knows is given a stand-in."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import docutils.core
import docutils.nodes
from docutils.parsers.rst import Directive, directives, roles

ROOT = Path(__file__).parents[2]
README = ROOT / "README.rst"
QUICK_START = ROOT / "docs" / "quickstart.rst"
#: Those that are written here: a page of docs/ that is nothing but another one included would be read twice.
PAGES = tuple(
    path
    for path in (*sorted(ROOT.glob("*.rst")), *sorted((ROOT / "docs").glob("*.rst")))
    if not re.fullmatch(r"\.\. include:: \S+\s*", path.read_text(encoding="utf-8"))
)


class _Ignored(Directive):
    """A directive of Sphinx that shows nothing of its own here."""

    has_content = True
    optional_arguments = 99
    final_argument_whitespace = True
    option_spec: ClassVar[Any] = dict.fromkeys(
        ("caption", "maxdepth", "members", "no-index", "undoc-members"), directives.unchanged
    )

    def run(self) -> list[docutils.nodes.Node]:
        return []


class _Glossary(_Ignored):
    """Its terms are a definition list."""

    def run(self) -> list[docutils.nodes.Node]:
        found = docutils.nodes.container()
        self.state.nested_parse(self.content, self.content_offset, found)
        return [found]


#: The directive that makes the tables of the options needs nothing of Sphinx.
_EXTENSION = runpy.run_path(str(ROOT / "docs" / "extensions" / "sessionware_docs.py"))

for _name in ("attribute", "autoclass", "autoexception", "autofunction", "class", "method", "toctree"):
    directives.register_directive(_name, _Ignored)
directives.register_directive("glossary", _Glossary)
directives.register_directive("option-tables", _EXTENSION["OptionTables"])
for _name in ("class", "doc", "meth", "ref", "term"):
    roles.register_generic_role(_name, docutils.nodes.emphasis)


@cache
def document(page: Path) -> docutils.nodes.document:
    """*page* as docutils reads it; a warning is an error."""
    found = docutils.core.publish_doctree(
        page.read_text(encoding="utf-8"),
        source_path=str(page),
        settings_overrides={"report_level": 2, "halt_level": 2},
    )
    assert isinstance(found, docutils.nodes.document)
    return found


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """The language and the text of every block of *languages*, in the order of the page."""
    return [
        (language, block.astext())
        for block in document(page).findall(docutils.nodes.literal_block)
        for language in languages
        if language in block["classes"]
    ]


def python_with(page: Path, words: str) -> str:
    """The block of Python in which *words* stand."""
    (found,) = [text for _, text in blocks(page, "python") if words in text]
    return found


def commands(page: Path) -> list[str]:
    """What the page tells to type, from its first line to its last."""
    lines = [line for _, text in blocks(page, "console") for line in text.splitlines()]
    return [line.removeprefix("$ ") for line in lines]


def tables(page: Path) -> list[list[list[docutils.nodes.Node]]]:
    """The rows of each table of *page*, without its heading."""
    return [
        [list(row.children) for row in body.findall(docutils.nodes.row)]
        for body in document(page).findall(docutils.nodes.tbody)
    ]


def literals(node: docutils.nodes.Node) -> Iterator[str]:
    """What stands in double backquotes within *node*."""
    return (literal.astext() for literal in node.findall(docutils.nodes.literal))
