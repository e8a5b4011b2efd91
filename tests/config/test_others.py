"""An option of another session package is answered with what to write here, for the value that was given."""

from __future__ import annotations

import ast
import configparser
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.constants import SECRET

from sessionware.config.others import OTHERS
from sessionware.config.settings import Config, Settings, make_settings
from sessionware.config.table import OPTIONS, STORE_OPTIONS
from sessionware.exceptions import ConfigError
from sessionware.stores.file import FileStore
from sessionware.stores.redis.store import RedisStore

TOKEN = "Ghp5Zq8Token"

#: An option of Beaker with its value, and what is to be written instead; nothing: it is to be left out.
BEAKER: list[tuple[str, Any, str]] = [
    ("type", "cookie", "backend = cookie"),
    ("type", "memory", "backend = memory"),
    ("type", "file", "backend = file and session.backend.path = /var/lib/app/sessions"),
    ("type", "dbm", "backend = file and session.backend.path = /var/lib/app/sessions"),
    ("type", "ext:redis", "backend = redis://localhost:6379/0"),
    ("type", "ext:rediscluster", "backend = redis+cluster://localhost:6379"),
    ("type", "ext:memcached", "backend = memcached://localhost:11211"),
    ("type", "ext:database", "backend = sqlite:///sessions.db"),
    ("type", "ext:sqla", "backend = sqlalchemy and session.backend.engine = pkg.mod:engine"),
    ("type", "ext:mongodb", ""),
    ("type", "ext:google", ""),
    ("url", "postgresql://host/web", "backend = postgresql+psycopg://host/web"),
    ("url", "mysql://host/web", "backend = mysql+pymysql://host/web"),
    ("data_dir", "/tmp/sessions", "backend = file and session.backend.path = /tmp/sessions"),
    ("key", "beaker.session.id", "cookie.name = beaker.session.id"),
    ("key", "__Host-shop", "cookie.name = shop and session.cookie.prefix = __Host-"),
    ("encrypt_key", "x" * 40, "secret = (run: sessionware secret)"),
    ("validate_key", "x" * 40, "secret = (run: sessionware secret)"),
    ("validate_key", True, ""),
    ("enabled", "true", ""),
    ("cookie_on_exception", "true", ""),
    ("cookie_on_exception", "false", "save_on_error = false"),
    ("id", "abc", ""),
    ("timeout", "1800", "idle_timeout = 1800"),
    ("timeout", 3600, "idle_timeout = 3600"),
    ("timeout", "604800", "idle_timeout = 604800 and session.absolute_timeout = none"),
    ("timeout", None, "idle_timeout = none"),
    ("save_accessed_time", "true", ""),
    ("auto", "true", ""),
    ("cookie_expires", "True", ""),
    ("cookie_expires", True, ""),
    ("cookie_expires", "false", "cookie.persistent = true"),
    ("cookie_expires", False, "cookie.persistent = true"),
    ("cookie_expires", "3600", "cookie.persistent = true and session.absolute_timeout = 3600"),
    ("cookie_expires", timedelta(days=1), "cookie.persistent = true and session.absolute_timeout = 86400"),
    ("cookie_expires", datetime(2038, 1, 19), "cookie.persistent = true"),
    ("cookie_domain", "example.com", "cookie.domain = example.com"),
    ("cookie_domain", "", ""),
    ("cookie_path", "/app", "cookie.path = /app"),
    ("secure", "true", "cookie.secure = true"),
    ("secure", "false", ""),
    ("httponly", "true", ""),
    ("httponly", "false", ""),
    ("samesite", "Lax", ""),
    ("samesite", "strict", "cookie.samesite = Strict"),
    ("samesite", "None", "cookie.samesite = None and session.cookie.secure = true"),
    ("samesite", None, ""),
    *((name, "x", "") for name in ("data_serializer", "encrypt_nonce_bits", "crypto_type", "invalidate_corrupt")),
    *((name, "x", "") for name in ("use_cookies", "lock_dir", "webtest_varname", "log_file", "session_class")),
    *((name, "x", "") for name in ("namespace_class", "memcache_module", "sa_opts", "table_name", "table")),
    *((name, "x", "") for name in ("schema_name", "dbmmodule")),
]


