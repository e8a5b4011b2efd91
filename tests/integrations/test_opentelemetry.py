"""The listener for OpenTelemetry, with the real SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from support.actions import Action, call, login, member, put, read, then
from support.browser import Browser, Site, visitor
from support.constants import COOKIE, SECRET
from support.stores import RecordingStore

from sessionware import Event, SessionMiddleware, StoreUnavailable
from sessionware.integrations.opentelemetry import EventRecorder, record_events


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def recorded(reader: InMemoryMetricReader) -> Iterator[Site]:
    """A site over a store, whose events go to the reader."""
    provider = MeterProvider([reader])
    yield Site(RecordingStore(), on_event=EventRecorder(provider))
    provider.shutdown()


def counts(reader: InMemoryMetricReader) -> dict[tuple[Any, Any], Any]:
    """The counts by name and reason."""
    data: Any = reader.get_metrics_data()
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert (metric.name, metric.unit) == ("sessionware.events", "{event}")
    return {
        (point.attributes["sessionware.event.name"], point.attributes.get("sessionware.event.reason")): point.value
        for point in metric.data.data_points
    }


def spanned(browser: Browser, action: Action) -> tuple[Any, Mapping[str, Any]]:
    """What *action* gave in a request within a span, and the attributes of the span."""
    with TracerProvider(shutdown_on_exit=False).get_tracer("test").start_as_current_span("request") as span:
        answer = browser.send(action)
    attributes: Mapping[str, Any] = span.attributes or {}  # type: ignore[attr-defined]
    return answer.result, attributes


def test_events_are_counted_by_name_and_reason(recorded: Site, reader: InMemoryMetricReader) -> None:
    browser = visitor(recorded, put(old=1))
    browser.send(login("ada"))
    for _ in range(3):
        recorded.ask(read, {COOKIE: "rubbish"})

    found = counts(reader)

    assert found["created", None] == 1
    assert found["regenerated", "login"] == 1
    assert found["rejected", "malformed"] == 3


def test_no_attribute_of_the_metric_tells_who_or_what_has_failed(recorded: Site, reader: InMemoryMetricReader) -> None:
    browser = visitor(recorded, login("ada-lovelace", old=1))
    recorded.store.failure = StoreUnavailable("redis at db1.internal: load: timed out")
    with recorded.store.down():
        browser.send(read)

    assert counts(reader) == {("created", "login"): 1, ("store_failed", None): 1}


def test_the_span_of_a_request_bears_the_id_of_its_session(recorded: Site) -> None:
    session_id, attributes = spanned(visitor(recorded), then(read, member("id")))

    assert attributes == {"session.id": session_id}


def test_the_span_of_a_change_of_id_bears_both(recorded: Site) -> None:
    browser = visitor(recorded)
    former = browser.ask(member("id")).result

    _, attributes = spanned(browser, login("ada"))

    assert attributes == {"session.id": browser.ask(member("id")).result, "session.previous_id": former}
    assert attributes["session.id"] != former


def test_the_span_of_a_request_that_touches_no_session_bears_none(recorded: Site) -> None:
    _, attributes = spanned(visitor(recorded), lambda session: None)

    assert attributes == {}


def test_a_span_never_bears_the_user_or_the_cookie(recorded: Site) -> None:
    browser = visitor(recorded, login("ada-lovelace"))
    cookie = browser.cookies[COOKIE]

    _, attributes = spanned(browser, then(put(data="secret"), call("regenerate")))

    assert [text for text in ("ada-lovelace", "secret", cookie, *recorded.store.keys) if text in str(attributes)] == []


@pytest.mark.parametrize("name", ["rejected", "revoked"])
def test_the_span_does_not_bear_the_id_of_a_session_that_is_not_its_own(name: str) -> None:
    with TracerProvider(shutdown_on_exit=False).get_tracer("test").start_as_current_span("request") as span:
        record_events(Event(name, "revoked", "another"))

    assert span.attributes == {}  # type: ignore[attr-defined]


def test_without_a_span_and_without_an_sdk_nothing_happens() -> None:
    assert not trace.get_current_span().is_recording()

    record_events(Event("created", None, "an-id"))
    record_events(Event("of a later version", "x", "an-id", "former"))


def test_it_is_configured_in_one_line_of_an_ini_file() -> None:
    config = {"session.secret": SECRET, "session.on_event": "sessionware.integrations.opentelemetry:record_events"}
    manager = SessionMiddleware(lambda environ, start_response: [], config).manager

    with TracerProvider(shutdown_on_exit=False).get_tracer("test").start_as_current_span("request") as span:
        session = manager.open({"wsgi.url_scheme": "https"})
        session["new"] = 1
        manager.commit(session)

    assert span.attributes == {"session.id": session.id}  # type: ignore[attr-defined]
