"""Which session cookie a request means, and whether the request came over TLS."""

from __future__ import annotations

import enum
import logging
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from sessionware.cookies.header import MAX_AGE_SECONDS, CookieLines, CookieSettings, find
from sessionware.events import logger

K = TypeVar("K")

#: The companion's name is the cookie's name and this.
COMPANION_SUFFIX = "-seen"
#: All that is needed of a request that came over TLS.
ENCRYPTED: Mapping[str, Any] = {"wsgi.url_scheme": "https"}

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
# A whole address of four numbers: 127.1.example.com is not a loopback host.
_LOOPBACK = re.compile(
    rf"(?:(?:[^:]+\.)?localhost|127(?:\.{_OCTET}){{3}}|\[::1\])\.?(?::[0-9]*)?",
    re.ASCII | re.IGNORECASE,
)

_WITHOUT_SECURE = (
    "the session cookie is sent without Secure, because this is plain http on %r with no proxy in sight; "
    "set cookie.secure to True wherever others can reach the application"
)
_WITH_SECURE_OVER_HTTP = (
    "plain http on %r: the session cookie is sent with Secure, so browsers do not return it over http. "
    "Most likely a proxy in front ends TLS and does not say so: let it send X-Forwarded-Proto, and trust it there "
    "(werkzeug's ProxyFix, or gunicorn's forwarded_allow_ips), or set cookie.secure to True to silence this. "
    "If plain http is what you serve, as in an intranet, set cookie.secure to False"
)


class Transport(enum.Enum):
    """How a request came, as far as its environ tells."""

    ENCRYPTED = "encrypted"
    LOOPBACK = "loopback"
    PLAIN = "plain"


def transport_of(environ: Mapping[str, Any]) -> Transport:
    """Whether the request came over TLS, or in the clear from a browser on this very machine, or otherwise.

    A request that a proxy passed on is not from this machine, though its host may say so: nginx's
    default ``proxy_pass http://127.0.0.1:8000`` shows by HTTP/1.0 alone, a unix socket by an empty ``REMOTE_ADDR``.
    """
    if environ.get("wsgi.url_scheme", "http") not in ("http", "ws"):
        return Transport.ENCRYPTED
    if is_loopback(_host_of(environ)) and not _shows_proxy(environ):
        return Transport.LOOPBACK
    return Transport.PLAIN


def _host_of(environ: Mapping[str, Any]) -> str:
    host: str = environ.get("HTTP_HOST") or environ.get("SERVER_NAME") or ""
    return host


def is_loopback(host: str) -> bool:
    """Whether browsers trust *host* (a port may follow) without TLS: localhost, 127.0.0.0/8, [::1]; not 0.0.0.0."""
    return _LOOPBACK.fullmatch(host) is not None


def _shows_proxy(environ: Mapping[str, Any]) -> bool:
    if "HTTP_FORWARDED" in environ or "HTTP_X_REAL_IP" in environ or "HTTP_VIA" in environ:
        return True
    # One search through all names is four times as fast as a look at each; a name that contains it is odd enough.
    if "HTTP_X_FORWARDED_" in "\n".join(map(str, environ)):
        return True
    # Test clients send HTTP/1.0 and no REMOTE_ADDR; a request from a network has one.
    address = environ.get("REMOTE_ADDR")
    return address is not None and (address == "" or environ.get("SERVER_PROTOCOL") == "HTTP/1.0")


class CookieForm(Generic[K]):
    """What is the same for all requests: the cookie's names, keys and Set-Cookie lines, with Secure or without."""

    __slots__ = ("full_name", "is_persistent", "keys", "lines", "seen_lines", "seen_name")

    def __init__(self, settings: CookieSettings, keys: K, *, secure: bool) -> None:
        self.full_name = settings.full_name(secure=secure)
        self.seen_name = self.full_name + COMPANION_SUFFIX
        self.keys = keys
        self.is_persistent = settings.persistent
        self.lines = CookieLines(settings, self.full_name, secure=secure)
        self.seen_lines = CookieLines(settings, self.seen_name, secure=secure)


