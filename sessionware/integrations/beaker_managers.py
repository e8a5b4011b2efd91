"""The managers of configurations that were written for Beaker."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from sessionware.config.beaker import read_options, translated
from sessionware.exceptions import hiding_arguments
from sessionware.integrations.explicit import ExplicitAnswers, ExplicitSession
from sessionware.manager import SessionManager


class BeakerManager(SessionManager):
    """The manager for a configuration of Beaker's, by its *options* without a prefix."""

    @hiding_arguments
    def __init__(self, options: Mapping[str, Any], **ours: Any) -> None:
        super().__init__({**translated(options), **ours})
        if not options.get("auto"):
            lifecycle = self._lifecycle
            lifecycle.session_class = type("Session", (ExplicitSession, lifecycle.session_class), {"__slots__": ()})
            self._answers = ExplicitAnswers(lifecycle, self._settings)


class Managers:
    """One manager for each set of options with which a session is made without a middleware."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[object, SessionManager] = {}

    @hiding_arguments
    def of(self, given: Mapping[str, Any]) -> SessionManager:
        options = read_options(None, given)
        key = tuple((name, _hashable(options[name])) for name in sorted(options))
        with self._lock:
            if key not in self._made:
                self._made[key] = BeakerManager(options)
            return self._made[key]


def _hashable(value: object) -> object:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return type(value), value


MANAGERS = Managers()
