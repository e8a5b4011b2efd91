"""What is shown of a driver's error: enough to mend it, and no key, payload or password."""

from __future__ import annotations

import errno
import gc
import socket
import ssl
import weakref
from collections.abc import Callable

import pytest

from sessionware.exceptions import Conflict, RecordTooLarge, StoreUnavailable
from sessionware.stores.failures import guarded, told


class DriverFailure(Exception):
    """An error as a driver raises it."""


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        pytest.param(DriverFailure("SALT"), f"{__name__}.DriverFailure", id="a driver's"),
        pytest.param(ValueError("SALT"), "ValueError", id="Python's"),
        pytest.param(OSError(errno.ENOSPC, "SALT", "SALT"), "[Errno 28] No space left on device", id="the system's"),
        pytest.param(OSError("SALT"), "OSError", id="the system's without a number"),
        pytest.param(TimeoutError("SALT"), "timed out", id="a timeout"),
        pytest.param(ssl.SSLError(1, "SALT"), "ssl.SSLError (1)", id="of TLS"),
        pytest.param(socket.gaierror(-2, "SALT"), "socket.gaierror (-2)", id="of name resolution"),
    ],
)
def test_an_error_is_told_by_its_type_and_number(error: Exception, shown: str) -> None:
    assert str(told(error)) == shown


def test_the_system_s_errors_keep_their_types() -> None:
    assert isinstance(told(ConnectionRefusedError(errno.ECONNREFUSED, "SALT")), ConnectionRefusedError)
    assert isinstance(told(TimeoutError("SALT")), TimeoutError)


def test_words_are_told_without_what_is_hidden() -> None:
    error = told(
        DriverFailure(), words="user app, password hunter2, not happy", code=1045, hidden=["app", "hunter2", None]
    )

    assert str(error).endswith("DriverFailure (1045): user ***, password ***, not happy")


class Medium:
    """A store's method, and what it raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @guarded("the medium failed", DriverFailure, OSError)
    def call(self, key: str, *, ttl: float) -> str:
        raise self.error


def failure_of(call: Callable[[], object]) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        call()
    return caught.value


def test_a_guarded_method_raises_what_can_be_shown_and_keeps_nothing_else() -> None:
    error = DriverFailure("SALT")
    reference = weakref.ref(error)
    medium = Medium(error)
    del error

    failure = failure_of(lambda: medium.call("key", ttl=60))
    medium.error = DriverFailure()
    gc.collect()

    assert str(failure) == "the medium failed"
    assert str(failure.__cause__).endswith("DriverFailure")
    assert (failure.__context__, reference()) == (None, None)


def test_a_failure_that_is_dropped_leaves_no_cycle() -> None:
    def failed() -> weakref.ref[StoreUnavailable]:
        try:
            Medium(DriverFailure("SALT")).call("key", ttl=60)
        except StoreUnavailable as failure:
            return weakref.ref(failure)
        raise AssertionError

    gc.disable()
    try:
        assert failed()() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("error", [Conflict(), RecordTooLarge("too large"), KeyError("not the medium's")])
def test_a_guarded_method_passes_what_is_no_failure_of_the_medium(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        Medium(error).call("key", ttl=60)

    assert caught.value is error


def test_an_error_of_the_package_that_is_told_is_raised_itself() -> None:
    @guarded("the medium failed", DriverFailure, tell=lambda error: RecordTooLarge("too large"))
    def call() -> None:
        raise DriverFailure("SALT")

    with pytest.raises(RecordTooLarge) as caught:
        call()

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