def fault_of(config: Any, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        make_settings(config, options)
    return str(caught.value)


@pytest.mark.parametrize("prefix", ["session.", "beaker.session."])
@pytest.mark.parametrize(("name", "value", "cure"), BEAKER)
def test_an_option_of_beaker_is_answered_for_the_value_that_was_given(
    prefix: str, name: str, value: object, cure: str
) -> None:
    has_secret = "secret =" not in cure
    fault = fault_of({f"{prefix}{name}": value, **({"session.secret": SECRET} if has_secret else {})})

    start = f"{prefix}{name}: unknown option (Beaker's); "
    assert fault.startswith(f"{start}write session.{cure}" if cure else f"{start}leave it out: ")
    assert not cure or fault.endswith(cure)


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("reissue_time", "120", "write session.refresh_after = 120"),
        ("set_on_exception", "false", "write session.save_on_error = false"),
        ("hashalg", "sha512", "leave it out: "),
    ],
)
def test_an_argument_of_pyramids_factory_is_answered_with_what_to_write(name: str, value: str, advice: str) -> None:
    fault = fault_of({f"session.{name}": value, "session.secret": SECRET})

    assert fault.startswith(f"session.{name}: unknown option (Pyramid's); {advice}")


@pytest.mark.parametrize(
    ("options", "backend"),
    [
        ({"type": "ext:redis", "url": "redis://cache:6380/2"}, "backend = redis://cache:6380/2"),
        ({"type": "ext:redis", "url": "cache:6380"}, "backend = redis://cache:6380"),
        ({"type": "ext:redis", "url": f"redis://u:{TOKEN}@cache/2"}, "backend = redis://***@cache/2"),
        ({"type": "ext:redis", "url": f"redis://cache/2?password={TOKEN}"}, "backend = redis://cache/2?***"),
        ({"type": "ext:memcached", "url": "a:11211;b:11211"}, "backend = memcached://a:11211,b:11211"),
        ({"type": "ext:rediscluster", "urls": ["redis://a", "redis://b"]}, "backend = redis+cluster://a,b"),
        ({"type": "ext:database", "url": "sqlite:////var/x.db"}, "backend = sqlite:////var/x.db"),
        ({"type": "ext:database", "url": f"postgres://u:{TOKEN}@h/w"}, "backend = postgresql+psycopg://***@h/w"),
        ({"type": "ext:database", "sa.url": "mysql+mysqldb://h/w"}, "backend = mysql+pymysql://h/w"),
    ],
)
def test_the_address_of_a_server_becomes_a_part_of_the_backend(options: dict[str, Any], backend: str) -> None:
    fault = fault_of({f"beaker.session.{name}": value for name, value in options.items()}, secret=SECRET)

    assert [line for line in fault.splitlines() if line.startswith("session.")] == [f"session.{backend}"]
    assert TOKEN not in fault


def test_an_option_of_beaker_beside_ours_is_not_dropped_without_a_word() -> None:
    fault = fault_of({"session.secret": SECRET, "beaker.session.type": "cookie", "beaker.cache.type": "memory"})

    assert fault == ("beaker.session.type: unknown option (Beaker's); write session.backend = cookie")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("cookie.secure", "beaker.session.cookie.secure: unknown option; write session.cookie.secure"),
        ("cookie.secrue", "beaker.session.cookie.secrue: unknown option; did you mean session.cookie.secure?"),
        ("xyzzy", "beaker.session.xyzzy: unknown option"),
    ],
)
def test_beakers_prefix_before_what_beaker_does_not_know_is_a_fault(name: str, fault: str) -> None:
    assert fault_of({f"beaker.session.{name}": "true"}, secret=SECRET) == fault


BEAKER_INI = f"""
[app:main]
use = egg:shop
beaker.cache.type = memory
{{0}}type = ext:redis
{{0}}url = redis://localhost:6379/0
{{0}}key = shop
{{0}}secret = {TOKEN}
{{0}}encrypt_key = {TOKEN}
{{0}}validate_key = {TOKEN}
{{0}}timeout = 172800
{{0}}save_accessed_time = true
{{0}}auto = true
{{0}}cookie_expires = false
{{0}}cookie_domain = example.com
{{0}}cookie_path = /shop
{{0}}secure = true
{{0}}httponly = true
{{0}}samesite = Strict
{{0}}data_dir = /tmp/data
{{0}}lock_dir = /tmp/lock
{{0}}data_serializer = json
{{0}}crypto_type = cryptography
{{0}}encrypt_nonce_bits = 128
{{0}}invalidate_corrupt = true
"""


def pasted(fault: str) -> Settings:
    """The settings of the lines at the end of *fault*, in which a secret takes the place that is left for it."""
    lines = fault.partition("write:\n\n")[2].replace("(run: sessionware secret)", SECRET)
    parser = configparser.ConfigParser()
    parser.read_string(f"[app:main]\n{lines}")
    return make_settings(parser["app:main"], {})


