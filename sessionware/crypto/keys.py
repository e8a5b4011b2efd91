"""From each secret, if it is strong, a key for every purpose."""

from __future__ import annotations

import codecs
import enum
import itertools
import re
import secrets
import string
from collections import Counter
from collections.abc import Iterator, Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MIN_SECRET_BYTES = 32
MIN_DIFFERENT_BYTES = 8
MIN_BYTES_BESIDE_WORDS = 16
KEY_BYTES = 32
KEY_ID_BYTES = 4

#: A random secret may end with a few of the bytes that it begins with, but never with this many.
_MIN_REPEATED_BYTES = 8
#: Words of secrets that people make up, also with hyphens, underscores and blanks between the letters.
_WORDS = re.compile(
    b"|".join(
        rb"[-_\s]*".join(re.findall(b".", word))
        for word in (b"secret", b"password", b"changeme", b"insecure", b"example", b"default", b"placeholder")
    ),
    re.IGNORECASE,
)
_BYTE_ORDER_MARK = "\ufeff"
_PRINTABLE_ASCII = frozenset(string.printable.encode())
#: What a message about a bad secret tells the developer to do.
SECRET_CURE = "make a good one with 'sessionware secret' (or 'python -m sessionware secret')"

#: The version of the key derivation; another one would give other keys.
_FORMAT = "sessionware 1"


class Purpose(enum.Enum):
    """What a key is for. A key for one purpose verifies and decrypts nothing that was made for another."""

    COOKIE_SEAL = "cookie seal"
    COOKIE_SIGN = "cookie sign"
    TOKEN_SIGN = "token sign"
    SEEN_SIGN = "seen sign"
    RECORD_SEAL = "record seal"
    CSRF = "CSRF"
    TAKE_OVER = "take over"
    KEY_ID = "key id"


#: A cookie session that an older configuration has left in the browser, for another Domain or Path, or with another
#: word on Partitioned, is never opened beside the new one. A token may be: its record in the store is the same.
_BOUND_TO_SCOPE = frozenset({Purpose.COOKIE_SEAL, Purpose.COOKIE_SIGN, Purpose.SEEN_SIGN})


def new_secret() -> str:
    """A new secret of 256 random bits, as a str of 43 characters."""
    return secrets.token_urlsafe(MIN_SECRET_BYTES)


def read_secrets(value: object) -> tuple[bytes, ...]:
    """The secrets in *value*, newest first: a str or bytes, a list or tuple of them, or the lines of a str.

    White space and a byte order mark around a line of a str are removed, and empty lines are skipped. Bytes that are
    printable ASCII, as a file's are, are read as a str; all other bytes are taken unchanged. Raises one ValueError for
    all faults, which names each secret by its position, never by its value, and the cure.
    """
    given = value if isinstance(value, (list, tuple)) else (value,)
    found = [_utf8(item) if isinstance(item, str) else item for entry in given for item in _lines(entry)]
    faults = _faults_of_all(found)
    if faults:
        # A crash report shows the locals of each frame.
        del value, given, found
        raise ValueError(f"{'; '.join(faults)}; {SECRET_CURE}")
    return tuple(secret for secret in found if isinstance(secret, bytes))


def _faults_of_all(found: list[object]) -> list[str]:
    faults = [] if found else ["the list is empty"]
    for index, secret in enumerate(found):
        name = "the secret" if len(found) == 1 else f"secret {index + 1}"
        if secret in found[:index]:
            faults.append(f"{name} is the same as secret {found.index(secret) + 1}")
        else:
            faults += [f"{name} {fault}" for fault in _faults(secret)]
    return faults


def _lines(given: object) -> list[object]:
    """The secrets in one entry. A str without any counts as an empty secret, so that it is reported and not skipped."""
    text = _text_in(given)
    if text is None:
        return [given]
    lines = [line.strip().strip(_BYTE_ORDER_MARK).strip() for line in text.splitlines()]
    return [line for line in lines if line] or [""]


