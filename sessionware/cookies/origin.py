"""Whether another site has caused a request, as the browser tells it: by ``Sec-Fetch-Site``, or by ``Origin``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sessionware.conversions import expected
from sessionware.cookies.request import WarnedOnce, is_loopback
from sessionware.exceptions import CrossSiteRequest

#: They change nothing (RFC 9110, 9.2.1), so a link from anywhere may cause them. An environ that is made by hand, of a
#: job or a test, has no method.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", None})
#: All that :meth:`OtherSites.origin_of` goes by.
_NEEDED = ("REQUEST_METHOD", "HTTP_SEC_FETCH_SITE", "HTTP_ORIGIN", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT")

#: What ``Sec-Fetch-Site`` says of a page of this very origin, and of an address that the user has typed.
_OWN_SITES = ("same-origin", "none")
_OWN_PORTS = {"http": "80", "https": "443"}
_MAX_SHOWN_CHARACTERS = 200

_SCHEME = "[a-z][a-z0-9+.-]*"
_HOST = r"(?:\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_-])?\.?)(?::[0-9]{0,5})?"
_ORIGIN = re.compile(rf"({_SCHEME})://({_HOST})", re.ASCII | re.IGNORECASE)
_HOST_HEADER = re.compile(_HOST, re.ASCII | re.IGNORECASE)
#: What a developer may have written for an origin: the place of each part, so that a message can say what is wrong.
_WRITTEN = re.compile(rf"(?:({_SCHEME})://)?([^/?#]*)(.*)", re.ASCII | re.IGNORECASE | re.DOTALL)
_ANY_SUBDOMAIN = "*."

_LET_ALL = "cross_site = 'allow' lets every site do so"
_CURES = (
    "if that site may do so, name its origin in trusted_origins; if it is this one, let the proxy in front pass the "
    f"Host header on; {_LET_ALL}"
)
#: What a browser sends for the origin of a page that has none, or that it keeps to itself.
_NULL = "null"
#: Begins what is told of a request of which the browser says no more than that it is another site's.
_BY_SITE = "Sec-Fetch-Site: "
_CURES_WITHOUT_ORIGIN = (
    "a frame of any site may be such a page, so none can be trusted; if it is a page of this site, take its sandbox or "
    f"its Referrer-Policy: no-referrer away; {_LET_ALL}"
)


class _Place(NamedTuple):
    """A scheme, a host and a port; no port is the scheme's own."""

    scheme: str
    host: str
    port: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{self.port and ':'}{self.port}"


def _place(scheme: str, host: str) -> _Place:
    """The place of *host*, which a port may follow: in lower case, without a trailing dot, an IPv6 address in short."""
    name, _, port = host.lower().partition("]")
    if name.startswith("["):
        name, port = f"[{_short(name[1:])}]", port.removeprefix(":")
    else:
        name, _, port = name.partition(":")
    scheme, port = scheme.lower(), str(int(port)) if port else ""
    return _Place(scheme, name.removesuffix("."), "" if port == _OWN_PORTS.get(scheme) else port)


def _short(address: str) -> str:
    try:
        return str(ipaddress.IPv6Address(address))
    except ValueError:
        return address


class OtherSites:
    """Tells whether another site has caused a request; *trusted*, of :func:`read_origins`, may do so.

    The rule of Go's ``http.CrossOriginProtection``, with the difference that a proxy may hide the host from us.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        places = [_place(*origin.split("://", 1)) for origin in trusted]
        self._trusted = frozenset(place for place in places if not place.host.startswith(_ANY_SUBDOMAIN))
        self._warned = WarnedOnce()
        self._parents = tuple(place for place in places if place.host.startswith(_ANY_SUBDOMAIN))

    def refuse(self, environ: Mapping[str, Any]) -> None:
        """Raise CrossSiteRequest if another site has caused the request.

        It is logged once for each origin, and not for all that a client may make up.
        """
        origin = self.origin_of(environ)
        if origin is not None:
            who, cures = _culprit(origin)
            self._warned.warn_of(
                who, f"a request that touched its session was refused, because %s has caused it: {cures}"
            )
            raise CrossSiteRequest(f"{who} has caused this request; {cures}", origin)

    def origin_of(self, environ: Mapping[str, Any]) -> str | None:
        """Who has caused the request, if that is another site; ``None`` if not, or if the method changes nothing.

        The text is a client's: it is cut to what a log can show.
        """
        if environ.get("REQUEST_METHOD") in SAFE_METHODS:
            return None
        site, named = _header(environ, "HTTP_SEC_FETCH_SITE"), _header(environ, "HTTP_ORIGIN")
        if site in _OWN_SITES or not (site or named):
            return None
        found = _ORIGIN.fullmatch(named)
        origin = None if found is None else _place(found[1], found[2])
        if origin is not None and (self._trusts(origin) or (not site and _is_ours(origin, environ))):
            return None
        return _shown(named or f"{_BY_SITE}{site}")

    def _trusts(self, origin: _Place) -> bool:
        return origin in self._trusted or any(
            parent.scheme == origin.scheme and parent.port == origin.port and origin.host.endswith(parent.host[1:])
            for parent in self._parents
        )


def _culprit(origin: str) -> tuple[str, str]:
    """Who has caused a request of this *origin*, in words, and what can be done so that such a one is not refused."""
    if origin == _NULL:
        return f"a page without an origin (Origin: {_NULL})", _CURES_WITHOUT_ORIGIN
    return f"another site ({origin})" if origin.startswith(_BY_SITE) else origin, _CURES


def needed_of(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Of *environ*, what a later look by :meth:`OtherSites.origin_of` goes by."""
    return {name: environ[name] for name in _NEEDED if name in environ}


