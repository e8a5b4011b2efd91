"""What to write in place of an option that another package has, for the value that was given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from sessionware.config.advice import (
    ITS_VALUE,
    SECRET,
    Advice,
    Expression,
    Given,
    Other,
    Rule,
    left_out,
    repeated,
    same,
    server_url,
    switch,
    truth,
    unless_empty,
)
from sessionware.cookies.header import split_prefix
from sessionware.session.lifetimes import parse_duration

_DAY_SECONDS = 86400
_CLIENT = Expression("pkg.mod:client", "client")
_ENGINE = Expression("pkg.mod:engine", "engine")
_STORE = Expression("pkg.mod:store", "KeyValueStore(cache)")
_PATH = "/var/lib/app/sessions"
_ENDS_WITH_BROWSER = "a cookie that ends with the browser is the default"
#: Not ``sessions``, which Flask-Session's is called.
_TABLE = "sessionware_sessions"


# Rules.


def _cookie_name(value: object, given: Given) -> Advice:
    # A developer who takes ``key`` for a secret must not find it in the log.
    prefix, name = split_prefix(value) if isinstance(value, str) else ("", value)
    is_name = isinstance(name, str) and re.fullmatch(r"[A-Za-z_.-]{1,31}", name) is not None
    written = {"cookie.name": name if is_name else ITS_VALUE.of(name)}
    return Advice({**written, "cookie.prefix": prefix} if prefix else written)


def _seconds(value: object) -> int | float | None:
    try:
        seconds = parse_duration(value)
    except ValueError:
        return None
    return int(seconds) if seconds == int(seconds) else seconds


def _secret(value: object, given: Given) -> Advice:
    if isinstance(value, bool):
        return Advice(why="it is no key; the one secret signs and encrypts")
    return (
        Advice(why="the one secret serves for all keys") if given.has_secret else Advice({"secret": SECRET.of(value)})
    )


def _fallbacks(value: object, given: Given) -> Advice:
    return Advice(why="secret takes several, newest first, as a list or as the lines of one string")


_secure = switch("cookie.secure", default=False)
_http_only = switch(
    "cookie.httponly", default=True, otherwise="it is on, so that no script of a page can read the cookie"
)


def _same_site(value: object, given: Given) -> Advice:
    word = str(value).strip().capitalize()
    if word == "None" and value is not None:
        return Advice({"cookie.samesite": "None", "cookie.secure": True})
    return Advice({"cookie.samesite": "Strict"}) if word == "Strict" else Advice(why="Lax is the default")


def _idle(seconds: int | float) -> dict[str, object]:
    """An idle timeout; one of more than a day needs another absolute timeout than the default."""
    return {"idle_timeout": seconds, **({"absolute_timeout": None} if seconds > _DAY_SECONDS else {})}


def _no_store(kind: str) -> str:
    return f"there is no store for {kind} here; write one (docs/own-store.rst), or take another"


# Backends.

_DATABASES = "write postgresql+psycopg://…, mysql+pymysql://… or sqlite:///sessions.db"
_FILES = "write 'file' with backend.path"
_OBJECTS = "give the object as KeyValueStore(obj)"
_BACKENDS = {
    **dict.fromkeys(("ext:redis", "valkey"), "write redis://localhost:6379/0"),
    "ext:rediscluster": "write redis+cluster://host1,host2",
    **dict.fromkeys(("ext:memcached", "memcache"), "write memcached://localhost:11211"),
    **dict.fromkeys(("ext:database", "database", "db", "cached_db"), _DATABASES),
    **dict.fromkeys(("postgresql", "postgres", "mysql", "mariadb"), _DATABASES),
    "ext:sqla": "write 'sqlalchemy' with backend.engine",
    **dict.fromkeys(("filesystem", "files", "dbm"), _FILES),
    **dict.fromkeys(("cachelib", "simplekv", "minimalkv", "diskcache", "shelve", "dict"), _OBJECTS),
    **dict.fromkeys(("null", "signed_cookies", "securecookie"), "write 'cookie'"),
    **dict.fromkeys(("locmem", "simple", "simplecache"), "write 'memory'"),
    "cache": "write redis://localhost:6379/0 or memcached://localhost:11211",
    **{name: _no_store(name.removeprefix("ext:")) for name in ("mongodb", "ext:mongodb", "dynamodb", "ext:google")},
}
_DJANGOS_BACKENDS = "django.contrib.sessions.backends."
_ADDRESS = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):(\d+)")
_SCHEMES_OF_PORTS = {
    "6379": ("redis",),
    "26379": ("redis+sentinel",),
    "11211": ("memcached",),
    "5432": ("postgresql+psycopg",),
    "3306": ("mysql+pymysql",),
}
_DATABASE_FILE = re.compile(r"[^:]+\.(db3?|sqlite3?)", re.IGNORECASE)


def instead_of_backend(written: str) -> str | None:
    """What to do in place of the backend *written*: another package's name for one, an address, or a path."""
    if written.startswith(_DJANGOS_BACKENDS):
        return _BACKENDS.get(written.removeprefix(_DJANGOS_BACKENDS), _FILES)
    if written.lower() in _BACKENDS:
        return _BACKENDS[written.lower()]
    address = _ADDRESS.fullmatch(written)
    if address:
        schemes = _SCHEMES_OF_PORTS.get(address[1], ("redis", "memcached"))
        return f"an address is no backend; write {' or '.join(f'{scheme}://{written}' for scheme in schemes)}"
    if _DATABASE_FILE.fullmatch(written):
        return f"a path is no backend; write sqlite:///{written}"
    if written.startswith("/"):
        return f"a path is no backend; write file://{written}"
    if "/" in written or "\\" in written:
        return f"a path is no backend; {_FILES}"
    return None


