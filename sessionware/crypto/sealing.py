"""Signs and encrypts the values of cookies and the records of stores, and opens them again.

A cookie value is a head, a payload, a dot and a signature, all base64url without padding::

    head       8 characters: format version, kind, 4 bytes of key id
    payload    a token; or a salt and an AES-256-GCM ciphertext
    signature  43 characters: HMAC-SHA256 over everything before the dot

A sealed record is the same head as 6 bytes, a salt and a ciphertext. The head names the key, so only that key is
tried. Nothing is compressed before it is encrypted (CRIME, BREACH), and what should be sealed is never accepted
unsealed (CVE-2026-39324).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from binascii import a2b_base64, b2a_base64
from hmac import compare_digest
from typing import Literal, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from itsdangerous import Signer
from itsdangerous.encoding import want_bytes
from msgspec import Struct

from sessionware.crypto.identifiers import TO_URLSAFE, to_base64url
from sessionware.crypto.keys import Keyring, Purpose

FORMAT_VERSION = 1
MAX_VALUE_CHARACTERS = 4096
SALT_BYTES = 24
_NONCE_BYTES = 12
_NONCE_START = SALT_BYTES - _NONCE_BYTES
_TAG_BYTES = 16
_HEAD_BYTES = 6
_HEAD_CHARACTERS = 8
_SHAPE = re.compile(rb"[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{43}")

_VALUE_KINDS = {Purpose.TOKEN_SIGN: 1, Purpose.COOKIE_SIGN: 2, Purpose.SEEN_SIGN: 3}
_RECORD_KIND = 4

#: From URL-safe to standard base64 (RFC 4648, sections 5 and 4), and "+", "/" and "=" to "!", which neither has.
_FROM_URLSAFE = bytes.maketrans(b"-_+/=", b"+/!!!")
#: What a number of characters lacks to be a multiple of four.
_PADDING = (b"", b"===", b"==", b"=")

Reason = Literal["malformed", "bad_signature", "unknown_key", "undecryptable"]


class Rejected(Exception):
    """A cookie value or a record was not opened, for :attr:`reason`; never leaves the manager."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Opened(Struct, frozen=True):
    """What was signed or sealed, the id of the key, and whether it is the key that seals now."""

    payload: bytes
    key_id: str
    is_current: bool

    def __repr__(self) -> str:
        # The payload may be a token, and crash reports show the repr of local variables.
        return f"Opened(..., {self.key_id!r}, {self.is_current!r})"


class _HmacSigner(Signer):
    """Signs as itsdangerous does, in a quarter of the time: the key is hashed once, and not for each value.

    The key is used without a salt, because HKDF has separated it from others already. Signatures are compared as
    characters, so each has one spelling.
    """

    def __init__(self, key: bytes) -> None:
        super().__init__(key, key_derivation="none", digest_method=hashlib.sha256)
        self._keyed = HMAC(key, SHA256())

    def get_signature(self, value: str | bytes) -> bytes:
        signing = self._keyed.copy()
        signing.update(value if type(value) is bytes else want_bytes(value))
        # As to_base64url() does; one call less.
        return b2a_base64(signing.finalize(), newline=False).rstrip(b"=").translate(TO_URLSAFE)

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        return compare_digest(self.get_signature(value), want_bytes(sig))


def _decode(text: bytes) -> bytes:
    """The bytes of base64url whose signature is good: the signature covers the characters, so they are canonical."""
    return a2b_base64(text.translate(_FROM_URLSAFE) + _PADDING[len(text) % 4])


def _heads(keyring: Keyring, kind: int) -> list[bytes]:
    return [bytes((FORMAT_VERSION, kind)) + bytes.fromhex(key_id) for key_id in keyring.key_ids]


class _ValueKey(NamedTuple):
    head: bytes
    signer: _HmacSigner
    key_id: str
    is_current: bool


