"""An application that has used up the stack is told so, and nobody loses a session by that."""

from __future__ import annotations

from typing import Any

import pytest
from support.actions import Action, below, call, login, put, read
from support.browser import Browser

#: More containers than the deepest session may nest, so that the bytes alone do not tell which of the two it is.
CART = [{"sku": number, "size": (number, number)} for number in range(60)]


@pytest.mark.parametrize(
    ("action", "after"),
    [
        pytest.param(read, {"cart": CART}, id="read"),
        pytest.param(put(new=2), {"cart": CART, "new": 2}, id="write"),
        pytest.param(call("alter", "visits", lambda count: count + 1, 0), {"cart": CART, "visits": 1}, id="alter"),
        pytest.param(login("ada"), {"cart": CART}, id="login"),
        pytest.param(call("clear"), {}, id="clear"),
    ],
)
def test_it_loses_no_session(light: Browser, action: Action, after: dict[str, Any]) -> None:
    outcomes: set[str] = set()

    for frames in range(1, 60):
        light.cookies.clear()
        light.send(put(cart=CART))
        outcome = light.send(below(action, frames)).result
        outcomes.add(outcome)
        assert light.data() == (after if outcome == "done" else {"cart": CART}), f"with {frames} frames left"

    assert outcomes == {"told", "done"}
    assert not [event for event in light.site.events if event.name == "rejected"]
