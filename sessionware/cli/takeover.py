"""The importer that takes over the sessions of a configuration of Beaker's, as lines of Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sessionware.config.beaker import DEFAULTS

_FILES = "from sessionware.importers.beaker_files import {}"
_RECORDS = "from sessionware.importers.records import {}"
#: By Beaker's type: the name of what reads its records, and its arguments.
_PLACES: Mapping[str, tuple[str, str, str]] = {
    "file": (_FILES, "BeakerFiles", "{data_dir}"),
    "dbm": (_FILES, "BeakerDBM", "{data_dir}"),
    "ext:redis": (_RECORDS, "RedisRecords", "{url}"),
    "ext:memcached": (_RECORDS, "MemcachedRecords", "{url}"),
    "ext:database": (_RECORDS, "SQLRecords", '{url}, {table_name}, key="namespace", end=None'),
    "ext:sqla": (_RECORDS, "SQLRecords", 'engine, {table_name}, key="namespace", end=None'),
}
#: What may have a credential in it is not repeated.
_HIDDEN = ("secret", "validate_key", "encrypt_key", "url")
#: Beaker's options, and the parameters of an importer with the same meaning.
_PARAMETERS: Mapping[str, str] = {
    **{name: name for name in ("secret", "validate_key", "encrypt_key", "encrypt_nonce_bits", "timeout")},
    "key": "cookie_name",
    "cookie_domain": "cookie_domain",
    "cookie_path": "cookie_path",
}


def importer_lines(options: Mapping[str, Any]) -> Iterator[str]:
    """The lines for Beaker's *options*, by their names without a prefix; none where there are no sessions to be found.

    No secret stands in them.
    """
    kind = options.get("type") or ("file" if options.get("data_dir") else "memory")
    prefix = "" if options.get("data_serializer") == "json" else "Pickled"
    module = "pickled" if prefix else "beaker"
    if kind == "cookie":
        name, place = f"{prefix}BeakerCookieSessions", ""
    elif kind in _PLACES:
        name, place = f"{prefix}StoredBeakerSessions", _place(kind, options)
        form, reader, _ = _PLACES[kind]
        yield form.format(reader)
    else:
        return
    yield f"from sessionware.importers.{module} import {name}"
    yield ""
    yield f"sessions = {name}("
    if place:
        yield f"    {place},"
    for parameter, value in _given(options, kind):
        yield f"    {parameter}={value},"
    yield '    user_key="(the key of the session that says who the user is)",'
    yield '    until="(when the last old worker has gone, and the lifetime of a session after it)",'
    yield ")"


def _place(kind: str, options: Mapping[str, Any]) -> str:
    own = {"file": "file_dir", "dbm": "dbm_dir"}.get(kind)
    _, reader, arguments = _PLACES[kind]
    if own is not None and options.get(own):
        return f"{reader}({own}={_written(own, options[own])})"
    given = {"data_dir": None, "url": None, "table_name": "beaker_cache", **options}
    written = {name: _written(name, given[name]) for name in ("data_dir", "url", "table_name")}
    return f"{reader}({arguments.format(**written)})"


def _given(options: Mapping[str, Any], kind: str) -> Iterator[tuple[str, str]]:
    for name, parameter in _PARAMETERS.items():
        value = options.get(name)
        is_of_no_use = name == "secret" and kind == "cookie"
        if value not in (None, "", DEFAULTS.get(name)) and not is_of_no_use:
            yield parameter, _written(name, value)
    crypto_type = str(options.get("crypto_type", "default"))
    if options.get("encrypt_key") and crypto_type.startswith("pycrypto"):
        yield "crypto_type", '"pycryptodome"'


def _written(name: str, value: object) -> str:
    if name in _HIDDEN:
        return '"(its value)"'
    text = str(value)
    if name in ("timeout", "encrypt_nonce_bits") and text.isdecimal():
        return text
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))