@pytest.mark.parametrize("prefix", ["beaker.session.", "session."])
def test_the_answer_to_a_whole_ini_file_of_beaker_can_be_pasted(prefix: str) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(BEAKER_INI.format(prefix))
    section = parser["app:main"]
    if prefix == "session.":
        # This name is ours as well.
        section["session.secret"] = SECRET

    fault = fault_of(section)
    if prefix == "session.":
        fault += f"session.secret = {SECRET}"
    settings = pasted(fault)

    assert TOKEN not in fault
    assert isinstance(settings.store, RedisStore)
    assert (settings.lifetimes.idle, settings.lifetimes.absolute) == (172800, None)
    assert (settings.cookie.name, settings.cookie.domain, settings.cookie.path) == ("shop", "example.com", "/shop")
    assert (settings.cookie.secure, settings.cookie.samesite, settings.cookie.persistent) == (True, "Strict", True)


def test_the_place_that_is_left_for_a_secret_is_no_secret() -> None:
    fault = fault_of({"beaker.session.encrypt_key": TOKEN, "beaker.session.timeout": "1800"})
    line = next(line for line in fault.splitlines() if line.startswith("session.secret"))

    with pytest.raises(ConfigError, match="secret: the secret has 25 bytes"):
        Config({"secret": line.partition(" = ")[2]})


def test_the_timeouts_that_are_advised_fit_together() -> None:
    fault = fault_of({"beaker.session.timeout": "172800", "beaker.session.cookie_expires": "3600"}, secret=SECRET)

    assert pasted(fault + f"session.secret = {SECRET}").lifetimes.absolute == 3600


FLASK_AND_DJANGO: list[tuple[dict[str, Any], str]] = [
    ({"SECRET_KEY": TOKEN}, '"secret": os.environ["SESSION_SECRET"]'),
    ({"SECRET_KEY_FALLBACKS": [TOKEN]}, "leave it out: secret takes several, newest first"),
    ({"SESSION_COOKIE_NAME": "shop"}, "\"cookie.name\": 'shop'"),
    ({"SESSION_COOKIE_DOMAIN": "example.com"}, "\"cookie.domain\": 'example.com'"),
    ({"SESSION_COOKIE_DOMAIN": None}, "leave it out: that is the default"),
    ({"SESSION_COOKIE_PATH": "/shop"}, "\"cookie.path\": '/shop'"),
    ({"SESSION_COOKIE_SECURE": True}, '"cookie.secure": True'),
    ({"SESSION_COOKIE_SECURE": False}, "leave it out: that is the default"),
    ({"SESSION_COOKIE_HTTPONLY": True}, "leave it out: that is the default"),
    ({"SESSION_COOKIE_HTTPONLY": False}, "leave it out: it is on, so that no script"),
    ({"SESSION_COOKIE_SAMESITE": "Lax"}, "leave it out: Lax is the default"),
    ({"SESSION_COOKIE_SAMESITE": "Strict"}, "\"cookie.samesite\": 'Strict'"),
    ({"SESSION_COOKIE_SAMESITE": None}, "leave it out: Lax is the default"),
    ({"SESSION_COOKIE_PARTITIONED": True}, '"cookie.partitioned": True'),
    (
        {"PERMANENT_SESSION_LIFETIME": timedelta(days=31)},
        '"idle_timeout": 2678400 and "absolute_timeout": None and "cookie.persistent": True',
    ),
    ({"PERMANENT_SESSION_LIFETIME": 3600}, '"idle_timeout": 3600 and "cookie.persistent": True'),
    ({"SESSION_REFRESH_EACH_REQUEST": True}, "see refresh_after"),
    ({"SESSION_TYPE": "redis"}, "\"backend\": 'redis://localhost:6379/0'"),
    ({"SESSION_TYPE": "memcached"}, "\"backend\": 'memcached://localhost:11211'"),
    ({"SESSION_TYPE": "filesystem"}, "\"backend\": 'file' and \"backend.path\": '/var/lib/app/sessions'"),
    ({"SESSION_TYPE": "cachelib"}, '"backend": KeyValueStore(cache)'),
    ({"SESSION_TYPE": "null"}, "leave it out: the cookie is the default"),
    ({"SESSION_TYPE": "mongodb"}, "leave it out: there is no store for mongodb here"),
    ({"SESSION_REDIS": object()}, '"backend": \'redis\' and "backend.client": client'),
    ({"SESSION_REDIS": f"redis://:{TOKEN}@h"}, "\"backend\": 'redis://***@h'"),
    ({"SESSION_MEMCACHED": object()}, '"backend": \'memcached\' and "backend.client": client'),
    ({"SESSION_SQLALCHEMY": object()}, '"backend.engine": engine and "backend.table": \'sessionware_sessions\''),
    ({"SESSION_FILE_DIR": "/tmp/s"}, "\"backend\": 'file' and \"backend.path\": '/tmp/s'"),
    ({"SESSION_PERMANENT": True}, '"cookie.persistent": True'),
    ({"SESSION_PERMANENT": False}, "leave it out: that is the default"),
    ({"SESSION_USE_SIGNER": True}, "leave it out: ids are 256 random bits, and signed"),
    ({"SESSION_KEY_PREFIX": "shop:"}, "\"backend.prefix\": 'shop:'"),
    ({"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"}, "\"backend\": 'cookie'"),
    ({"SESSION_ENGINE": "django.contrib.sessions.backends.cache"}, "\"backend\": 'redis://localhost:6379/0'"),
    ({"SESSION_ENGINE": "django.contrib.sessions.backends.db"}, '"backend": \'postgresql+psycopg://localhost/'),
    ({"SESSION_FILE_PATH": "/tmp/s"}, "\"backend\": 'file' and \"backend.path\": '/tmp/s'"),
    (
        {"SESSION_COOKIE_AGE": 1209600},
        '"idle_timeout": 1209600 and "absolute_timeout": None and "cookie.persistent": True',
    ),
    ({"SESSION_EXPIRE_AT_BROWSER_CLOSE": False}, '"cookie.persistent": True'),
    ({"SESSION_EXPIRE_AT_BROWSER_CLOSE": True}, "leave it out: that is the default"),
    ({"SESSION_SAVE_EVERY_REQUEST": True}, "see refresh_after"),
    ({"SESSION_SERIALIZER": "x"}, "leave it out: there is one format"),
    ({"cookie": {"max_age": 3600}}, '"cookie.persistent": True and "absolute_timeout": 3600'),
]


