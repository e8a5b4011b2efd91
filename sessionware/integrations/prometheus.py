"""A listener that counts events for Prometheus."""

from __future__ import annotations

from sessionware.events import Event
from sessionware.exceptions import ConfigError
from sessionware.integrations.labels import ALL, labels_of

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter
except ImportError as error:
    raise ConfigError("Prometheus needs its client: pip install 'sessionware[prometheus]'") from error


class EventCounter:
    """Counts events by name and reason, as ``sessionware_events_total`` in *registry*.

    The labels ``event`` and ``reason`` take only words that are known beforehand: never a user, a session id, an
    address or the text of an error. All that are known begin at zero, so that a rate shows the first event, too.
    """

    __slots__ = ("_counter", "_counters")

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._counter = Counter(
            "sessionware_events",
            "Decisions about sessions, by the event's name and reason.",
            ("event", "reason"),
            registry=registry,
        )
        self._counters = {labels: self._counter.labels(*labels) for labels in ALL}

    def __call__(self, event: Event) -> None:
        """Count *event*."""
        labels = labels_of(event)
        (self._counters.get(labels) or self._counter.labels(*labels)).inc()


#: For ``on_event``: counts in the registry that ``prometheus_client`` exposes by default.
count_events = EventCounter()