class CookieSigner:
    """Signs and verifies the values of one cookie for one purpose, such as a token.

    The cookie's *domain* and *path*, and whether it is *partitioned*, count where all of a session stands in it, and
    not for a token.
    """

    __slots__ = ("_beginnings", "_current", "_keys", "_prefix")

    def __init__(
        self,
        keyring: Keyring,
        purpose: Purpose,
        name: str,
        *,
        domain: str | None = None,
        path: str = "/",
        partitioned: bool = False,
    ) -> None:
        heads = _heads(keyring, _VALUE_KINDS[purpose])
        derived = keyring.derive(purpose, name, domain=domain, path=path, partitioned=partitioned)
        signers = map(_HmacSigner, derived)
        keys = [
            _ValueKey(to_base64url(head), signer, key_id, key_id == keyring.key_ids[0])
            for head, signer, key_id in zip(heads, signers, keyring.key_ids, strict=True)
        ]
        self._prefix = heads[0][:2]
        # The first two bytes of a head, and the two bits of the key id that share its third character.
        self._beginnings = tuple(to_base64url(self._prefix + bytes((bits << 6,))).decode()[:3] for bits in range(4))
        self._current = keys[0]
        self._keys = {key.head: key for key in keys}

    def is_of_kind(self, value: str) -> bool:
        """Whether *value* begins as those of :meth:`sign` do, whatever their key."""
        return value.startswith(self._beginnings)

    def sign(self, payload: bytes) -> str:
        """The cookie value of *payload*, signed with the newest key, but not encrypted."""
        key = self._current
        covered = key.head + to_base64url(payload)
        return (covered + b"." + key.signer.get_signature(covered)).decode("ascii")

    def open(self, value: str) -> Opened:
        """What :meth:`sign` was given for *value*; raises :exc:`Rejected` for any other value."""
        key, payload = self.verified(value)
        return Opened(payload, key.key_id, key.is_current)

    def verified(self, value: str) -> tuple[_ValueKey, bytes]:
        """The key that has signed *value*, and the payload; raises :exc:`Rejected`."""
        if len(value) > MAX_VALUE_CHARACTERS or not value.isascii():
            raise Rejected("malformed")
        signed = value.encode("ascii")
        covered, _, signature = signed.rpartition(b".")
        key = self._keys.get(covered[:_HEAD_CHARACTERS])
        if key is None or not compare_digest(key.signer.get_signature(covered), signature):
            raise Rejected(self._reason(signed))
        return key, _decode(covered[_HEAD_CHARACTERS:])

    def _reason(self, signed: bytes) -> Reason:
        """Why *signed* was not opened: unless all of its shape is that of a cookie value, it is malformed."""
        if not _SHAPE.fullmatch(signed):
            return "malformed"
        head = signed[:_HEAD_CHARACTERS]
        if not _decode(head).startswith(self._prefix):
            return "malformed"
        return "bad_signature" if head in self._keys else "unknown_key"


#: A salt, at least one byte, and a tag: an empty payload is never sealed.
_MIN_SEALED_BYTES = SALT_BYTES + 1 + _TAG_BYTES


class _Cipher:
    """AES-256-GCM under a key of its own for each message: HMAC-SHA256 of a random salt under the seal key.

    So salts may be random however many messages there are, where random nonces under one key may not (NIST SP 800-38D,
    8.3). The nonce is the end of the salt.
    """

    __slots__ = ("_context", "_keyed")

    def __init__(self, seal_key: bytes, context: bytes) -> None:
        self._keyed = HMAC(seal_key, SHA256())
        self._context = context

    def encrypt(self, payload: bytes, store_key: bytes = b"") -> bytes:
        try:
            salt = secrets.token_bytes(SALT_BYTES)
        except OSError:
            del payload, store_key  # a crash report shows the locals of each frame
            raise
        deriving = self._keyed.copy()
        deriving.update(salt)
        aead = AESGCM(deriving.finalize())
        return salt + aead.encrypt(salt[_NONCE_START:], payload, self._context + store_key)

    def decrypt(self, sealed: bytes, store_key: bytes = b"") -> bytes:
        """The payload of *sealed*; raises :exc:`Rejected`, before any decryption if bytes are missing."""
        if len(sealed) < _MIN_SEALED_BYTES:
            raise Rejected("malformed")
        salt = sealed[:SALT_BYTES]
        deriving = self._keyed.copy()
        deriving.update(salt)
        aead = AESGCM(deriving.finalize())
        try:
            return aead.decrypt(salt[_NONCE_START:], sealed[SALT_BYTES:], self._context + store_key)
        except InvalidTag as error:
            raise Rejected("undecryptable") from error


