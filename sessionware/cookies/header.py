"""Reads session cookies out of a Cookie header and writes their Set-Cookie lines."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import unquote_to_bytes

from werkzeug.http import dump_cookie

from sessionware.companions import WRITES_PARTITIONED
from sessionware.conversions import shown
from sessionware.exceptions import CookieTooLarge

#: Of the whole header, ``Set-Cookie: `` included. Every browser must take 4096 bytes of name, value and attributes
#: (RFC 6265, 6.1); it silently drops a cookie whose name and value alone are longer (RFC 6265bis).
MAX_HEADER_BYTES = 4096
#: Browsers shorten a longer Max-Age to 400 days (RFC 6265bis).
MAX_AGE_SECONDS = 400 * 86400
#: A browser has one cookie of ours, rarely two or three; a request with more than this tries to keep the server busy.
MAX_CANDIDATES = 8
MAX_NAME_LENGTH = 255
#: No host name is longer: RFC 1035, 2.3.4 allows 255 octets, two of which are not written.
MAX_DOMAIN_LENGTH = 253
#: Browsers ignore an attribute with a longer value (RFC 6265bis).
MAX_ATTRIBUTE_LENGTH = 1024

#: What browsers ask of a cookie whose name begins so: Secure of all, HttpOnly of some, no Domain and the Path "/" of
#: others (RFC 6265bis; its successor adds the two with ``Http``, which no script can set).
Prefix = Literal["__Host-Http-", "__Host-", "__Http-", "__Secure-"]
_PREFIXES: tuple[Prefix, ...] = get_args(Prefix)
_NEED_HTTPONLY = ("__Host-Http-", "__Http-")
_NEED_ONE_HOST = ("__Host-Http-", "__Host-")
#: Browsers compare prefixes without case; those of the hosts begin with the third of these.
RESERVED = ("__secure-", "__http-", "__host-")

_FIELD_NAME_LENGTH = len("Set-Cookie: ")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LABEL = r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
_DOMAIN = re.compile(rf"\.?{_LABEL}(?:\.{_LABEL})*")
_PATH = re.compile(r"/[0-9A-Za-z\-._~%!$&'()*+,=:@/]*")
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[0-9A-Za-z\-._~]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieSettings:
    """The values of the options ``cookie.*``; browsers ignore a leading dot of ``domain`` (RFC 6265, 5.2.3)."""

    name: str
    domain: str | None
    path: str
    secure: bool | Literal["auto"]
    httponly: bool
    samesite: Literal["Lax", "Strict", "None"]
    partitioned: bool
    prefix: Prefix | Literal["auto", ""]
    persistent: bool

    @property
    def needs_secure(self) -> bool:
        """Whether a browser would reject this cookie without Secure, wherever it is sent."""
        return self.prefix not in ("auto", "") or self.samesite == "None" or self.partitioned

    @property
    def scope(self) -> tuple[str, str | None, str]:
        """Name, domain and path of the cookie. Two managers with the same would overwrite each other's."""
        return self.name, self.bare_domain, self.path

    @property
    def reach(self) -> tuple[str | None, str, bool]:
        """Domain, path and partitions. Of two cookies with one name and reach, browsers keep the later one."""
        return self.bare_domain, self.path, self.partitioned

    @property
    def bare_domain(self) -> str | None:
        """The domain as browsers compare it, with those below it: in lower case, without a leading dot."""
        return self.domain.removeprefix(".").lower() if self.domain else None

    def full_name(self, *, secure: bool) -> str:
        """The name with its prefix: the chosen one, or the strongest that the attributes allow."""
        if self.prefix != "auto":
            return self.prefix + self.name
        return (self._strongest_prefix if secure else "") + self.name

    @property
    def _strongest_prefix(self) -> Prefix:
        """``__Http-`` is not among them: a browser that does not know it would not even ask for Secure."""
        if self.domain is not None or self.path != "/":
            return "__Secure-"
        return "__Host-Http-" if self.httponly else "__Host-"

    def covers_host(self, host: str) -> bool:
        """Whether browsers take a cookie with this domain from *host*, which is in lower case (RFC 6265, 5.1.3).

        To them a domain of one label is a public suffix, whose cookies they take only from the host of that very name.
        """
        domain = self.bare_domain
        return domain is None or host == domain or ("." in domain and host.endswith(f".{domain}"))

    def covers_path(self, path: str) -> bool:
        """Whether browsers send the cookie with requests to *path*, decoded as in environ (RFC 6265, 5.1.4)."""
        covered = unquote_to_bytes(self.path).decode("latin-1")
        return path == covered or path.startswith(covered if covered.endswith("/") else f"{covered}/")