def _header(environ: Mapping[str, Any], name: str) -> str:
    """The value of a header; servers that speak FastCGI or uwsgi may give an empty one for none."""
    return str(environ.get(name) or "").strip(" \t")


def _is_ours(origin: _Place, environ: Mapping[str, Any]) -> bool:
    """Whether *origin* is this site's own, so far as the Host header tells it.

    Schemes are not compared, because a proxy that ends TLS hides ours: so each scheme's own port counts as none.
    """
    if origin.scheme not in _OWN_PORTS:
        return False
    text = _host_of(environ)
    if _HOST_HEADER.fullmatch(text) is None:
        return False
    if is_loopback(text) and not is_loopback(origin.host):
        # A proxy has put its own name for us in the place of the one that the browser knows.
        return True
    return any(_place(scheme, text)[1:] == origin[1:] for scheme in _OWN_PORTS)


def _host_of(environ: Mapping[str, Any]) -> str:
    named = _header(environ, "HTTP_HOST")
    if named:
        return named
    name, port = _header(environ, "SERVER_NAME"), _header(environ, "SERVER_PORT")
    return f"[{name}]:{port}" if ":" in name and not name.startswith("[") else f"{name}:{port}"


def _shown(text: str) -> str:
    shown = "".join(character if " " <= character <= "~" else "?" for character in text[:_MAX_SHOWN_CHARACTERS])
    return shown if len(text) <= _MAX_SHOWN_CHARACTERS else f"{shown[:-3]}..."


# What is trusted.


def read_origins(value: object) -> tuple[str, ...]:
    """The origins in *value*, as browsers write them: a list, or a text with blanks, commas or lines between them.

    Raises ValueError, which says what to write, for what no browser sends as an origin.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() == "none"):
        return ()
    if isinstance(value, str):
        value = [origin for origin in re.split(r"[,\s]+", value) if origin]
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise expected("origins such as 'https://idp.example', as a list or as a text", value)
    return tuple(map(_read_origin, value))


def _read_origin(value: object) -> str:
    if not isinstance(value, str):
        raise expected("an origin such as 'https://idp.example'", value)
    written = _WRITTEN.fullmatch(value.strip())
    scheme, host, rest = written.groups("") if written else ("", "", "")
    fault = _fault_of(scheme, host, rest)
    if fault:
        raise ValueError(fault)
    return str(_place(scheme, host))


def _fault_of(scheme: str, host: str, rest: str) -> str | None:
    """What is wrong with an origin; text that may hold a password or a token is not repeated."""
    if host.lower() == _NULL and not scheme:
        return "'null' is what a sandboxed frame of any site sends, so it cannot be trusted; leave it out"
    if host == "*":
        return (
            "'*' would trust every site; name the origins, or set cross_site = 'allow' if no request shall be refused"
        )
    if "@" in host:
        return "an origin has no user and no password; write only the scheme, the host and the port"
    plain = host.removeprefix(_ANY_SUBDOMAIN)
    if not host.isascii():
        return f"browsers send the host {host!r} in ASCII; write it so, as in 'https://xn--bcher-kva.example'"
    if (
        _HOST_HEADER.fullmatch(plain) is None
        or (plain.endswith(":") and not scheme)
        or (plain != host and plain.startswith("["))
    ):
        return (
            "expected an origin such as 'https://idp.example', 'https://idp.example:8443' or 'https://*.example.com', "
            f"where '*.' stands for one label or several; got the host {host!r}"
        )
    if not scheme:
        return f"the origin {host!r} has no scheme; write 'https://{host}'"
    if plain != host and "." not in plain and plain.partition(":")[0].lower() != "localhost":
        return f"{host!r} would trust every site under {plain!r}; name the domain, as in '*.example.com'"
    if rest:
        return f"an origin ends with the host or the port, and has no path; write '{scheme}://{host}'"
    return None
