"""The managers of configurations that were written for Beaker."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from sessionware.config.beaker import read_options, translated
from sessionware.exceptions import hide_own_frames
from sessionware.integrations.explicit import ExplicitAnswers, ExplicitSession
from sessionware.manager import SessionManager


class BeakerManager(SessionManager):
    """The manager for a configuration of Beaker's, by its *options* without a prefix."""

    def __init__(self, options: Mapping[str, Any], **ours: Any) -> None:
        try:
            super().__init__({**translated(options), **ours})
        except Exception as error:
            hide_own_frames(error)
            del options, ours  # they have the secret, and a crash report shows the locals of this frame
            raise error
        if not options.get("auto"):
            lifecycle = self._lifecycle
            lifecycle.session_class = type("Session", (ExplicitSession, lifecycle.session_class), {"__slots__": ()})
            self._answers = ExplicitAnswers(lifecycle, self._settings)


class Managers:
    """One manager for each set of options with which a session is made without a middleware."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[object, SessionManager] = {}

    def of(self, given: Mapping[str, Any]) -> SessionManager:
        try:
            return self._of(read_options(None, given))
        except Exception as error:
            hide_own_frames(error)
            del given  # as above
            raise error

    def _of(self, options: Mapping[str, Any]) -> SessionManager:
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
