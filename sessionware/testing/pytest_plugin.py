"""Fixtures of pytest for an application with sessions: ``session_client``, ``session_clock`` and ``log_in``.

pytest imports this wherever the package is installed, so it imports nothing else before a test asks for a fixture.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sessionware.testing.client import SessionClient
    from sessionware.testing.clock import FakeClock

#: The fixtures of a project that may have its client or its application.
_USUAL = ("client", "testapp", "app")
#: What pytest says where a fixture with params is asked for while a test runs.
_NO_PARAMETER = "has no parameter defined"
_HAS_PARAMS = (
    "the fixture {name}, or one that it uses, has params, so it has to be asked for by name. Define a fixture "
    "session_app: def session_app({name}): return {name}"
)


@pytest.fixture
def session_clock() -> Iterator[FakeClock]:
    """A clock that begins now and stands still; the time of every manager and store that was given no ``clock``."""
    from sessionware.testing.clock import FakeClock

    with FakeClock(time.time()).installed() as clock:
        yield clock


@pytest.fixture
def session_app(request: pytest.FixtureRequest) -> Any:
    """What ``session_client`` is for: the project's fixture ``client``, ``testapp`` or ``app``, the first that it has.

    A project that calls it otherwise overrides this.
    """
    for name in _USUAL:
        try:
            return request.getfixturevalue(name)
        except pytest.FixtureLookupError as error:
            if error.argname != name:
                raise
        except pytest.fail.Exception as error:
            if _NO_PARAMETER not in str(error):
                raise
            pytest.fail(_HAS_PARAMS.format(name=name), pytrace=False)
    pytest.fail("define a fixture session_app that gives the application, or a client of it", pytrace=False)


@pytest.fixture
def session_client(session_clock: FakeClock, session_app: Any) -> SessionClient:
    """A client of the application with its session, whose clock can be moved."""
    from sessionware.testing.client import SessionClient

    return SessionClient(session_app)


@pytest.fixture
def log_in(session_client: SessionClient) -> Callable[..., None]:
    """Log a user in at the application, as :meth:`SessionClient.log_in` does."""
    return session_client.log_in
