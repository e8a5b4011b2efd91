"""Which session cookie a request means, and whether the request came over TLS."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar, cast

from msgspec import Struct

from sessionware.cookies.header import CookieLines, CookieSettings, find
from sessionware.events import logger

K = TypeVar("K")
V = TypeVar("V")

#: The companion's name is the cookie's name and this.
COMPANION_SUFFIX = "-seen"
#: How many warnings each object that gives each once remembers.
MAX_WARNINGS = 100
#: All that is needed of a request that came over TLS.
ENCRYPTED: Mapping[str, Any] = {"wsgi.url_scheme": "https"}

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
# A whole address of four numbers: 127.1.example.com is not a loopback host.
_LOOPBACK = re.compile(
    rf"(?:(?:[^:]+\.)?localhost|127(?:\.{_OCTET}){{3}}|\[::1\])\.?(?::[0-9]*)?",
    re.ASCII | re.IGNORECASE,
)

_PORT = re.compile(r"\.?(?::[0-9]*)?\Z", re.ASCII)
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(?:[^/?#@]*@)?([^/?#]+)", re.ASCII | re.IGNORECASE)

_X_FORWARDED = "HTTP_X_FORWARDED_"
_PROXY_HEADERS = {"HTTP_FORWARDED": "Forwarded", "HTTP_X_REAL_IP": "X-Real-IP", "HTTP_VIA": "Via"}
_PAGE_HEADERS = {"HTTP_ORIGIN": "Origin", "HTTP_REFERER": "Referer"}
_ENCRYPTED_SCHEMES = ("https", "wss")
_PLAIN_SCHEMES = ("http", "ws")
#: Where a request says which host and path it is for.
_LOCATION = ("HTTP_HOST", "SERVER_NAME", "SCRIPT_NAME", "PATH_INFO")

_WITHOUT_SECURE = (
    "plain http on %r, and nothing shows a proxy: the session cookie is sent without Secure, which only a browser on "
    "this machine should get. In production, set cookie.secure = True"
)
_CAUSE_AND_CURES = (
    "The session cookie is sent with Secure, so browsers do not return it over http. Most likely a proxy in front ends "
    "TLS and does not say so: let it send X-Forwarded-Proto, and trust it there (werkzeug's ProxyFix, or gunicorn's "
    "forwarded_allow_ips), or set cookie.secure = True. If plain http is what you serve, as in an intranet, set "
    "cookie.secure = False"
)
_ON_ANOTHER_HOST = "plain http on %r, which is not this machine's own name. " + _CAUSE_AND_CURES
_BEHIND_A_PROXY = "plain http on %r, but not from a browser on this machine, by %s. " + _CAUSE_AND_CURES
_BEHIND_A_COMMA = (
    "a request has the session cookie %r behind a comma, where no cookie begins, so the session is not found. Most "
    "likely the server has joined several Cookie lines by commas: let the proxy in front send one line, with '; ' "
    "between the cookies (RFC 9113, 8.2.3)"
)
_OUTSIDE_PATH = (
    "a session was written for a request to %r, outside cookie.path = %r: browsers do not return its cookie there. Set "
    "cookie.path to what all requests that use the session have in common, as the browser sees them"
)
_OUTSIDE_DOMAIN = (
    "a session was written for a request to the host %r, which cookie.domain = %r does not cover: browsers refuse its "
    "cookie. Correct or remove cookie.domain, or let the proxy in front pass the Host header on"
)


def proxy_evidence(environ: Mapping[str, Any]) -> str | None:
    """What shows that a proxy has passed this request on, though its host may be this machine's own; else ``None``.

    nginx with nothing but ``proxy_pass http://127.0.0.1:8000`` sends ``Host: 127.0.0.1:8000`` and no header of its
    own. Until 1.29.7 it spoke HTTP/1.0 and closed; since then it speaks HTTP/1.1 (or 1.0, if told to) without the
    ``Connection: keep-alive`` that all browsers send. HTTP/1.0 alone shows nothing: curl keeps to it when a server has
    answered in it.
    """
    for name, header in _PROXY_HEADERS.items():
        if name in environ:
            return f"the header {header!r}"
    # One search through all names is several times as fast as a look at each.
    names = "\n".join(map(str, environ))
    if _X_FORWARDED in names:
        for name in names.split("\n"):
            if name.startswith(_X_FORWARDED):
                return f"the header {name.removeprefix('HTTP_').replace('_', '-').title()!r}"
    if environ.get("REMOTE_ADDR") == "":
        return "an empty REMOTE_ADDR, as behind a unix socket"
    return _page_evidence(environ) or _connection_evidence(environ)


def _page_evidence(environ: Mapping[str, Any]) -> str | None:
    """A page of another host, or one that came over TLS, has caused the request."""
    for name, header in _PAGE_HEADERS.items():
        page = _URL.match(environ.get(name) or "")
        if page is not None and (page[1].lower() in _ENCRYPTED_SCHEMES or not is_loopback(page[2])):
            origin = f"{page[1]}://{page[2]}"
            return f"the header {header!r}, which names {origin!r}"
    return None


def _connection_evidence(environ: Mapping[str, Any]) -> str | None:
    protocol = environ.get("SERVER_PROTOCOL")
    options = {option.strip(" \t").lower() for option in (environ.get("HTTP_CONNECTION") or "").split(",")}
    if protocol == "HTTP/1.0" and "close" in options:
        return "HTTP/1.0 with 'Connection: close', as older releases of nginx send it"
    is_browser = (environ.get("HTTP_USER_AGENT") or "").startswith("Mozilla/")
    if protocol in ("HTTP/1.0", "HTTP/1.1") and is_browser and options.isdisjoint(("keep-alive", "upgrade")):
        return f"{protocol} from a browser without 'Connection: keep-alive', as nginx sends it"
    return None


def is_loopback(host: str) -> bool:
    """Whether browsers trust *host* (a port may follow) without TLS: localhost, 127.0.0.0/8, [::1]; not 0.0.0.0."""
    return _LOOPBACK.fullmatch(host) is not None


def _location_of(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Of *environ*, what tells the host and the path that the request is for."""
    return {name: environ[name] for name in _LOCATION if name in environ}


