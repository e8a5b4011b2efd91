"""Any mapping as a configuration: a manager, or one ConfigError that repeats no secret."""

from __future__ import annotations

import configparser
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from fuzz.choices import Choices
from fuzz.values import wild_value
from support.constants import SECRET
from support.empty_store import EmptyStore

from sessionware import ConfigError, SessionManager
from sessionware.config.others import OTHERS
from sessionware.config.settings import Config
from sessionware.config.table import OPTIONS, STORE_OPTIONS

#: What no error may repeat. It stands in secrets, and in what may hold a password.
MARKER = "hunter2Zq8vK4"
_UNKNOWN = ("secrets", "sercet", "cookie.secret", "backend.password", "backend.token", "cookie", "backend", "x.y")
_SECRETS_OF_OTHERS = ("secret_key", "secret_key_fallbacks", "encrypt_key", "validate_key")
_NAMES = (*OPTIONS, *STORE_OPTIONS, *_UNKNOWN, *OTHERS)
_SECRETS = (
    MARKER, f"{MARKER}{SECRET}", f"{MARKER}{SECRET}".encode(), [f"{MARKER}{SECRET}", MARKER], MARKER * 4,
    f"{SECRET}\n{MARKER}", {MARKER: MARKER}, (f"{MARKER}\udc80{SECRET}",), f"%({MARKER})s",
)  # fmt: skip
_URLS = tuple(
    f"{scheme}://{rest}"
    for scheme in (
        "redis", "rediss", "redis+sentinel", "redis+cluster", "memcached", "sqlite", "file", "postgresql+psycopg",
        "mysql+pymysql", "sqlite+pysqlite", "unix", "https", "nosuch", "valkey",
    )
    for rest in (
        f"user:{MARKER}@host/0", f":{MARKER}@host:port/x", f"u:{MARKER}@[::1/0",
        f"u:{MARKER}@h1,h2/service/0?a={MARKER}@", f"u%40{MARKER}@host/%zz?timeout={MARKER}@x",
    )
)  # fmt: skip
#: Values that any option may be given and any message may show.
_PLAIN = (
    "cookie", "memory", "redis", "memcached", "sqlite", "file", "sqlalchemy", "30m", "24h", "true", "Lax", "None",
    "__Host-", "auto", "/", ".example.com", "unavailable", "5s", "sid", "sessions.db", "os.path:join", "redis.Redis:x",
    "time:time", "collections:OrderedDict",
)  # fmt: skip


def check(data: bytes) -> None:
    choices = Choices(data)
    config, options = _mapping(choices), _mapping(choices) if choices.below(2) else {}
    if choices.below(2):
        options.setdefault("secret", f"{SECRET}{MARKER}")
    try:
        given = _spelled(choices, config)
        manager = SessionManager(given, **options)
    except ConfigError as error:
        _check_told(error)
    else:
        _check_manager(manager, {**config, **options})
        manager.close()


def _mapping(choices: Choices) -> dict[str, Any]:
    return dict(_option(choices) for _ in range(choices.below(6)))


def _option(choices: Choices) -> tuple[str, Any]:
    kind = choices.below(8)
    if kind == 0:
        return "secret", choices.one_of(_SECRETS)
    if kind == 1:
        return choices.one_of(_NAMES), choices.one_of(_URLS)
    if kind == 2:
        name = choices.one_of((*_UNKNOWN[:5], *_SECRETS_OF_OTHERS))
        return name, choices.one_of((*_SECRETS, *_URLS))
    if kind == 3:
        return choices.text(), wild_value(choices)
    if kind == 4:
        group = choices.one_of(("cookie", "backend", "login_backend"))
        names = [name.partition(".")[2] for name in _NAMES if name.startswith("backend.")] + ["type", "secure", "name"]
        return group, {choices.one_of(names): _value(choices) for _ in range(choices.below(4))}
    if kind == 5:
        return "backend", choices.one_of((EmptyStore, EmptyStore(), {}, *_PLAIN[:7]))
    return choices.one_of(_NAMES), _value(choices)


def _value(choices: Choices) -> Any:
    return choices.one_of(_PLAIN) if choices.below(2) else wild_value(choices)


def _spelled(choices: Choices, config: dict[str, Any]) -> Mapping[str, Any] | Config | None:
    """*config* in one of the ways in which it may be written."""
    kind = choices.below(6)
    if kind == 0:
        return {f"session.{name}": value for name, value in config.items()}
    if kind == 1:
        return {f"beaker.session.{name}": value for name, value in config.items()}
    if kind == 2:
        return Config(config)
    if kind == 3:
        return Config.from_environ(
            {f"X_{name.upper().replace('.', '__')}": value for name, value in config.items()}, "X_"
        )
    if kind == 4:
        return _section(config)
    return config


def _section(config: dict[str, Any]) -> Mapping[str, Any]:
    """*config* as the section of an INI file, whose values are interpolated when they are read."""
    parser = configparser.ConfigParser(strict=False)
    parser.read_dict({"app": {}})
    for name, value in config.items():
        if name and isinstance(value, str):
            parser._sections["app"][f"session.{name}"] = value  # type: ignore[attr-defined]
    return parser["app"]


def _check_told(error: ConfigError) -> None:
    assert str(error)
    told = "\n".join([str(error), repr(error), *traceback.format_exception(error)])
    source = [line for line in told.splitlines() if MARKER in line]
    assert not source, source


def _check_manager(manager: SessionManager, options: dict[str, Any]) -> None:
    assert MARKER not in repr(manager)
    if "clock" in options or any(name in options for name in ("backend", "on_event", "types", "event_context")):
        return
    session = manager.open({"wsgi.url_scheme": "https"})
    session["a"] = 1
    assert dict(manager.commit(session))


def seeds() -> Iterable[bytes]:
    """Each option with a good value and with a URL, each form of a secret, and each spelling."""
    for name in range(len(_NAMES)):
        yield bytes([1, 6, name, 1, name % len(_PLAIN), 0, 1, name % 6])
        yield bytes([1, 1, name, name % len(_URLS), 0, 1, name % 6])
    for number in range(len(_URLS)):
        yield bytes([1, 1, _NAMES.index("backend"), number, 0, 1, 5])
    for secret in range(len(_SECRETS)):
        for spelling in range(6):
            yield bytes([1, 0, secret, 0, 0, spelling])
