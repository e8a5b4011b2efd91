"""What the page for those who come from Beaker says of old names and new ones is what the code says."""

from __future__ import annotations

import re

import pytest
from documentation.pages import ROOT, literals, tables
from support.constants import SECRET

from sessionware import ConfigError, Session, SessionMiddleware

MEMBERS, OPTIONS = tables(ROOT / "docs" / "beaker.rst")


@pytest.mark.parametrize("prefix", ["session.", "beaker.session."])
@pytest.mark.parametrize(
    ("option", "successors"),
    [
        pytest.param(option, [text for text in literals(new) if " = " in text], id=option)
        for old, new in OPTIONS
        for option in literals(old)
    ],
)
def test_an_option_of_beaker_is_a_fault_that_says_what_the_page_says(
    option: str, successors: list[str], prefix: str
) -> None:
    name, _, value = option.partition(" = ")
    beside = {} if any(successor.startswith("secret") for successor in successors) else {"session.secret": SECRET}

    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(lambda environ, start_response: [], {prefix + name: value, **beside})

    message = str(caught.value)
    lines = " and ".join(f"session.{successor}" for successor in successors)
    assert message.startswith(f"{prefix}{name}: unknown option (Beaker's); ")
    assert message.endswith(f"; write {lines}") if successors else "; leave it out: " in message


def test_what_takes_the_place_of_beakers_members_exists() -> None:
    given = " ".join(name for _, new in MEMBERS for name in literals(new))
    members = set(re.findall(r"session\.(\w+_at|\w+(?=\())", given))

    assert {"clear", "invalidate", "save", "regenerate", "login", "created_at"} <= members
    assert all(hasattr(Session, name) for name in members)


def test_what_only_beakers_session_has_is_not_here() -> None:
    theirs = {name for old, _ in MEMBERS for text in literals(old) for name in re.findall(r"^session\.(\w+)", text)}

    assert {"delete", "persist", "created", "regenerate_id"} <= theirs
    assert not any(hasattr(Session, name) for name in theirs - {"save"})
