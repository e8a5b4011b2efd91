"""Any text or object where a value is read: it is refused with a reason, or gives a value that is read again."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable
from typing import Any

from fuzz.choices import Choices
from fuzz.values import wild_value
from support.cookies import cookie_settings

from sessionware import conversions
from sessionware.cookies.header import CookieLines, faults_of
from sessionware.cookies.origin import OtherSites, read_origins
from sessionware.cookies.request import Cookies, is_loopback, proxy_evidence
from sessionware.crypto import csrf
from sessionware.crypto.identifiers import handle_from_session_id, session_id_of
from sessionware.crypto.keys import read_secrets
from sessionware.exceptions import CookieTooLarge, SessionDataError
from sessionware.session.lifetimes import parse_duration
from sessionware.session.login import Login, Remember

_CONVERTERS: tuple[Callable[[Any], Any], ...] = (
    conversions.boolean, conversions.integer, conversions.finite_number, conversions.duration, conversions.string,
    conversions.nonempty_string, conversions.optional(conversions.duration), conversions.one_of("Lax", "Strict"),
    parse_duration, conversions.functions_of("event"), conversions.function,
)  # fmt: skip
_TEXTS = (
    "1h", "90s", "1.5", " 7d ", "1e5", "٣", "1_000", "true", "none", "os.path:join", "a.b:c", "localhost", "[::1]:80",
    "127.0.0.1", "https://example.org", "/app", ".example.com", "__Host-x", "HTTP/1.0", "close", "sid",
)  # fmt: skip
_VARIABLES = (
    "HTTP_HOST", "SERVER_NAME", "wsgi.url_scheme", "HTTP_ORIGIN", "HTTP_REFERER", "HTTP_CONNECTION", "SERVER_PROTOCOL",
    "HTTP_USER_AGENT", "REMOTE_ADDR", "SCRIPT_NAME", "PATH_INFO", "HTTP_X_FORWARDED_PROTO", "HTTP_FORWARDED",
    "HTTP_COOKIE", "HTTP_SEC_FETCH_SITE",
)  # fmt: skip

_ORIGINS = (
    "", "https://example.org", "https://*.example.org:8443", "http://[::1]:80", "null", "http://a:99999", "https://a.:",
    "example.org", "[::", "http://[::ffff:1.2.3.4%x]",
)  # fmt: skip


def check(data: bytes) -> None:
    choices = Choices(data)
    choices.one_of(_CHECKS)(choices)


def _text(choices: Choices) -> str:
    return choices.one_of(_TEXTS) if choices.below(2) else choices.text()


def _check_converter(choices: Choices) -> None:
    convert = choices.one_of(_CONVERTERS)
    value = wild_value(choices) if choices.below(2) else _text(choices)
    try:
        converted = convert(value)
    except ValueError:
        return
    again = convert(converted)
    assert again == converted


def _check_session_id(choices: Choices) -> None:
    text = _text(choices)
    handle = handle_from_session_id(text)
    assert handle is None or session_id_of(handle) == text


def _check_secrets(choices: Choices) -> None:
    try:
        secrets = read_secrets(wild_value(choices) if choices.below(2) else _text(choices))
    except ValueError:
        return
    assert all(type(secret) is bytes for secret in secrets)


@functools.cache
def _cookies(domain: str | None, path: str) -> Cookies[str]:
    return Cookies(cookie_settings(domain=domain, path=path), str)


def _check_environ(choices: Choices) -> None:
    cookies = _cookies(*choices.one_of(((None, "/"), ("example.org", "/app"))))
    environ = {choices.one_of(_VARIABLES): _text(choices) for _ in range(choices.below(6))}
    assert proxy_evidence(environ) is None or isinstance(proxy_evidence(environ), str)
    assert is_loopback(_text(choices)) in (True, False)
    context = cookies.open(environ.get("HTTP_COOKIE", ""), environ)
    assert context.full_name == cookies.full_name(environ)
    assert context.full_name == cookies.open("", cookies.needed_of(environ)).full_name
    assert context.set("value", None).startswith(f"{context.full_name}=value")


def _check_cookie_settings(choices: Choices) -> None:
    settings = cookie_settings(name=_text(choices), domain=choices.one_of((None, _text(choices))), path=_text(choices))
    faults = faults_of(settings)
    if faults:
        assert all(fault.startswith("cookie.") for fault in faults)
        return
    with_value = CookieLines(settings, settings.full_name(secure=True), secure=True)
    try:
        line = with_value.set("value", max_age=60)
    except CookieTooLarge:
        return
    assert not {"\r", "\n", "\0"} & set(line + with_value.deletion)
    assert line.isascii()


def _check_identity(choices: Choices) -> None:
    value: Any = wild_value(choices) if choices.below(2) else _text(choices)
    for make in (
        lambda: Login(value, None, 0.0, over=None),
        lambda: Login("ada", value, 0.0, over=7),
        lambda: Remember(value, 0.0),
    ):
        with contextlib.suppress(SessionDataError):
            make()


def _check_origin(choices: Choices) -> None:
    names = ("HTTP_ORIGIN", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "HTTP_SEC_FETCH_SITE", "REQUEST_METHOD")
    environ = {choices.one_of(names): choices.one_of(_ORIGINS) + _text(choices) for _ in range(choices.below(6))}
    try:
        trusted = read_origins(choices.one_of(_ORIGINS) + _text(choices))
    except ValueError:
        trusted = ()
    assert read_origins(trusted) == trusted
    origin = OtherSites(trusted).origin_of({"REQUEST_METHOD": "POST", **environ})
    assert origin is None or origin.isprintable()
    site, named = (environ.get(name, "").strip(" \t") for name in ("HTTP_SEC_FETCH_SITE", "HTTP_ORIGIN"))
    if environ.get("REQUEST_METHOD", "POST") == "POST" and not named:
        assert (origin is None) == (site in ("", "same-origin", "none"))


def _check_csrf(choices: Choices) -> None:
    secret = bytes(range(32))
    token = choices.edited(csrf.mask(secret).encode()).decode("latin-1")
    assert csrf.verify(secret, token) in (True, False)
    assert not csrf.verify(secret, wild_value(choices))
    assert not csrf.verify(bytes(32), csrf.mask(secret))


_CHECKS = (
    _check_converter, _check_session_id, _check_secrets, _check_environ, _check_cookie_settings, _check_identity,
    _check_origin, _check_csrf,
)  # fmt: skip


def seeds() -> Iterable[bytes]:
    """Each converter with each text, and each of the others with a few."""
    for text in range(len(_TEXTS)):
        for converter in range(len(_CONVERTERS)):
            yield bytes([0, converter, 0, 1, text])
        for other in range(1, len(_CHECKS)):
            yield bytes([other, 1, text, 1, text, 1, text, 1, text])
            yield bytes([other, 1, 3, text % len(_VARIABLES), 1, text, 0, 1, 11, 8, 1, text])
