"""A listener that counts events for OpenTelemetry and names the session on the current span."""

from __future__ import annotations

from sessionware.events import Event
from sessionware.exceptions import ConfigError
from sessionware.integrations.labels import ALL, labels_of

try:
    from opentelemetry import metrics, trace
except ImportError as error:
    raise ConfigError("OpenTelemetry needs its API: pip install 'sessionware[opentelemetry]'") from error

#: Of these the session need not be the request's: a cookie that proves nothing, a session that another request ends.
NOT_OF_THE_REQUEST = {"rejected", "revoked"}


class EventRecorder:
    """Counts events as the metric ``sessionware.events``, and sets attributes of the span that is current then.

    The metric's attributes ``sessionware.event.name`` and ``sessionware.event.reason`` take only words that are known
    beforehand. The span's are those of the semantic conventions: ``session.id``, the handle that is safe to show, and,
    where a session was given a new id, ``session.previous_id``. Without an SDK all of it does nothing.
    """

    __slots__ = ("_attributes", "_counter")

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter("sessionware", meter_provider=provider)
        self._counter = meter.create_counter(
            "sessionware.events", "{event}", "Decisions about sessions, by the event's name and reason."
        )
        self._attributes = {labels: _attributes(*labels) for labels in ALL}

    def __call__(self, event: Event) -> None:
        """Count *event*, and name its session on the current span."""
        labels = labels_of(event)
        self._counter.add(1, self._attributes.get(labels) or _attributes(*labels))
        if event.session_id is not None and event.name not in NOT_OF_THE_REQUEST:
            _name_session(event.session_id, event.former_id)


def _attributes(name: str, reason: str) -> dict[str, str]:
    attributes = {"sessionware.event.name": name}
    if reason:
        attributes["sessionware.event.reason"] = reason
    return attributes


def _name_session(session_id: str, former_id: str | None) -> None:
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute("session.id", session_id)
        if former_id is not None:
            span.set_attribute("session.previous_id", former_id)


#: For ``on_event``: counts by the meter provider, and marks the spans, that the process has set up.
record_events = EventRecorder()