def _text_in(given: object) -> str | None:
    """The str that *given* is, or that its bytes are, if a file with a secret has such bytes."""
    if isinstance(given, bytes):
        written = given.removeprefix(codecs.BOM_UTF8)
        return written.decode() if _PRINTABLE_ASCII.issuperset(written) else None
    return given if isinstance(given, str) else None


def _utf8(text: str) -> bytes | str:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text


def _faults(secret: object) -> Iterator[str]:
    if isinstance(secret, str):
        yield "cannot be encoded as UTF-8; give bytes"
    elif isinstance(secret, bytes):
        yield from _weaknesses(secret)
    else:
        yield f"must be str or bytes, not {type(secret).__name__}"


def _weaknesses(secret: bytes) -> Iterator[str]:
    """Why *secret* is guessable: rules that refuse what people type by hand, and pass every random secret."""
    size = len(secret)
    if size < MIN_SECRET_BYTES:
        yield f"has {size} bytes, and needs at least {MIN_SECRET_BYTES}"
    if len(set(secret)) < MIN_DIFFERENT_BYTES:
        yield f"has fewer than {MIN_DIFFERENT_BYTES} different bytes"
    if _repeats_a_piece(secret):
        yield "is a shorter piece repeated"
    if _most_equal_steps(secret) > (size - 1) / 2:
        yield "is a sequence: more than half of its steps from byte to byte are equal"
    left = len(_WORDS.sub(b"", secret))
    if left < min(size, MIN_BYTES_BESIDE_WORDS):
        yield f"has fewer than {MIN_BYTES_BESIDE_WORDS} bytes beside words such as 'secret' and 'changeme'"


def _repeats_a_piece(secret: bytes) -> bool:
    longest = len(secret) - _MIN_REPEATED_BYTES
    return any(secret.startswith(secret[piece:]) for piece in range(1, longest + 1))


def _most_equal_steps(secret: bytes) -> int:
    steps = Counter((after - before) % 256 for before, after in itertools.pairwise(secret))
    return max(steps.values(), default=0)


class Keyring:
    """The keys of several secrets, newest first: the newest seals and signs, all of them open.

    A key id is 4 bytes that name a key without telling it, shown as 8 hexadecimal digits. Raises ValueError without a
    secret, or if two have the same key id.
    """

    __slots__ = ("_secrets", "key_ids")

    key_ids: tuple[str, ...]

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets:
            raise ValueError(f"expected at least one secret, got none; {SECRET_CURE}")
        self._secrets = tuple(secrets)
        self.key_ids = tuple(key[:KEY_ID_BYTES].hex() for key in self.derive(Purpose.KEY_ID))
        if len(set(self.key_ids)) < len(self.key_ids):
            del secrets
            raise ValueError(f"two of the secrets have the same key id; replace one of them: {SECRET_CURE}")

    def derive(
        self,
        purpose: Purpose,
        name: str = "",
        *,
        domain: str | None = None,
        path: str = "/",
        partitioned: bool = False,
    ) -> tuple[bytes, ...]:
        """A key of 32 bytes per secret, newest first, for the cookie of this full *name*.

        *domain*, *path* and *partitioned* are the cookie's attributes; they count where all of a session stands in the
        cookie. Keys for different purposes and cookies are independent of each other (HKDF-SHA256, RFC 5869).
        """
        # No part has a NUL, so no two lists of parts give the same bytes.
        parts = [_FORMAT, purpose.value, name]
        if purpose in _BOUND_TO_SCOPE:
            parts += [domain or "", path, *(["Partitioned"] if partitioned else [])]
        info = "\0".join(parts).encode()
        return tuple(HKDF(SHA256(), KEY_BYTES, None, info).derive(secret) for secret in self._secrets)

    def __repr__(self) -> str:
        return f"<Keyring {' '.join(self.key_ids)}>"