# Beaker.


def _beaker_backend(value: object, given: Given) -> Advice:
    directory = given.text("file_dir", "dbm_dir", "data_dir")
    address = given.text("url", "urls", "sa.url")
    kind = given.text("type").lower().removeprefix("ext:")
    if not kind:
        kind = "file" if directory else "url" if "://" in address else "memory"
    if kind in ("cookie", "memory"):
        return Advice({"backend": kind})
    if kind in ("file", "dbm"):
        return Advice({"backend": "file", "backend.path": repeated(directory or _PATH)})
    if kind == "sqla":
        return Advice({"backend": "sqlalchemy", "backend.engine": _ENGINE.of(given.options.get("bind"))})
    ours = {"rediscluster": "redis+cluster", "database": "sqlite"}.get(kind, kind)
    if ours not in ("url", "redis", "redis+cluster", "memcached", "sqlite"):
        return Advice(why=_no_store(kind))
    return Advice({"backend": server_url(ours, address)})


def _beaker_directory(value: object, given: Given) -> Advice:
    advice = _beaker_backend(value, given)
    return advice if "backend.path" in advice.write else Advice(why="this backend keeps no files of its own")


def _beaker_timeout(value: object, given: Given) -> Advice:
    seconds, until = _seconds(value), _seconds(given.options.get("cookie_expires"))
    if seconds is None:
        return Advice({"idle_timeout": None})
    return Advice(_idle(seconds) if until is None else {"idle_timeout": min(seconds, until)})


def _beaker_cookie_expires(value: object, given: Given) -> Advice:
    seconds = None if truth(value) is not None else _seconds(value)
    if seconds is not None:
        return Advice({"cookie.persistent": True, "absolute_timeout": seconds})
    if truth(value) is False or isinstance(value, date):
        return Advice({"cookie.persistent": True})
    return Advice(why=_ENDS_WITH_BROWSER)


_ALWAYS_SEALED = left_out("sessions are always sealed with AES-256-GCM")
_OWN_TABLE = left_out("sessions have a table of their own, which is made when it is needed")

_BEAKER: dict[str, Rule] = {
    **dict.fromkeys(("type", "url", "urls", "sa.url"), _beaker_backend),
    **dict.fromkeys(("data_dir", "file_dir", "dbm_dir"), _beaker_directory),
    **dict.fromkeys(("secret", "encrypt_key", "validate_key"), _secret),
    "key": _cookie_name,
    "id": left_out("an id is drawn, never chosen"),
    "timeout": _beaker_timeout,
    "save_accessed_time": left_out("'last seen' is written down now and then: see refresh_after"),
    "auto": left_out("what was changed is saved by itself"),
    "cookie_expires": _beaker_cookie_expires,
    "cookie_domain": unless_empty("cookie.domain"),
    "cookie_path": same("cookie.path"),
    "secure": _secure,
    "httponly": _http_only,
    "samesite": _same_site,
    "data_serializer": left_out("there is one format, which keeps types; those of your own are the option types"),
    "encrypt_nonce_bits": _ALWAYS_SEALED,
    "crypto_type": _ALWAYS_SEALED,
    "invalidate_corrupt": left_out("a cookie that does not open is an empty session and an event"),
    "use_cookies": left_out("a session has a cookie"),
    "lock_dir": left_out("no directory for locks is needed"),
    "webtest_varname": left_out("a test reads environ"),
    "cookie_on_exception": switch("save_on_error", default=True),
    "constant_csrf_token": left_out("a test asks the session for its token"),
    "log_file": left_out("events go to the logger sessionware, and to on_event"),
    "session_class": left_out("there is one class of sessions"),
    "namespace_class": left_out("a store of your own is a backend, as pkg.mod:Class"),
    "memcache_module": left_out("the driver is pymemcache"),
    "sa_opts": left_out("for an engine with options of its own give backend.engine"),
    **dict.fromkeys(("table_name", "table", "schema_name"), _OWN_TABLE),
    "bind": _beaker_backend,
    "dbmmodule": left_out("the backend file needs no module"),
    "enabled": left_out("a request that does not use its session costs nothing"),
}
#: The names that Beaker's own options have.
BEAKER_OPTIONS = frozenset(_BEAKER)


