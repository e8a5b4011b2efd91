"""One response on its way out: start_response held, and the body followed to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sessionware.cookies.caching import merge_headers
from sessionware.events import logger
from sessionware.exceptions import ConflictError, StoreUnavailable

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from sessionware.lifecycle import Lifecycle
    from sessionware.session.mapping import Session

Write = Callable[[bytes], object]
_NO_CHUNK: Any = object()


class Reply:
    """One response: its status and headers, held until the session is committed, and then its body.

    A class and not a generator: close() on a generator that was never started would skip the application's own
    close(). A list, a tuple or a file goes to the server as it is; every other body is wrapped in this.
    """

    __slots__ = (
        "_body",
        "_failure",
        "_file_wrapper",
        "_first",
        "_headers",
        "_is_over",
        "_iterator",
        "_lifecycle",
        "_method",
        "_pairs",
        "_session",
        "_start_response",
        "_started_late",
        "_status",
        "_write",
    )
    _body: Any
    _first: Any
    _headers: list[tuple[str, str]]
    _iterator: Iterator[bytes]
    _write: Write

    def __init__(
        self, lifecycle: Lifecycle, session: Session, environ: WSGIEnvironment, start_response: StartResponse
    ) -> None:
        self._lifecycle = lifecycle
        self._session = session
        self._start_response = start_response
        # Taken now, because an inner middleware may change both.
        self._method = environ.get("REQUEST_METHOD")
        self._file_wrapper = environ.get("wsgi.file_wrapper")
        self._status: Any = None  # until the application has started its answer
        self._pairs: list[tuple[str, str]] | None = None
        self._failure: BaseException | None = None
        self._started_late = False
        self._is_over = False

    # What the application calls

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None) -> Write:
        """The application's start_response: keeps status and headers until the commit (PEP 3333)."""
        try:
            if exc_info is None and self._status is not None:
                raise AssertionError("start_response() was called a second time without exc_info")
            self._status = status
            if self._pairs is not None:
                # The server raises if the headers are out; if not, the error page must not lose the cookie.
                self._write = self._start_response(status, merge_headers(headers, self._pairs), exc_info)
            else:
                self._headers = list(headers)
                if self._started_late:
                    self._commit()
            return self.write
        finally:
            exc_info = None  # this frame and its traceback would hold each other

    def write(self, chunk: bytes) -> None:
        """The application's write(): the first call commits; it and every later one raise what that commit raises."""
        if self._pairs is None:
            self._commit()
        self._write(chunk)

    # What the middleware calls

    def deliver(self, body: Any) -> Iterable[bytes]:
        """What goes to the server for *body*, which the application has returned."""
        kind = type(body)
        try:
            if kind is not list and kind is not tuple and not self._is_file(body):
                return self._stream(body)
            if self._pairs is not None or self._status is None:
                self._save_rest()
            else:
                self._commit()
            self._finish()
            return body  # type: ignore[no-any-return]
        except BaseException as error:
            _close(body)
            answer = self.give_up(error)
            if answer is None:
                raise
            return answer

    def give_up(self, error: BaseException) -> list[bytes] | None:
        """Drop the application's response; the answer for *error*, or ``None`` where it is to be raised."""
        self._abandon()
        self._failure = None
        if self._pairs is not None or not isinstance(error, (ConflictError, StoreUnavailable)):
            return None
        if isinstance(error, StoreUnavailable) and self._lifecycle.raises_store_failures:
            return None
        text = f"{type(error).description}\n".encode()
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(text))),
            ("Retry-After", str(error.seconds_to_wait)),
            ("Cache-Control", "no-store"),
        ]
        self._start_response(f"{error.code} {error.name}", headers)
        return [] if self._method == "HEAD" else [text]

    # The body of a stream

    def __iter__(self) -> Reply:
        return self

    def __next__(self) -> bytes:
        if self._first is not _NO_CHUNK:
            first, self._first = self._first, _NO_CHUNK
            return first  # type: ignore[no-any-return]
        try:
            chunk = next(self._iterator, _NO_CHUNK)
        except GeneratorExit:
            raise  # a client that hangs up is no failure of the application: close() saves
        except BaseException as error:
            answer = self.give_up(error)
            if answer is None:
                raise
            _close(self._body)
            self._body, self._iterator = None, iter(answer)
            return next(self)
        if chunk is _NO_CHUNK:
            self._save_rest()
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Close the application's body, once, whether it was iterated or not; then save what came last."""
        body, self._body = self._body, None
        if body is None:
            return
        try:
            if hasattr(body, "close"):
                body.close()
        except BaseException:
            self._abandon()
            raise
        self._save_rest()
        self._finish()

    # The steps

    def _is_file(self, body: Any) -> bool:
        """Whether *body* was made by the server's own file wrapper, so that the server sends it by itself."""
        wrapper = self._file_wrapper
        if wrapper is None:
            return False
        if isinstance(wrapper, type):
            return isinstance(body, wrapper)
        # uWSGI's wrapper is a function that gives the file back.
        return hasattr(body, "read") and hasattr(body, "fileno")

    def _stream(self, body: Any) -> Iterable[bytes]:
        try:
            iterator = iter(body)
        except TypeError:
            if self._status is None:
                self._abandon()
                return body  # type: ignore[no-any-return]
            raise
        self._first = next(iterator, _NO_CHUNK)
        if self._status is None:
            if self._first is _NO_CHUNK:
                # Nothing was started and nothing yielded: the application may have taken over the socket (WebSocket),
                # which servers recognise by this very object. So it is returned untouched.
                self._abandon()
                return body  # type: ignore[no-any-return]
            self._started_late = True
        elif self._pairs is None:
            self._commit()
        self._body = body
        self._iterator = iterator
        return _SizedReply(self, body) if hasattr(type(body), "__len__") else self

    def _commit(self) -> None:
        """Save, then send the headers; a commit that has failed is not tried again."""
        if self._failure is not None:
            raise self._failure
        session = self._session
        status, headers = self._status, self._headers
        try:
            # An untouched session does not ask for the status.
            code = 200 if session._request is None else _code(status)
            pairs = self._lifecycle.commit(session, code)
        except BaseException as error:
            self._failure = error
            self._finish()
            raise
        self._pairs = pairs
        self._write = self._start_response(status, merge_headers(headers, pairs) if pairs else headers)

    def _save_rest(self) -> None:
        if self._is_over:
            return
        if self._pairs is None:
            self._abandon()
            return
        if self._session._request is None:
            return
        try:
            self._lifecycle.commit_after_headers(self._session, status=_code(self._status))
        except BaseException:
            self._finish()
            raise

    def _finish(self) -> None:
        self._is_over = True
        self._lifecycle.finish(self._session)

    def _abandon(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._lifecycle.abandon(self._session)


class _SizedReply:
    """A reply whose body has a length: of a body of one chunk, servers compute the Content-Length."""

    __slots__ = ("_body", "_reply")

    def __init__(self, reply: Reply, body: Any) -> None:
        self._reply = reply
        self._body = body

    def __iter__(self) -> Reply:
        return self._reply

    def __len__(self) -> int:
        return len(self._body)

    def close(self) -> None:
        self._reply.close()


def _code(status: str) -> int:
    """The number in a status line; 200 where there is none, since the server is to judge the line."""
    try:
        return int(status[:3])
    except (TypeError, ValueError):
        return 200


def _close(body: Any) -> None:
    """Close a body that is dropped; an error of its close() must not hide the error for which it is dropped."""
    if hasattr(body, "close"):
        try:
            body.close()
        except Exception:  # noqa: BLE001 - whatever it is, it is logged
            logger.exception("closing a response that is dropped has failed")