class CookieContext(Generic[K]):
    """The session cookie of one request: its candidates in the header, its keys, and the Set-Cookie to answer with."""

    __slots__ = ("_form", "_header", "full_name", "keys")

    def __init__(self, form: CookieForm[K], header: str) -> None:
        self._form = form
        self._header = header
        #: The cookie's name with its prefix; only this one is read, and only this one is set.
        self.full_name = form.full_name
        #: What was made for this full name.
        self.keys = form.keys

    def candidates(self) -> list[str]:
        """The distinct values sent under our name, in the order of the header, eight at most."""
        return find(self._header, self.full_name)

    def seen_candidates(self) -> list[str]:
        """The same for the companion, which carries "last seen"."""
        return find(self._header, self._form.seen_name)

    def set(self, value: str, ends_at: float | None, now: float, *, is_persistent: bool = False) -> str:
        """The Set-Cookie value for a session that ends at *ends_at* (seconds since the epoch; None for never).

        With *is_persistent*, or the option ``cookie.persistent``, the cookie outlives the browser, until then or for
        400 days, whichever is less. Raises CookieTooLarge beyond 4096 bytes.
        """
        return self._form.lines.set(value, max_age=self._max_age(ends_at, now, is_persistent))

    def set_seen(self, value: str, ends_at: float | None, now: float, *, is_persistent: bool = False) -> str:
        """The same for the companion; it must not live longer or shorter than the cookie that it goes with."""
        return self._form.seen_lines.set(value, max_age=self._max_age(ends_at, now, is_persistent))

    def _max_age(self, ends_at: float | None, now: float, is_persistent: bool) -> int | None:
        if not (is_persistent or self._form.is_persistent):
            return None
        if ends_at is None:
            return MAX_AGE_SECONDS
        # Max-Age=0 would delete.
        return max(1, math.ceil(min(ends_at - now, MAX_AGE_SECONDS)))

    def delete(self) -> list[str]:
        """The Set-Cookie values that remove the cookie, and its companion if the request carried one."""
        if self.seen_candidates():
            return [self._form.lines.deletion, self._form.seen_lines.deletion]
        return [self._form.lines.deletion]


class Cookies(Generic[K]):
    """Opens the cookie context of each request; made once, with all that does not change from request to request.

    *make_keys* is called, when this is made, once for each full name in use, of which there are two at most.
    """

    def __init__(self, settings: CookieSettings, make_keys: Callable[[str], K]) -> None:
        self.settings = settings
        needs_secure = settings.needs_secure
        keys: dict[str, K] = {}

        def form(*, secure: bool) -> CookieForm[K]:
            full_name = settings.full_name(secure=secure)
            if full_name not in keys:
                keys[full_name] = make_keys(full_name)
            return CookieForm(settings, keys[full_name], secure=secure)

        self._usual = form(secure=bool(settings.secure) or needs_secure)
        self._on_loopback = self._usual
        self._unsaid: dict[Transport, tuple[int, str]] = {}
        self._is_auto = settings.secure == "auto"
        if not self._is_auto:
            return
        self._unsaid[Transport.PLAIN] = (logging.WARNING, _WITH_SECURE_OVER_HTTP)
        if not needs_secure:
            self._on_loopback = form(secure=False)
            self._unsaid[Transport.LOOPBACK] = (logging.INFO, _WITHOUT_SECURE)

    def open(self, header: str, environ: Mapping[str, Any]) -> CookieContext[K]:
        """The context of a request: *header* is its Cookie header, *environ* tells how it came.

        Of *environ*, whatever is there is used; an empty one counts as plain http from an unknown host.
        """
        if not self._is_auto or environ.get("wsgi.url_scheme") == "https":
            return CookieContext(self._usual, header)
        transport = transport_of(environ)
        if transport is Transport.ENCRYPTED:
            return CookieContext(self._usual, header)
        self._say_once(transport, environ)
        return CookieContext(self._on_loopback if transport is Transport.LOOPBACK else self._usual, header)

    def needed_of(self, environ: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of *environ*, what :meth:`open` goes by when it only reads: texts, which cannot hold *environ* in turn."""
        if not self._is_auto or environ.get("wsgi.url_scheme", "http") not in ("http", "ws"):
            return ENCRYPTED
        host = _host_of(environ)
        if not is_loopback(host):
            return {"HTTP_HOST": host}
        # Every header may show a proxy.
        return {name: value for name, value in environ.items() if type(value) is str}

    def _say_once(self, transport: Transport, environ: Mapping[str, Any]) -> None:
        # pop() is atomic, so one of several threads gets the line.
        line = self._unsaid.pop(transport, None)
        if line is not None:
            logger.log(*line, _host_of(environ))
