"""The listener for Prometheus, with the real client library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from documentation.pages import ROOT, python_with
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from support.actions import call, login, put, read
from support.browser import Site, visitor
from support.constants import COOKIE, SECRET
from support.stores import RecordingStore

from sessionware import Event, SessionMiddleware, StoreUnavailable
from sessionware.integrations.prometheus import EventCounter, count_events

TOTAL = "sessionware_events_total"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def counted(registry: CollectorRegistry) -> Site:
    """A site over a store, whose events are counted."""
    return Site(RecordingStore(), on_event=EventCounter(registry))


def count(registry: CollectorRegistry, event: str, reason: str = "") -> float | None:
    return registry.get_sample_value(TOTAL, {"event": event, "reason": reason})


def test_events_are_counted_by_name_and_reason(counted: Site, registry: CollectorRegistry) -> None:
    browser = visitor(counted, put(old=1))
    browser.send(login("ada"))
    browser.send(call("clear"))
    for _ in range(3):
        counted.ask(read, {COOKIE: "rubbish"})

    assert count(registry, "created") == 1
    assert count(registry, "regenerated", "login") == 1
    assert count(registry, "ended", "invalidated") == 1
    assert count(registry, "rejected", "malformed") == 3


def test_what_has_not_happened_yet_is_zero(registry: CollectorRegistry) -> None:
    EventCounter(registry)

    assert count(registry, "store_failed") == 0
    assert count(registry, "rejected", "bad_signature") == 0


def test_a_later_event_is_counted_as_another(registry: CollectorRegistry) -> None:
    EventCounter(registry)(Event("of a later version"))

    assert count(registry, "other") == 1


def test_no_label_tells_who_or_what_has_failed(counted: Site, registry: CollectorRegistry) -> None:
    store = counted.store
    browser = visitor(counted, login("ada-lovelace", old=1))
    browser.send(login("grace-hopper"))
    session_id = browser.ask(lambda session: session.id).result
    store.failure = StoreUnavailable("redis at db1.internal: load: timed out")
    with store.down():
        browser.send(read)

    exposed = generate_latest(registry).decode()

    assert count(registry, "store_failed") == 1
    assert [text for text in ("ada-lovelace", "grace-hopper", session_id, "db1.internal") if text in exposed] == []


def test_the_series_are_as_many_after_a_flood_of_reasons(registry: CollectorRegistry) -> None:
    listener = EventCounter(registry)
    listener(Event("rejected", "unknown"))
    before = generate_latest(registry).count(b"\n")

    for number in range(100):
        listener(Event("refused", f"https://{number}.example"))
        listener(Event("rejected", f"reason{number}"))

    assert generate_latest(registry).count(b"\n") == before


def test_it_is_configured_in_one_line_of_an_ini_file() -> None:
    config = {"session.secret": SECRET, "session.on_event": "sessionware.integrations.prometheus:count_events"}
    before = count(REGISTRY, "created") or 0

    manager = SessionMiddleware(lambda environ, start_response: [], config).manager
    session = manager.open({"wsgi.url_scheme": "https"})
    session["new"] = 1
    manager.commit(session)

    assert count(REGISTRY, "created") == before + 1
    assert isinstance(count_events, EventCounter)


PROGRAM = f"""
import os
from wsgiref.util import setup_testing_defaults
from sessionware import SessionMiddleware

listener = "sessionware.integrations.prometheus:count_events"
app = SessionMiddleware(lambda environ, start_response: [], secret={SECRET!r}, on_event=listener)

def serve():
    session = app.manager.open({{"wsgi.url_scheme": "https"}})
    session["new"] = 1
    app.manager.commit(session)

for _ in range(3):
    if os.fork() == 0:
        serve()
        os._exit(0)
for _ in range(3):
    os.wait()
environ = {{}}
setup_testing_defaults(environ)
body = metrics(environ, lambda status, headers: None)
print(b"".join(body).decode())
"""
#: The page for Prometheus, as the manual has it.
METRICS = python_with(ROOT / "docs" / "events.rst", "MultiProcessCollector")


def test_forked_workers_are_counted_together_in_the_mode_for_several_processes(tmp_path: Path) -> None:
    """As gunicorn forks them, with ``preload_app``."""
    command = [sys.executable, "-c", f"{METRICS}\n{PROGRAM}"]
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert f'{TOTAL}{{event="created",reason=""}} 3.0' in done.stdout