def split_prefix(name: str) -> tuple[Prefix | Literal[""], str]:
    """The prefix that the full *name* of a cookie begins with, in whatever case, and the rest."""
    for prefix in _PREFIXES:
        if name.lower().startswith(prefix.lower()):
            return prefix, name[len(prefix) :]
    return "", name


def faults_of(settings: CookieSettings) -> list[str]:
    """What a browser would reject or ignore, and what cannot work: a sentence each, with its cure."""
    return [*_faults_of_name(settings), *_faults_of_scope(settings), *_faults_of_combination(settings)]


def _faults_of_name(settings: CookieSettings) -> Iterator[str]:
    name = settings.name
    if not _TOKEN.fullmatch(name):
        yield (
            f"cookie.name: {shown(name)} is not a cookie name (RFC 6265); "
            "use letters, digits and the characters !#$%&'*+-.^_`|~"
        )
    elif len(name) > MAX_NAME_LENGTH:
        yield f"cookie.name: {len(name)} characters leave too few for the value; use {MAX_NAME_LENGTH} at most"
    if name.lower().startswith(RESERVED):
        yield (
            f"cookie.name: {shown(name)} begins with a prefix that browsers reserve (case does not matter); "
            "give the name without it, and choose a prefix by cookie.prefix"
        )
    elif name.lower().startswith("http-") and not settings.httponly and _is_named(settings, "__Host-"):
        yield (
            f"cookie.name: {shown(name)} after '__Host-' makes the reserved prefix '__Host-Http-', which needs "
            "HttpOnly; choose another name, or leave cookie.httponly on"
        )


def _is_named(settings: CookieSettings, prefix: Prefix) -> bool:
    return settings.full_name(secure=True) == prefix + settings.name


def _faults_of_scope(settings: CookieSettings) -> Iterator[str]:
    domain, path = settings.domain, settings.path
    if domain == "":
        yield "cookie.domain: it is empty; leave it out (or give None) for a cookie of the host alone"
    elif domain is not None and not (_DOMAIN.fullmatch(domain) and len(domain) <= MAX_DOMAIN_LENGTH):
        yield (
            f"cookie.domain: {shown(domain)} is not a host name; "
            "use letters, digits, hyphens and dots, without scheme and port, and an international name in its xn-- form"
        )
    if not path.startswith("/"):
        yield f"cookie.path: {shown(path)} does not begin with '/', so browsers ignore it; write '/' or '/app'"
    elif not _PATH.fullmatch(path):
        yield (
            f"cookie.path: {shown(path)} has a character that a URL's path cannot have, so it would match no request; "
            "percent-encode it (and leave out ';')"
        )
    elif len(path) > MAX_ATTRIBUTE_LENGTH:
        yield f"cookie.path: browsers ignore a path of {len(path)} characters; use {MAX_ATTRIBUTE_LENGTH} at most"
    elif path != (normal := _ESCAPE.sub(_normal_escape, path)):
        yield (
            f"cookie.path: browsers compare a path character by character, and {shown(path)} is not as URLs have it; "
            f"write {shown(normal)}"
        )


def _normal_escape(found: re.Match[str]) -> str:
    """An escape as browsers and frameworks write it (RFC 3986, 6.2.2): in capitals, and only where one is needed."""
    character = chr(int(found[1], 16))
    return character if _UNRESERVED.fullmatch(character) else found[0].upper()


def _faults_of_combination(settings: CookieSettings) -> Iterator[str]:
    prefix = settings.prefix
    if prefix in _NEED_ONE_HOST and settings.domain is not None:
        yield f"cookie.prefix: {prefix!r} needs a cookie without Domain; remove cookie.domain, or use '__Secure-'"
    if prefix in _NEED_ONE_HOST and settings.path != "/":
        yield f"cookie.prefix: {prefix!r} needs the Path '/'; remove cookie.path, or use '__Secure-'"
    if prefix in _NEED_HTTPONLY and not settings.httponly:
        weaker = "__Host-" if prefix == "__Host-Http-" else "__Secure-"
        yield f"cookie.prefix: {prefix!r} needs HttpOnly; leave cookie.httponly on, or use {weaker!r}"
    if settings.partitioned and not WRITES_PARTITIONED:
        yield (
            "cookie.partitioned: the installed Werkzeug cannot write Partitioned; upgrade it to 3.1 or later, or set "
            "cookie.partitioned to False"
        )
    if settings.secure is not False:
        return
    cure = "set cookie.secure to True (or leave it out)"
    if prefix not in ("auto", ""):
        yield f"cookie.secure: the prefix {prefix!r} needs Secure; {cure}, or set cookie.prefix to ''"
    if settings.samesite == "None":
        yield f"cookie.secure: SameSite=None needs Secure; {cure}, or set cookie.samesite to 'Lax'"
    if settings.partitioned:
        yield f"cookie.secure: Partitioned needs Secure; {cure}, or set cookie.partitioned to False"


