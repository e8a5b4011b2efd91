"""After any sequence of requests a session holds what a dict and a user would."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.browser import Browser, Site
from support.stores import RecordingStore

from sessionware import Session
from sessionware.stores import MemoryStore
from sessionware.testing import FakeClock

KEYS = st.sampled_from(["a", "b", "c"])
STEPS = st.one_of(
    st.tuples(st.just("set"), KEYS, st.one_of(st.integers(), st.lists(st.integers(), max_size=2), st.none())),
    st.tuples(st.just("drop"), KEYS),
    st.tuples(st.just("append"), KEYS, st.integers()),
    st.tuples(st.just("alter"), KEYS),
    st.tuples(st.just("login"), st.sampled_from(["ada", "bob", 7, "7"])),
    *(st.tuples(st.just(word)) for word in ("clear", "regenerate", "save", "revert", "read", "modify", "remember")),
)


@dataclass
class Model:
    """What the session should hold, and what it held when it was last at rest."""

    data: dict[str, Any] = field(default_factory=dict)
    user_id: Any = None
    at_rest: dict[str, Any] = field(default_factory=dict)

    def rest(self) -> None:
        self.at_rest = copy.deepcopy(self.data)

    def do(self, step: tuple[Any, ...]) -> None:
        word, *rest = step
        if word == "set":
            self.data[rest[0]] = copy.deepcopy(rest[1])
        elif word == "drop":
            self.data.pop(rest[0], None)
        elif word == "append" and isinstance(self.data.get(rest[0]), list):
            self.data[rest[0]].append(rest[1])
        elif word == "alter":
            self.data[rest[0]] = repr(self.data.get(rest[0]))
        elif word == "clear" or (word == "login" and self.user_id is not None and str(self.user_id) != str(rest[0])):
            self.data, self.at_rest, self.user_id = {}, {}, None
        if word == "login":
            self.user_id = rest[0]
        elif word == "save":
            self.rest()
        elif word == "revert":
            self.data = copy.deepcopy(self.at_rest)


def do(session: Session, step: tuple[Any, ...]) -> None:
    word, *rest = step
    if word == "set":
        session[rest[0]] = copy.deepcopy(rest[1])
    elif word == "drop":
        session.pop(rest[0], None)
    elif word == "append":
        if isinstance(session.get(rest[0]), list):
            session[rest[0]].append(rest[1])
    elif word == "alter":
        session.alter(rest[0], repr)
    elif word == "read":
        dict(session)
    elif word == "modify":
        session.modified = True
    elif word == "remember":
        session.remember("30d")
    else:
        getattr(session, word)(*rest)


def check(session: Session, model: Model) -> None:
    assert dict(session) == model.data
    assert session.user_id == model.user_id
    assert type(session.user_id) is type(model.user_id)


@pytest.mark.parametrize("is_stored", [False, True], ids=["cookie", "memory"])
@settings(max_examples=100)
@given(requests=st.lists(st.lists(STEPS, max_size=6), max_size=5))
def test_a_session_holds_what_a_dict_and_a_user_would(is_stored: bool, requests: list[list[tuple[Any, ...]]]) -> None:
    clock, model = FakeClock(), Model()
    browser = Browser(Site(RecordingStore(MemoryStore(clock=clock)) if is_stored else "cookie", clock))

    for steps in requests:

        def act(session: Session, steps: list[tuple[Any, ...]] = steps) -> None:
            check(session, model)
            for step in steps:
                do(session, step)
                model.do(step)
                check(session, model)

        assert browser.send(act).status == 200
        model.rest()
        assert bool(browser.cookies) == bool(model.data or model.user_id)
        clock.advance(400)
