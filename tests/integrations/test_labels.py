"""What events are counted by is known beforehand, and is all that a session tells."""

from __future__ import annotations

import docutils.nodes
import pytest
from documentation.pages import ROOT, literals, tables
from support.actions import call, login, put, read, then
from support.browser import Site, visitor
from support.constants import COOKIE, NEW_SECRET, SECRET
from support.stores import RecordingStore

from sessionware import Event
from sessionware.integrations.labels import ALL, REASONS, labels_of


@pytest.mark.parametrize(
    ("event", "labels"),
    [
        pytest.param(Event("saved"), ("saved", ""), id="no reason"),
        pytest.param(Event("created", "login"), ("created", "login"), id="a reason"),
        pytest.param(Event("loaded", "old_key 1a2b3c4d"), ("loaded", "old_key"), id="the id of a key"),
        pytest.param(Event("store_failed", "redis at db1: load: timed out"), ("store_failed", ""), id="a cause"),
        pytest.param(Event("refused", "https://evil.example"), ("refused", ""), id="an origin"),
        pytest.param(Event("rejected", "of a later version"), ("rejected", "other"), id="an unknown reason"),
        pytest.param(Event("rejected"), ("rejected", "other"), id="a reason that is missing"),
        pytest.param(Event("of a later version", "x"), ("other", ""), id="an unknown event"),
    ],
)
def test_an_event_is_counted_by_words_that_are_known(event: Event, labels: tuple[str, str]) -> None:
    assert labels_of(event) == labels


def test_every_event_and_reason_of_the_manual_is_known() -> None:
    table = next(rows for rows in tables(ROOT / "docs" / "events.rst") if rows[0][0].astext() == "created")
    cells: list[tuple[str, docutils.nodes.Node]] = [(row[0].astext(), row[1]) for row in table]

    assert {name for name, _ in cells} <= set(REASONS)
    for name, cell in cells:
        told = set(literals(cell)) & {reason for reasons in REASONS.values() for reason in reasons}
        assert told <= {*REASONS[name], "login"}, name
        assert told >= {reason for reason in REASONS[name] if reason}, name


def test_nothing_that_a_session_tells_is_counted_as_other() -> None:
    store = RecordingStore()
    site = Site(store)
    browser = visitor(site, login("ada", old=1))
    tab = browser.twin()
    tab.twin(site.like(secret=NEW_SECRET)).ask(read)
    tab.twin(site.like(secret=[NEW_SECRET, SECRET])).ask(read)
    for action in (login("ada"), login("bob", new=1), call("regenerate"), call("remember", "30d"), call("clear")):
        browser.send(action)
        tab.ask(put(late=1))
    browser.send(put(new=1))
    site.ask(then(put(late=1), lambda session: browser.ask(put(late=2))), browser.cookies)
    site.clock.advance(1800)
    browser.send(read)
    site.ask(read, {COOKIE: "rubbish"})
    with store.down():
        browser.send(read)
    browser.send(lambda session: session.pop("new"))
    site.clock.advance(86400)
    browser.send(read)

    assert len({event.name for event in site.events}) > 7
    assert {labels_of(event) for event in site.events} <= set(ALL)