def _host_of(environ: Mapping[str, Any]) -> str:
    host: str = environ.get("HTTP_HOST") or environ.get("SERVER_NAME") or ""
    return host


class WarnedOnce:
    """Writes each kind of warning to the log once, :data:`MAX_WARNINGS` at most: what clients say may be in one."""

    def __init__(self) -> None:
        self._texts: dict[str, object] = {}

    def warn(self, text: str, *values: object) -> None:
        """Log *text* with *values* in it, unless it was logged before, with whatever values."""
        if self._is_first(text):
            logger.warning(text, *values)

    def warn_of(self, value: str, text: str) -> None:
        """Log *text* with *value* in it, unless it was logged with this value before."""
        if self._is_first(text % value):
            logger.warning(text, value)

    def _is_first(self, text: str) -> bool:
        # setdefault() is atomic, so one of several threads gets the line.
        mark = object()
        return len(self._texts) < MAX_WARNINGS and self._texts.setdefault(text, mark) is mark


class CookieForm(Generic[K]):
    """What is the same for all requests: the cookie's names, keys and Set-Cookie lines, with Secure or without."""

    __slots__ = ("_joined", "_warned", "full_name", "is_secure", "keys", "lines", "seen_lines", "seen_name")

    def __init__(self, settings: CookieSettings, keys: K, *, secure: bool) -> None:
        self._warned = WarnedOnce()
        self.full_name = settings.full_name(secure=secure)
        self.seen_name = self.full_name + COMPANION_SUFFIX
        self.keys = keys
        self.is_secure = secure
        self.lines = CookieLines(settings, self.full_name, secure=secure)
        self.seen_lines = CookieLines(settings, self.seen_name, secure=secure)
        self._joined = re.compile(rf",[ \t]*{re.escape(self.full_name)}=")

    def warn_of_commas(self, header: str) -> None:
        """Warn, once, if *header* has the cookie in it, but behind a comma, which may be part of any value."""
        if self._joined.search(header):
            self._warned.warn(_BEHIND_A_COMMA, self.full_name)


class CookieContext(Struct, Generic[K], frozen=True, eq=False):
    """The session cookie of one request: its candidates in the header, its keys, and the Set-Cookie to answer with.

    ``keys`` is what was made for the cookie's full name. ``_warn_of_reach`` is called when the cookie is set; it is
    given where a configured path or domain may not cover the request.
    """

    _form: CookieForm[K]
    _header: str
    keys: K
    _warn_of_reach: Callable[[], None] | None = None

    def __repr__(self) -> str:
        """Without the header, which holds what opens the session."""
        return f"<CookieContext {self.full_name}>"

    @property
    def full_name(self) -> str:
        """The cookie's name with its prefix; only this one is read, and only this one is set."""
        return self._form.full_name

    @property
    def is_secure(self) -> bool:
        """Whether the cookie is sent with Secure, so that the site is one of https."""
        return self._form.is_secure

    def candidates(self) -> list[str]:
        """The distinct values sent under our name, in the order of the header, eight at most."""
        values = find(self._header, self._form.full_name)
        if not values and self._form.full_name in self._header:
            self._form.warn_of_commas(self._header)
        return values

    def seen_candidates(self) -> list[str]:
        """The same for the companion, which carries "last seen"; most requests have none."""
        return find(self._header, self._form.seen_name) if self._form.seen_name in self._header else []

    def with_keys(self, keys: V) -> CookieContext[V]:
        """The same cookie, to be opened and made by other keys."""
        return CookieContext(cast("CookieForm[V]", self._form), self._header, keys, self._warn_of_reach)

    def only(self, values: list[str], keys: V) -> CookieContext[V]:
        """The same cookie, as if the request had sent nothing but *values* under its name."""
        # In quotes, so that nothing is trimmed a second time: a value has one spelling.
        sent = [f'{self.full_name}="{value}"' for value in values]
        sent += [f'{self._form.seen_name}="{value}"' for value in self.seen_candidates()]
        return CookieContext(cast("CookieForm[V]", self._form), "; ".join(sent), keys, self._warn_of_reach)

    def set(self, value: str, max_age: int | None) -> str:
        """The Set-Cookie value for a session; without a *max_age*, in seconds, it goes with the browser.

        Raises CookieTooLarge beyond 4096 bytes.
        """
        if self._warn_of_reach is not None:
            self._warn_of_reach()
        return self._form.lines.set(value, max_age)

    def set_seen(self, value: str, max_age: int | None) -> str:
        """The same for the companion; it must not live longer or shorter than the cookie that it goes with."""
        return self._form.seen_lines.set(value, max_age)

    def delete(self) -> list[str]:
        """The Set-Cookie values that remove the cookie, and its companion if the request carried one.

        The session's own comes last, for gateways that keep only the last Set-Cookie of an answer.
        """
        if self.seen_candidates():
            return [self._form.seen_lines.deletion, self._form.lines.deletion]
        return [self._form.lines.deletion]