def _ciphers(heads: list[bytes], purpose: Purpose, seal_keys: tuple[bytes, ...]) -> list[_Cipher]:
    """A cipher per key, whose associated data are the head and the purpose, and then the store key of a record."""
    context = purpose.value.encode()
    return [_Cipher(seal_key, head + context) for seal_key, head in zip(seal_keys, heads, strict=True)]


class CookieSealer:
    """Encrypts whole sessions for one cookie, its name, *domain*, *path* and partitions, and signs the result.

    The signature rejects forgeries before anything is decrypted. It also commits to the key, which AES-GCM alone does
    not.
    """

    __slots__ = ("_ciphers", "_current", "_signer")

    def __init__(
        self, keyring: Keyring, name: str, *, domain: str | None = None, path: str = "/", partitioned: bool = False
    ) -> None:
        heads = _heads(keyring, _VALUE_KINDS[Purpose.COOKIE_SIGN])
        seal_keys = keyring.derive(Purpose.COOKIE_SEAL, name, domain=domain, path=path, partitioned=partitioned)
        ciphers = _ciphers(heads, Purpose.COOKIE_SEAL, seal_keys)
        self._signer = CookieSigner(
            keyring, Purpose.COOKIE_SIGN, name, domain=domain, path=path, partitioned=partitioned
        )
        self._current = ciphers[0]
        self._ciphers = dict(zip(keyring.key_ids, ciphers, strict=True))

    def seal(self, payload: bytes) -> str:
        """The cookie value of *payload*, which must not be empty, encrypted and signed with the newest key."""
        try:
            sealed = self._current.encrypt(payload)
        except OSError:
            del payload
            raise
        return self._signer.sign(sealed)

    def open(self, value: str) -> Opened:
        """What :meth:`seal` was given for *value*; raises :exc:`Rejected` for any other value."""
        key, sealed = self._signer.verified(value)
        return Opened(self._ciphers[key.key_id].decrypt(sealed), key.key_id, key.is_current)


class _RecordKey(NamedTuple):
    cipher: _Cipher
    key_id: str
    is_current: bool


class RecordSealer:
    """Encrypts records for their store keys; a record that is copied to another key does not open."""

    __slots__ = ("_current", "_head", "_keys")

    def __init__(self, keyring: Keyring) -> None:
        heads = _heads(keyring, _RECORD_KIND)
        ciphers = _ciphers(heads, Purpose.RECORD_SEAL, keyring.derive(Purpose.RECORD_SEAL))
        self._head = heads[0]
        self._current = ciphers[0]
        self._keys = {
            head: _RecordKey(cipher, key_id, head == heads[0])
            for head, cipher, key_id in zip(heads, ciphers, keyring.key_ids, strict=True)
        }

    def seal(self, payload: bytes, store_key: str) -> bytes:
        """*payload*, which must not be empty, encrypted with the newest key for *store_key*."""
        try:
            sealed = self._current.encrypt(payload, store_key.encode("ascii"))
        except OSError:
            del payload, store_key
            raise
        return self._head + sealed

    def open(self, sealed: bytes, store_key: str) -> Opened:
        """What :meth:`seal` was given for *store_key*; raises :exc:`Rejected` for any other bytes."""
        found = self._keys.get(sealed[:_HEAD_BYTES])
        if found is None:
            raise Rejected(self._reason(sealed))
        payload = found.cipher.decrypt(sealed[_HEAD_BYTES:], store_key.encode("ascii"))
        return Opened(payload, found.key_id, found.is_current)

    def _reason(self, sealed: bytes) -> Reason:
        is_whole = len(sealed) >= _HEAD_BYTES + _MIN_SEALED_BYTES
        return "unknown_key" if is_whole and sealed.startswith(self._head[:2]) else "malformed"