@pytest.mark.parametrize(("config", "cure"), FLASK_AND_DJANGO)
def test_an_option_of_flask_or_django_is_answered_for_the_value_that_was_given(
    config: dict[str, Any], cure: str
) -> None:
    fault = fault_of(config if "SECRET_KEY" in config else {**config, "secret": SECRET})

    assert ": unknown option" in fault
    assert cure in fault
    assert TOKEN not in fault


def test_the_answer_to_a_whole_configuration_of_flask_can_be_pasted() -> None:
    fault = fault_of(
        {
            "SECRET_KEY": TOKEN,
            "SESSION_TYPE": "filesystem",
            "SESSION_FILE_DIR": "/tmp/s",
            "SESSION_COOKIE_SECURE": True,
            "PERMANENT_SESSION_LIFETIME": timedelta(days=7),
        }
    )
    lines = fault.partition("write:\n\n")[2].replace('os.environ["SESSION_SECRET"]', repr(SECRET))
    settings = make_settings(ast.literal_eval(f"{{{lines}}}"), {})

    assert isinstance(settings.store, FileStore)
    assert settings.cookie.secure is True
    assert settings.lifetimes.idle == 7 * 86400


def test_variables_are_answered_by_variables() -> None:
    variables = {"SESSIONWARE_TYPE": "ext:redis", "SESSIONWARE_TIMEOUT": "1800", "SESSIONWARE_SECURE": "true"}

    with pytest.raises(ConfigError) as caught:
        Config.from_environ(variables)

    assert str(caught.value).endswith(
        "SESSIONWARE_COOKIE__SECURE=true\nSESSIONWARE_IDLE_TIMEOUT=1800\nSESSIONWARE_BACKEND=redis://localhost:6379/0\n"
    )


@pytest.mark.parametrize("name", sorted(OTHERS.keys() - OPTIONS.keys()))
@pytest.mark.parametrize("value", [None, "", "x", "true", 5, [], {}, object(), f"https://{TOKEN}@h", TOKEN])
def test_what_is_advised_is_an_option_of_ours_and_repeats_no_credential(name: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        make_settings({name: value}, {"secret": SECRET})

    fault = str(caught.value)
    advised = [line.partition('"')[0] for line in fault.split('write "')[1:] or fault.split(' and "')[1:]]
    assert "leave it out: " in fault or 'write "' in fault
    assert all(option in {*OPTIONS, *STORE_OPTIONS} for option in advised)
    assert f"{TOKEN}@" not in fault
