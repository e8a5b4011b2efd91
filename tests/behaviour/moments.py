"""The types in which a session tells its times, a request that takes long, and a change after the headers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from support.actions import Action
from support.constants import KEY, PLAIN

from sessionware.testing import FakeClock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOUR, DAY = 3600.0, 86400.0


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def lasting(clock: FakeClock, seconds: float) -> Action:
    """An action during which so many seconds pass."""
    return lambda session: clock.advance(seconds)


def after_headers(action: Action) -> WSGIApplication:
    """An application that reads its session, and does *action* with it after its first chunk."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        len(environ[KEY])
        start_response("200 OK", PLAIN)
        yield b"first"
        action(environ[KEY])
        yield b"last"

    return app