def max_age_until(ends_at: float | None, now: float) -> int:
    """The Max-Age of a cookie that outlives the browser, for a session that ends at *ends_at*, or never."""
    if ends_at is None:
        return MAX_AGE_SECONDS
    # Max-Age=0 would delete.
    return max(1, math.ceil(min(ends_at - now, MAX_AGE_SECONDS)))


def find(header: str, name: str) -> list[str]:
    """The distinct values of the cookies called exactly *name*, in the order of *header*, eight at most.

    Spaces, tabs and one pair of double quotes around a value do not belong to it (RFC 6265, 4.1.1). Nothing in
    *header* (bytes decoded as latin-1, PEP 3333) raises an error, and no other cookie can hide ours.
    ``werkzeug.http.parse_cookie`` is not used: it raises for bytes that are not UTF-8, and it undoes escapes, which
    would give one value several spellings.
    """
    before, found, after = header.partition(name)
    if not found:
        return []
    if after[:1] == "=" and (not before or before[-2:] == "; "):
        value, _, rest = after[1:].partition(";")
        if name not in rest:
            # Nearly every header: the name stands in it once, where browsers write it.
            value = value.strip(" \t")
            return [_bare(value) if value[:1] == '"' else value]
    return _find_all(header, name, len(before))


def _find_all(header: str, name: str, at: int) -> list[str]:
    values: list[str] = []
    start = 0
    # By offsets: taking the remainder at each occurrence would take a time that grows with the square of the length.
    while at >= 0:
        after = at + len(name)
        end = header.find(";", after)
        value = (header[after:end] if end >= 0 else header[after:]).lstrip(" \t")
        # Only a name that begins its cookie is one: "=__Host-sid=forged" has no name (CVE-2023-23934).
        if value[:1] == "=" and header[start:at].rstrip(" \t")[-1:] in ("", ";"):
            value = _bare(value[1:])
            if value not in values:
                values.append(value)
        if end < 0 or len(values) == MAX_CANDIDATES:
            break
        start = end + 1
        at = header.find(name, start)
    return values


def _bare(value: str) -> str:
    value = value.strip(" \t")
    return value[1:-1] if value.startswith('"') and value.endswith('"') and len(value) > 1 else value


class CookieLines:
    """Writes the Set-Cookie header values of one cookie, all with the same attributes, the deletion included.

    Werkzeug renders each form once; afterwards only the value and Max-Age are inserted. A value must consist of
    ``[0-9A-Za-z_.-]``, which need no quoting, so that the result is what Werkzeug would have rendered.
    """

    __slots__ = ("_lasting", "_name", "_plain", "deletion")

    def __init__(self, settings: CookieSettings, full_name: str, *, secure: bool) -> None:
        domain = settings.domain
        if domain is not None and "." not in domain:
            # Werkzeug before 2.3 takes a single label only with a dot, which later ones leave out and browsers ignore.
            domain = f".{domain}"
        attributes: dict[str, Any] = {
            "domain": domain,
            "path": settings.path,
            "secure": secure,
            "httponly": settings.httponly,
            "samesite": settings.samesite,
            **({"partitioned": True} if settings.partitioned else {}),
            # Every browser knows Max-Age; an Expires beside it would depend on the client's clock.
            "sync_expires": False,
            "max_size": 0,
        }
        self._name = f"{full_name}="
        self._plain = dump_cookie(full_name, **attributes).removeprefix(self._name)
        lasting = dump_cookie(full_name, max_age=0, **attributes).removeprefix(self._name)
        # No domain and no path contains "; ", so this finds the attribute.
        self._lasting = lasting.partition("; Max-Age=0")[::2]
        #: The header value that deletes the cookie; Expires is for clients that do not know Max-Age.
        self.deletion = dump_cookie(full_name, max_age=0, expires=0, **attributes)

    def set(self, value: str, max_age: int | None) -> str:
        """The header value that sets the cookie for *max_age* seconds, or with ``None`` until the browser is closed.

        Raises :exc:`CookieTooLarge` if the whole header would exceed 4096 bytes.
        """
        if max_age is None:
            line = f"{self._name}{value}{self._plain}"
        else:
            before, after = self._lasting
            line = f"{self._name}{value}{before}; Max-Age={max_age}{after}"
        size = _FIELD_NAME_LENGTH + len(line)
        if size > MAX_HEADER_BYTES:
            raise CookieTooLarge(
                f"the Set-Cookie header would have {size} bytes, and browsers silently drop cookies of more than "
                f"{MAX_HEADER_BYTES}; keep less in the session, or use a store as backend"
            )
        return line