# Flask and Flask-Session.


def _flask_lifetime(value: object, given: Given) -> Advice:
    seconds = _seconds(value) or 31 * _DAY_SECONDS
    return Advice({**_idle(seconds), "cookie.persistent": True})


def _flask_session_backend(value: object, given: Given) -> Advice:
    kind = given.text("session_type").lower() or next(
        (kind for kind, name in _FLASK_SESSION_OBJECTS.items() if name in given.options), "null"
    )
    given_object = given.options.get(_FLASK_SESSION_OBJECTS.get(kind, ""))
    if kind in ("redis", "memcached"):
        if given_object is None or isinstance(given_object, str):
            return Advice({"backend": server_url(kind, given_object or "")})
        return Advice({"backend": kind, "backend.client": _CLIENT})
    if kind == "filesystem":
        return Advice({"backend": "file", "backend.path": repeated(given.text("session_file_dir") or _PATH)})
    if kind == "cachelib":
        return Advice({"backend": _STORE})
    if kind == "sqlalchemy":
        return Advice({"backend": "sqlalchemy", "backend.engine": _ENGINE, "backend.table": _TABLE})
    return Advice(why="the cookie is the default" if kind == "null" else _no_store(kind))


_FLASK_SESSION_OBJECTS = {
    "redis": "session_redis",
    "memcached": "session_memcached",
    "cachelib": "session_cachelib",
    "sqlalchemy": "session_sqlalchemy",
    "mongodb": "session_mongodb",
    "dynamodb": "session_dynamodb",
    "filesystem": "session_file_dir",
}
_OWN_IDS = left_out("ids are 256 random bits, and signed")

_FLASK: dict[str, Rule] = {
    "secret_key": _secret,
    "permanent_session_lifetime": _flask_lifetime,
    "session_refresh_each_request": left_out("'last seen' is written down now and then: see refresh_after"),
    "session_cookie_partitioned": switch("cookie.partitioned", default=False),
    "max_cookie_size": left_out("a cookie has 4096 bytes at most, and a larger one is an error"),
}
_FLASK_SESSION: dict[str, Rule] = {
    **dict.fromkeys(("session_type", *_FLASK_SESSION_OBJECTS.values()), _flask_session_backend),
    "session_permanent": switch("cookie.persistent", default=False),
    "session_key_prefix": same("backend.prefix"),
    "session_use_signer": _OWN_IDS,
    "session_id_length": _OWN_IDS,
    "session_sid_length": _OWN_IDS,
    "session_serialization_format": left_out("there is one format, which keeps types"),
    **dict.fromkeys(
        ("session_file_threshold", "session_file_mode", "session_cleanup_n_requests"),
        left_out("what has expired is removed now and then, and files are 0600"),
    ),
    **dict.fromkeys(
        tuple(f"session_sqlalchemy_{name}" for name in ("table", "schema", "bind_key", "sequence")), _OWN_TABLE
    ),
}


# Django.


def _django_backend(value: object, given: Given) -> Advice:
    kind = given.text("session_engine").rpartition(".")[2].lower()
    if kind == "signed_cookies":
        return Advice({"backend": "cookie"})
    if kind == "file" or (not kind and given.text("session_file_path")):
        return Advice({"backend": "file", "backend.path": repeated(given.text("session_file_path") or _PATH)})
    if kind == "cache":
        return Advice({"backend": server_url("redis", "")})
    return Advice({"backend": "postgresql+psycopg://localhost/database", "backend.table": _TABLE})


def _django_age(value: object, given: Given) -> Advice:
    ends_with_browser = truth(given.options.get("session_expire_at_browser_close"))
    seconds = _seconds(value) or 14 * _DAY_SECONDS
    return Advice({**_idle(seconds), **({} if ends_with_browser else {"cookie.persistent": True})})


