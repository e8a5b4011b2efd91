"""What the page for those who come from Beaker says of old names and new ones is what the code says."""

from __future__ import annotations

import re

import docutils.nodes
import pytest
from documentation.pages import ROOT, literals, tables

from sessionware import ConfigError, Session, SessionMiddleware

(ROWS,) = tables(ROOT / "docs" / "beaker.rst")
#: In Beaker attributes of a session, and no options.
ATTRIBUTES = {"session.created", "session.last_accessed"}


def names_in(cell: docutils.nodes.Node) -> set[str]:
    """The options and attributes of ``session`` there, but for the calls."""
    return {name for name in literals(cell) if re.fullmatch(r"session\.[a-z_.]+", name)}


@pytest.mark.parametrize(
    ("option", "successors"),
    [
        pytest.param(name, names_in(new), id=name)
        for old, new in ROWS
        for name in sorted(names_in(old) - names_in(new) - ATTRIBUTES)
    ],
)
def test_an_option_of_beaker_is_a_fault_that_names_its_successor(option: str, successors: set[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(lambda environ, start_response: [], {option: "1", "session.backend": "memory"})

    message = str(caught.value)
    hint = re.search(r"did you mean (.*)\?", message)

    assert f"{option}: unknown option" in message
    assert hint is None if not successors or option == "session.auto" else hint is not None and hint[1] in successors


def test_what_takes_the_place_of_beakers_members_exists() -> None:
    given = " ".join(name for _, new in ROWS for name in literals(new))
    members = set(re.findall(r"session\.(\w+_at|\w+(?=\())", given))

    assert {"clear", "invalidate", "save", "regenerate", "login", "created_at"} <= members
    assert all(hasattr(Session, name) for name in members)
