"""Beaker's sessions: in a store behind a cookie with a signed id, or all in an encrypted or signed cookie."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from hmac import compare_digest, digest
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from sessionware.backends.imported import Imported, Unreadable, WithoutRecord
from sessionware.exceptions import ConfigError, hiding_arguments
from sessionware.importers.compression import MAX_COOKIE_BYTES, MAX_EXPANDED_BYTES, expanded
from sessionware.importers.pickle_format import Pairs, is_pickle, parse
from sessionware.importers.records import MemcachedRecords, Records, RedisRecords, records_of
from sessionware.importers.settings import Secrets, cookie_settings, moment_of, seconds_of, secrets_of
from sessionware.wire.bounds import blame_application

#: An id of Beaker of any release. A path of a file is made of it, so nothing else is looked for.
_ID = re.compile(r"[0-9a-f]{32,64}")
_SIGNATURE_CHARACTERS = 40
_KEY_BYTES = 32
_IV_BYTES = 12
_TAG_BYTES = 16
_BEGAN = "_creation_time"
_SEEN = "_accessed_time"
#: What Beaker keeps among the data for itself.
_OWN_KEYS = (_BEGAN, _SEEN, "_id", "_domain", "_path", "_expires")
#: Where pyramid_beaker keeps its CSRF token, and the messages of a queue.
_CSRF_KEY = "_csrft_"
_FLASH_PREFIX = "_f_"

#: Whether what pyramid_beaker keeps among the data becomes a CSRF token and flashes of ours.
PyramidKeys = Literal["move", "keep"]
#: The data, and the keys of what cannot be read.
Decoded = tuple[dict[str, Any], tuple[str, ...]]


#: How Beaker names a record by the id of a session, where it is not the id itself.
_KEYS: Mapping[type, str] = {RedisRecords: "beaker_cache:{}:session", MemcachedRecords: "{}_session"}


# What Beaker has made of the data.


class Opening:
    """How the data of a session is decrypted and read, by the options of Beaker that say so."""

    def __init__(
        self,
        importer: str,
        decode: Callable[[bytes], Decoded],
        *,
        validate_key: str | None,
        encrypt_key: str | None,
        encrypt_nonce_bits: int,
        crypto_type: str,
        timeout: object,
        pyramid_keys: PyramidKeys,
    ) -> None:
        if encrypt_key is not None and validate_key is None:
            raise ConfigError(f"{importer}: encrypt_key needs the validate_key that Beaker had, too")
        if crypto_type not in _CIPHERS:
            raise ConfigError(f"{importer}: crypto_type: expected one of {', '.join(_CIPHERS)}")
        if pyramid_keys not in ("move", "keep"):
            raise ConfigError(f"{importer}: pyramid_keys: expected 'move' or 'keep'")
        self._decode = decode
        self._keys = None if encrypt_key is None else (encrypt_key.encode(), str(validate_key).encode())
        # Four characters of base64 stand for three bytes, the last ones filled up.
        self._nonce_characters = -(-encrypt_nonce_bits // 24) * 4
        self._decrypt = _CIPHERS[crypto_type]
        self._timeout = None if timeout is None else seconds_of(importer, "timeout", timeout)
        self._pyramid_keys = pyramid_keys

    def imported(self, decoded: Decoded, now: float, *, reference: bytes = b"") -> Imported:
        """The session whose data was *decoded*; raises :exc:`Unreadable`."""
        data, unreadable = decoded
        own = {key: data.pop(key) for key in _OWN_KEYS if key in data}
        seen_at = _moment(own.get(_SEEN))
        if self._timeout is not None and seen_at is not None and now - seen_at > self._timeout:
            raise Unreadable("idle")
        flashes, csrf_token = self._of_pyramid(data)
        identifier = own.get("_id")
        return Imported(
            data=data,
            began_at=seen_at,
            ends_at=None,
            unreadable=tuple(key for key in unreadable if key not in _OWN_KEYS),
            reference=reference,
            identifier=identifier.encode("utf-8", "surrogatepass") if isinstance(identifier, str) else b"",
            created_at=_moment(own.get(_BEGAN)),
            flashes=flashes,
            csrf_token=csrf_token,
        )

    def decoded(self, text: str) -> Decoded:
        """The data that *text* stands for; raises :exc:`Unreadable`."""
        try:
            return self._decode(self._decrypted(text))
        except (InvalidTag, ValueError, RecursionError) as error:
            blame_application(error)
            raise Unreadable("undecryptable" if isinstance(error, InvalidTag) else "malformed") from error

    def _decrypted(self, text: str) -> bytes:
        if self._keys is None:
            return b64decode(text)
        encrypt_key, validate_key = self._keys
        nonce, packed = text[: self._nonce_characters], b64decode(text[self._nonce_characters :])
        key = PBKDF2HMAC(SHA1(), _KEY_BYTES, validate_key + nonce.encode("ascii"), iterations=1).derive(encrypt_key)  # noqa: S303 - as Beaker derives it
        return self._decrypt(packed, key)

    def _of_pyramid(self, data: dict[str, Any]) -> tuple[tuple[tuple[str, Any], ...], str | None]:
        """The flashes and the CSRF token of pyramid_beaker, which are taken out of *data*."""
        if self._pyramid_keys == "keep":
            return (), None
        token = data.pop(_CSRF_KEY) if isinstance(data.get(_CSRF_KEY), str) else None
        queues = [key for key, value in data.items() if key.startswith(_FLASH_PREFIX) and isinstance(value, list)]
        flashes = tuple((key.removeprefix(_FLASH_PREFIX), item) for key in queues for item in data.pop(key))
        return flashes, token


def _moment(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, (int, float)) else None
    except OverflowError as error:
        raise Unreadable("malformed") from error


def _with_gcm(packed: bytes, key: bytes) -> bytes:
    iv, tag = packed[:_IV_BYTES], packed[_IV_BYTES : _IV_BYTES + _TAG_BYTES]
    return AESGCM(key).decrypt(iv, packed[_IV_BYTES + _TAG_BYTES :] + tag, None)


def _with_ctr(packed: bytes, key: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).decryptor()
    return decryptor.update(packed) + decryptor.finalize()


#: By Beaker's ``crypto_type``, and what it meant in releases that found no package for it.
_CIPHERS: Mapping[str, Callable[[bytes, bytes], bytes]] = {
    "cryptography": _with_gcm,
    "pycryptodome": _with_ctr,
    "none": lambda packed, key: packed,
}


def _from_json(payload: bytes, *, at_most: int) -> Decoded:
    found = json.loads(expanded(payload, at_most=at_most))
    if type(found) is not dict:
        raise ValueError("no dict")
    return found, ()


def _session_in(payload: bytes) -> Any:
    """The session in a record, as a text; what a release before 1.12 has not encrypted is the data itself, pickled.

    All that is not in memcached Beaker has pickled, with JSON for its serializer, too.
    """
    if not is_pickle(payload):
        return payload.decode("ascii")
    found = parse(payload)
    if type(found) is Pairs:
        named = {key: value for key, value in found if type(key) is str}
        found = found if _BEGAN in named else named.get("session")
    return found.decode("ascii") if type(found) is bytes else found


# The importers.


class StoredBeakerSessions:
    """Takes over the sessions of Beaker in *records*, where ``data_serializer`` was ``json``.

    The other parameters have the names and the defaults of Beaker's options, ``cookie_name`` that of ``key``.
    *user_key* is the session key that says who the user is, as ``auth.userid`` in Pyramid. ``None`` stands for that of
    the option ``user_key``; without any, a logout at an old worker is not seen.
    *crypto_type* is ``"pycryptodome"`` where Beaker had that package and not ``cryptography``, and ``"none"`` where
    it had neither; before 1.14 it used ``cryptography`` only where its own ``crypto_type`` said so. With
    ``pyramid_keys="keep"`` the flashes and the CSRF token of pyramid_beaker stay among the data.
    """

    @hiding_arguments
    def __init__(
        self,
        records: Records,
        *,
        until: object,
        user_key: str | None,
        secret: Secrets | None = None,
        validate_key: str | None = None,
        encrypt_key: str | None = None,
        encrypt_nonce_bits: int = 128,
        crypto_type: str = "cryptography",
        timeout: object = None,
        cookie_name: str = "beaker.session.id",
        cookie_domain: str | None = None,
        cookie_path: str = "/",
        pyramid_keys: PyramidKeys = "move",
    ) -> None:
        name = type(self).__name__
        self.until = moment_of(name, until)
        self.cookie = cookie_settings(cookie_name, cookie_domain, cookie_path)
        self.user_key = user_key
        self._records = records_of(name, records)
        self._key = next((form for kind, form in _KEYS.items() if isinstance(records, kind)), "{}")
        self._secrets = None if secret is None else secrets_of(name, secret)
        self._opening = Opening(
            name,
            self._decode,
            validate_key=validate_key,
            encrypt_key=encrypt_key,
            encrypt_nonce_bits=encrypt_nonce_bits,
            crypto_type=crypto_type,
            timeout=timeout,
            pyramid_keys=pyramid_keys,
        )

    def read(self, value: str, now: float) -> Imported | None:
        session_id = value if self._secrets is None else _unsigned(value, self._secrets)
        if not _ID.fullmatch(session_id):
            raise Unreadable("malformed")
        return self._read(session_id, now)

    def _read(self, session_id: str, now: float) -> Imported | None:
        record = self._records.get(self._key.format(session_id), now)
        if record is None:
            return None
        try:
            found = _session_in(record.payload)
            decoded = self._unserialized(found, len(record.payload)) if type(found) is Pairs else None
        except ValueError as error:
            raise Unreadable("malformed") from error
        if decoded is None:
            if type(found) is not str:
                return None
            decoded = self._opening.decoded(found)
        return self._opening.imported(decoded, now, reference=session_id.encode("ascii"))

    def _unserialized(self, found: Pairs, size: int) -> Decoded:
        """The data of a release before 1.12; it is no text, whatever the serializer is."""
        raise Unreadable("malformed")

    def has(self, reference: bytes) -> bool:
        """Whether there is a session in the record: ``delete()`` of Beaker's leaves an empty one."""
        try:
            found = self._read(reference.decode("ascii"), 0.0)
        except Unreadable:
            return True
        return found is not None and not found.is_empty

    def _decode(self, payload: bytes) -> Decoded:
        return _from_json(payload, at_most=MAX_EXPANDED_BYTES)

    def delete(self, reference: bytes) -> None:
        self._records.delete(self._key.format(reference.decode("ascii")))