_DJANGO: dict[str, Rule] = {
    "session_engine": _django_backend,
    "session_file_path": _django_backend,
    "session_cookie_age": _django_age,
    "session_expire_at_browser_close": lambda value, given: (
        Advice({"cookie.persistent": True}) if truth(value) is False else Advice(why="that is the default")
    ),
    "session_save_every_request": left_out("'last seen' is written down now and then: see refresh_after"),
    "session_serializer": left_out("there is one format, which keeps types"),
    "session_cache_alias": left_out("the backend names the server"),
}

#: Flask's and Django's alike.
_FLASK_AND_DJANGO: dict[str, Rule] = {
    "secret_key_fallbacks": _fallbacks,
    "session_cookie_name": _cookie_name,
    "session_cookie_domain": unless_empty("cookie.domain"),
    "session_cookie_path": unless_empty("cookie.path"),
    "session_cookie_secure": _secure,
    "session_cookie_httponly": _http_only,
    "session_cookie_samesite": _same_site,
}


# No package in particular.


def _persistent(seconds: int | float | None) -> Advice:
    return Advice({"cookie.persistent": True, **({} if seconds is None else {"absolute_timeout": seconds})})


def _cookie_age(value: object, given: Given) -> Advice:
    return Advice(why=_ENDS_WITH_BROWSER) if value is None else _persistent(_seconds(value))


def _cookie_milliseconds(value: object, given: Given) -> Advice:
    milliseconds = _seconds(value)
    return Advice(why=_ENDS_WITH_BROWSER) if value is None else _persistent(milliseconds and milliseconds / 1000)


def _server(kind: str) -> Rule:
    return lambda value, given: Advice({"backend": server_url(kind, value if isinstance(value, str) else "")})


def _lifetime(value: object, given: Given) -> Advice:
    seconds = _seconds(value)
    return Advice({"idle_timeout": None} if seconds is None else _idle(seconds))


_COMMON: dict[str, Rule] = {
    **dict.fromkeys(("cookie.max_age", "cookie.expires", "cookie.lifetime", "max_age", "lifetime"), _cookie_age),
    "serializer": left_out("there is one format, which keeps types; those of your own are the option types"),
    **dict.fromkeys(("ttl", "expire", "expires", "session_lifetime", "session_timeout"), _lifetime),
    **dict.fromkeys(("encryption_key", "signing_key", "secrets", "password"), _secret),
    "salt": left_out("keys for each purpose are derived from the secret"),
    "secret_file": left_out("give what the file holds as secret"),
    "redis_url": _server("redis"),
    "memcached_url": _server("memcached"),
    **dict.fromkeys(
        ("csrf", "csrf_protection"),
        left_out("requests of other sites are refused already (cross_site), and a form may have a session.csrf_token"),
    ),
    **dict.fromkeys(
        ("permanent", "remember", "remember_me"),
        left_out("session.remember(lifetime) is called for who wants it, after the login"),
    ),
}

#: The arguments of Starlette's SessionMiddleware that no other package has.
_STARLETTE: dict[str, Rule] = {"session_cookie": _cookie_name, "https_only": _secure}

#: The options of express-session, whose durations are milliseconds.
_EXPRESS: dict[str, Rule] = {
    "cookie.maxage": _cookie_milliseconds,
    "genid": _OWN_IDS,
    "proxy": _secure,
    "resave": left_out("what was changed is saved by itself, and nothing else"),
    "rolling": left_out("'last seen' is written down now and then: see refresh_after"),
    "saveuninitialized": left_out("a session without content is none, and is never stored"),
    "unset": left_out("session.clear() ends a session"),
}

#: Arguments of Pyramid's SignedCookieSessionFactory that no other package has.
_PYRAMID: dict[str, Rule] = {
    "hashalg": left_out("there is one algorithm"),
    "reissue_time": same("refresh_after"),
    "set_on_exception": switch("save_on_error", default=True),
}

OTHERS: dict[str, Other] = {
    name: Other(owner, rule)
    for owner, rules in (
        ("", _COMMON),
        ("Pyramid's", _PYRAMID),
        ("Starlette's", _STARLETTE),
        ("express-session's", _EXPRESS),
        ("Django's", _DJANGO),
        ("Flask-Session's", _FLASK_SESSION),
        ("Flask's", _FLASK),
        ("Flask's or Django's", _FLASK_AND_DJANGO),
        ("Beaker's", _BEAKER),
    )
    for name, rule in rules.items()
}


def canonical(name: str) -> str:
    """*name* as it stands in :data:`OTHERS`, if it is an option of another package."""
    return name.lower().replace("-", "_")


def advise(options: Mapping[str, Any], *, has_secret: bool) -> dict[str, Advice]:
    """What to write in place of each of *options*, which stand in :data:`OTHERS`."""
    given = Given(options, has_secret)
    return {name: OTHERS[name].rule(value, given) for name, value in options.items()}
