"""What is shown of a driver's error: enough to mend it, and no key, payload or password."""

from __future__ import annotations

import errno
import gc
import socket
import ssl
import traceback
import weakref
from collections.abc import Callable

import pytest

from sessionware.exceptions import Conflict, RecordTooLarge, StoreUnavailable
from sessionware.stores.failures import guarded, noting, told


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
    """A store's methods, and what they raise."""

    _place = "the medium at home"

    def __init__(self, error: Exception, *, step: str | None = None, place: str | None = None) -> None:
        self.error = error
        self.step = step
        self.place = place

    def _cause_of(self, error: Exception) -> Exception | None:
        if isinstance(error, ValueError):
            return RecordTooLarge("too large")
        return told(error) if isinstance(error, (DriverFailure, OSError)) else None

    @guarded
    def call(self, key: str, *, ttl: float) -> str:
        self._connect()
        raise self.error

    def _connect(self) -> None:
        if self.step is not None:
            with noting("call"), noting(self.step, self.place):
                raise self.error


def failure_of(call: Callable[[], object]) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("medium", "text"),
    [
        pytest.param(
            Medium(OSError(errno.EACCES, "SALT")),
            "the medium at home: call failed: PermissionError: [Errno 13] Permission denied",
            id="a method",
        ),
        pytest.param(
            Medium(DriverFailure("SALT"), step="connect"),
            f"the medium at home: connect failed: {__name__}.DriverFailure",
            id="a step in it",
        ),
        pytest.param(
            Medium(DriverFailure("SALT"), step="connect", place="its second server"),
            f"its second server: connect failed: {__name__}.DriverFailure",
            id="a place",
        ),
    ],
)
def test_a_failure_says_where_which_step_and_why(medium: Medium, text: str) -> None:
    assert str(failure_of(lambda: medium.call("key", ttl=60))) == text


def test_a_guarded_method_raises_what_can_be_shown_and_keeps_nothing_else() -> None:
    error = DriverFailure("SALT")
    reference = weakref.ref(error)
    medium = Medium(error)
    del error

    failure = failure_of(lambda: medium.call("key", ttl=60))
    medium.error = DriverFailure()
    gc.collect()

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


@pytest.mark.parametrize("error", [DriverFailure("SALT"), Conflict(), RecordTooLarge("too large")])
def test_no_frame_of_what_leaves_a_guarded_method_has_an_argument(error: Exception) -> None:
    with pytest.raises((StoreUnavailable, Conflict, RecordTooLarge)) as caught:
        Medium(error).call("a-key-of-a-session", ttl=60)

    # The first frame is the one of this test.
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[1:]
    assert [frame.name for frame in frames] == ["guarding"]
    assert "a-key-of" not in str([frame.locals for frame in frames])


class Handling:
    """A store's method that answers while it handles an error of its medium."""

    _place = "the medium at home"

    def _cause_of(self, error: Exception) -> Exception | None:
        return told(error)

    @guarded
    def call(self) -> None:
        try:
            raise DriverFailure("SALT")
        except DriverFailure:
            raise Conflict  # noqa: B904 - whose context is looked at


def test_nothing_that_was_handled_stays_with_an_answer() -> None:
    with pytest.raises(Conflict) as caught:
        Handling().call()

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_an_error_of_the_package_that_is_told_is_raised_itself() -> None:
    with pytest.raises(RecordTooLarge) as caught:
        Medium(ValueError("SALT")).call("key", ttl=60)

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