class BeakerCookieSessions(WithoutRecord):
    """Takes over the sessions of Beaker with ``type = cookie``, where ``data_serializer`` was ``json``.

    The parameters are those of :class:`StoredBeakerSessions`.
    """

    @hiding_arguments
    def __init__(
        self,
        validate_key: str,
        *,
        until: object,
        user_key: str | None,
        encrypt_key: str | None = None,
        encrypt_nonce_bits: int = 128,
        crypto_type: str = "cryptography",
        timeout: object = None,
        cookie_name: str = "beaker.session.id",
        cookie_domain: str | None = None,
        cookie_path: str = "/",
        pyramid_keys: PyramidKeys = "move",
    ) -> None:
        name = type(self).__name__
        self.until = moment_of(name, until)
        self.cookie = cookie_settings(cookie_name, cookie_domain, cookie_path)
        self.user_key = user_key
        self._secrets = secrets_of(name, validate_key)
        self._opening = Opening(
            name,
            self._decode,
            validate_key=validate_key,
            encrypt_key=encrypt_key,
            encrypt_nonce_bits=encrypt_nonce_bits,
            crypto_type=crypto_type,
            timeout=timeout,
            pyramid_keys=pyramid_keys,
        )

    def read(self, value: str, now: float) -> Imported | None:
        return self._opening.imported(self._opening.decoded(_unsigned(value, self._secrets)), now)

    def _decode(self, payload: bytes) -> Decoded:
        return _from_json(payload, at_most=MAX_COOKIE_BYTES)


def _unsigned(value: str, secrets: list[bytes]) -> str:
    """What was signed, which stands behind its signature; raises :exc:`Unreadable`."""
    signature, signed = value[:_SIGNATURE_CHARACTERS], value[_SIGNATURE_CHARACTERS:]
    try:
        given, content = signature.encode("latin-1"), signed.encode("latin-1")
    except UnicodeEncodeError as error:
        raise Unreadable("bad_signature") from error
    made = (digest(secret, content, "sha1").hex().encode() for secret in secrets)
    if not any(compare_digest(given, expected) for expected in made):
        raise Unreadable("bad_signature")
    return signed