def is_of_https_site(environ: Mapping[str, Any], context: CookieContext[Any] | None) -> bool:
    """Whether the browser sees https; behind a proxy that ends TLS, where the scheme may be http, the cookie tells."""
    return environ.get("wsgi.url_scheme") in _ENCRYPTED_SCHEMES or (context is not None and context.is_secure)


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
        self._is_auto = settings.secure == "auto"
        self._on_loopback = form(secure=False) if self._is_auto and not needs_secure else self._usual
        #: Whether the cookie covers every path of whichever host has set it.
        self.covers_all = settings.domain is None and settings.path == "/"
        self._warned = WarnedOnce()

    def full_name(self, environ: Mapping[str, Any]) -> str:
        """The full name of the cookie that the request *environ* reads and sets."""
        form, _ = self._choose(environ)
        return form.full_name

    def open(self, header: str, environ: Mapping[str, Any]) -> CookieContext[K]:
        """The context of a request: *header* is its Cookie header, *environ* tells how it came.

        Of *environ*, whatever is there is used; an empty one counts as plain http from an unknown host.
        """
        if self.covers_all and environ.get("wsgi.url_scheme") == "https":
            return CookieContext(self._usual, header, self._usual.keys)
        form, warning = self._choose(environ)
        if warning is not None:
            self._warned.warn(*warning)
        if self.covers_all:
            return CookieContext(form, header, form.keys)
        return CookieContext(form, header, form.keys, partial(self._warn_of_reach, _location_of(environ)))

    def is_in_reach(self, environ: Mapping[str, Any]) -> bool:
        """Whether a browser sends the cookie with the request of *environ*; ``False`` where it does not tell."""
        if self.covers_all:
            return True
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        host = _PORT.sub("", _host_of(environ)).lower()
        return bool(path and host) and self.settings.covers_path(path) and self.settings.covers_host(host)

    def needed_of(self, environ: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of *environ*, what :meth:`open` goes by when it only reads: texts, which cannot hold *environ* in turn."""
        if not self._is_auto or environ.get("wsgi.url_scheme", "http") not in _PLAIN_SCHEMES:
            return ENCRYPTED
        host = _host_of(environ)
        if not is_loopback(host):
            return {"HTTP_HOST": host}
        # Every header may show a proxy.
        return {name: value for name, value in environ.items() if type(value) is str}

    def _choose(self, environ: Mapping[str, Any]) -> tuple[CookieForm[K], tuple[str, ...] | None]:
        """The form of the cookie for a request, and what the log should say about that choice."""
        if not self._is_auto or environ.get("wsgi.url_scheme", "http") not in _PLAIN_SCHEMES:
            return self._usual, None
        host = _host_of(environ)
        if not is_loopback(host):
            return self._usual, (_ON_ANOTHER_HOST, host)
        evidence = proxy_evidence(environ)
        if evidence is not None:
            return self._usual, (_BEHIND_A_PROXY, host, evidence)
        return self._on_loopback, None if self._on_loopback is self._usual else (_WITHOUT_SECURE, host)

    def _warn_of_reach(self, location: Mapping[str, str]) -> None:
        """Warn, once, if the cookie that is being set cannot come back with such a request."""
        settings = self.settings
        path = location.get("SCRIPT_NAME", "") + location.get("PATH_INFO", "")
        if path and not settings.covers_path(path):
            self._warned.warn(_OUTSIDE_PATH, path, settings.path)
        host = _host_of(location)
        if host and not settings.covers_host(_PORT.sub("", host).lower()):
            self._warned.warn(_OUTSIDE_DOMAIN, host, settings.domain)
