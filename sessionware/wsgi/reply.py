"""One response on its way out: start_response held, and the body followed to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from sessionware.cookies.caching import merge_headers
from sessionware.events import logger
from sessionware.exceptions import HeadersSent
from sessionware.session.request import COMMITTED, FINISHED

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from sessionware.answer import Answers
    from sessionware.exceptions import ConflictError, CrossSiteRequest, StoreUnavailable
    from sessionware.session.mapping import Session

Headers = list[tuple[str, str]]
Write = Callable[[bytes], object]
_NO_CHUNK: Any = object()
#: What is asked for chunks once a body has said its end: an iterator may do anything when it is asked again.
_ENDED: Iterator[bytes] = iter(())
#: What the fixed answer keeps of the application's, so that a script of another origin may read it, and only that one.
_KEPT_PREFIX = "access-control-"


class Reply:
    """One response: its status and headers, held until the session is committed, and then its body.

    A class and not a generator: close() on a generator that was never started would skip the application's own
    close(). A list, a tuple or a file goes to the server as it is; every other body is wrapped in this.
    """

    __slots__ = (
        "_answers",
        "_body",
        "_failure",
        "_file_wrapper",
        "_first",
        "_headers",
        "_is_over",
        "_iterator",
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
    _headers: Headers
    _iterator: Iterator[bytes]
    _write: Write

    def __init__(
        self, answers: Answers, session: Session, environ: WSGIEnvironment, start_response: StartResponse
    ) -> None:
        self._answers = answers
        self._session = session
        self._start_response = start_response
        # Taken now, because an inner middleware may change both.
        self._method = environ.get("REQUEST_METHOD")
        self._file_wrapper = environ.get("wsgi.file_wrapper")
        self._status: Any = None  # until the application has started its answer
        self._pairs: Headers | None = None  # until the commit
        self._failure: BaseException | None = None
        self._started_late = False
        self._is_over = False

    # What the application calls

    def start(self, status: str, headers: Headers, exc_info: OptExcInfo | None = None) -> Write:
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
        is_whole = kind is list or kind is tuple
        session = self._session
        if is_whole and session._request is None and self._pairs is None and self._status is not None:
            # Most requests: nothing to save, no header to add, no chunk to wait for.
            self._is_over = True
            self._answers.leave_untouched(session, FINISHED)
            self._start_response(self._status, self._headers)
            return body  # type: ignore[no-any-return]
        try:
            if not is_whole and (self._file_wrapper is None or not self._is_file(body)):
                return self._follow(body)
            # It is whole: the body needs nothing more of us.
            if self._status is None:
                self._hand_over()
            elif self._pairs is None:
                self._commit()
            else:
                self._save_rest()
            # As _finish() does: of an untouched session the commit has let go already.
            self._is_over = True
            session._phase = FINISHED
            return body  # type: ignore[no-any-return]
        except BaseException as error:
            _close(body)
            answer = self.give_up(error)
            if answer is None:
                raise
            return answer

    def give_up(self, error: BaseException) -> list[bytes] | None:
        """Drop the application's response; the answer for *error*, or ``None`` where it is to be raised."""
        self._failure = None
        if self._status is None and isinstance(error, StopIteration):
            # So an application tells gunicorn that it has taken the connection over.
            self._hand_over()
            return None
        self._abandon()
        if self._pairs is not None or not self._answers.has_own_answer(error):
            return None
        return self._answer(cast("ConflictError | CrossSiteRequest | StoreUnavailable", error))

    def _answer(self, error: ConflictError | CrossSiteRequest | StoreUnavailable) -> list[bytes]:
        """Answer with a fixed text in the place of the application, by 403, 409 or 503."""
        text, headers = fixed_answer(error, [] if self._status is None else self._headers)
        headers += self._answers.standing_pairs(self._session)
        self._start_response(f"{error.code} {error.name}", headers)
        return [] if self._method == "HEAD" else [text]

    # The body of a stream

    def __iter__(self) -> Reply:
        return self

    def __next__(self) -> bytes:
        first = self._first
        if first is not _NO_CHUNK:
            self._first = _NO_CHUNK
            return first  # type: ignore[no-any-return]
        try:
            chunk = next(self._iterator, _NO_CHUNK)
            if chunk is _NO_CHUNK and self._failure is not None:
                raise self._failure  # which the application has caught: nothing was answered yet
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
            self._iterator = _ENDED
            if self._session._request is not None or self._pairs is None:
                self._save_rest()
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Close the application's body, once, whether it was iterated or not; then save what came last."""
        body = self._body
        if body is None:
            return
        # A body that holds start_response would make a reference cycle with this.
        self._body, self._iterator, self._failure = None, _ENDED, None
        try:
            if hasattr(body, "close"):
                body.close()
        except BaseException:
            self._abandon()
            raise
        session = self._session
        if session._request is None and self._pairs is not None:
            self._is_over = True
            session._phase = FINISHED
        else:
            self._save_rest()
            self._finish()

    # The steps

    def _is_file(self, body: Any) -> bool:
        """Whether *body* was made by the server's own file wrapper, so that the server sends it by itself."""
        if isinstance(self._file_wrapper, type):
            return isinstance(body, self._file_wrapper)
        # uWSGI's wrapper is a function that gives the file back.
        return hasattr(body, "read") and hasattr(body, "fileno")

    def _follow(self, body: Any) -> Iterable[bytes]:
        """Take the first chunk of *body*, commit, and give what follows the body to its end."""
        try:
            iterator = iter(body)
        except TypeError:
            if self._status is None:
                self._hand_over()
                return body  # type: ignore[no-any-return]
            raise
        first = next(iterator, _NO_CHUNK)
        if self._status is None:
            if first is _NO_CHUNK:
                # Nothing was started and nothing yielded: the application may have taken over the socket (WebSocket),
                # which servers recognise by this very object. So it is returned untouched.
                self._hand_over()
                return body  # type: ignore[no-any-return]
            self._started_late = True
        elif self._pairs is None:
            self._commit()
        self._body = body
        self._first = first
        self._iterator = _ENDED if first is _NO_CHUNK else iterator
        # The first look is the fast one; what a proxy passes on is no length of its own.
        has_length = hasattr(body, "__len__") and hasattr(type(body), "__len__")
        return _SizedReply(self, body) if has_length else self

    def _commit(self) -> None:
        """Save, then send the headers; a commit that has failed is not tried again."""
        if self._failure is not None:
            raise self._failure
        session, status, headers = self._session, self._status, self._headers
        if session._request is None:
            self._answers.leave_untouched(session, COMMITTED)
            self._pairs = []
            self._write = self._start_response(status, headers)
            return
        try:
            pairs = self._answers.commit(session, 200 if status == "200 OK" else _code(status))
        except BaseException as error:
            self._failure = error
            self._finish()
            raise
        self._pairs = pairs
        self._write = self._start_response(status, merge_headers(headers, pairs))
        if session._request.untold:
            self._answers.answered(session._request)

    def _save_rest(self) -> None:
        """Save what has changed since the commit."""
        if self._is_over:
            return
        if self._status is None:
            self._hand_over()
        elif self._session._request is not None:
            try:
                self._answers.commit_after_headers(self._session, status=_code(self._status))
            except BaseException:
                self._finish()
                raise

    def _hand_over(self) -> None:
        """The application has never called start_response: its connection has gone out of WSGI's hands."""
        if not self._is_over:
            self._is_over = True
            self._answers.hand_over(self._session)

    def _finish(self) -> None:
        self._is_over = True
        self._answers.finish(self._session)

    def _abandon(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._answers.abandon(self._session)


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


def fixed_answer(
    error: ConflictError | CrossSiteRequest | StoreUnavailable, replaced: Headers
) -> tuple[bytes, Headers]:
    """The text and the headers of the answer for *error*, which keeps some of the *replaced* headers."""
    text = f"{type(error).description}\n".encode()
    own = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text))), *error.own_headers]
    return text, own + [pair for pair in replaced if _is_kept(pair[0].lower())]


def _is_kept(name: str) -> bool:
    return name == "vary" or name.startswith(_KEPT_PREFIX)


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
        except HeadersSent:
            pass  # it changes its session, whose other changes are dropped as well
        except Exception:  # noqa: BLE001 - whatever it is, it is logged
            logger.exception("closing a response that is dropped has failed")
