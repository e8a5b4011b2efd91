"""What was signed or sealed with our keys for one place opens there, and nothing else does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import pickle
import zlib
from collections.abc import Callable
from itertools import permutations
from typing import Any

import itsdangerous
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from support.constants import COOKIE
from support.frames import locals_in

from sessionware.crypto import sealing
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSealer, CookieSigner, Opened, RecordSealer, Rejected

NEW, OLD, STRANGE = bytes(range(100, 132)), bytes(range(0, 64, 2)), bytes(range(1, 65, 2))
KEYRING = Keyring([NEW, OLD])
OLD_KEYRING, STRANGE_KEYRING = Keyring([OLD]), Keyring([STRANGE])
TOKEN = bytes(range(32))
PAYLOAD = b"the data of a session, " * 4
KEY, OTHER_KEY = "A" * 43, "A" * 42 + "E"

TOKENS = CookieSigner(KEYRING, Purpose.TOKEN_SIGN, COOKIE)
SESSIONS = CookieSealer(KEYRING, COOKIE)
RECORDS = RecordSealer(KEYRING)

VALUES = {"token": (TOKENS.sign(TOKEN), TOKENS.open), "session": (SESSIONS.seal(PAYLOAD), SESSIONS.open)}
every_value = pytest.mark.parametrize(("value", "open_value"), VALUES.values(), ids=VALUES)
Opener = Callable[[str], object]


def reason_of(open_it: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(Rejected) as caught:
        open_it(*arguments)
    return caught.value.reason


# What was sealed comes back.


@given(st.binary(max_size=200))
def test_what_was_signed_comes_back(payload: bytes) -> None:
    assert TOKENS.open(TOKENS.sign(payload)) == Opened(payload, KEYRING.key_ids[0], True)


@given(st.binary(min_size=1, max_size=2000))
def test_what_was_sealed_in_a_value_comes_back(payload: bytes) -> None:
    assert SESSIONS.open(SESSIONS.seal(payload)) == Opened(payload, KEYRING.key_ids[0], True)


@given(st.binary(min_size=1, max_size=2000))
def test_what_was_sealed_in_a_record_comes_back(payload: bytes) -> None:
    assert RECORDS.open(RECORDS.seal(payload, KEY), KEY) == Opened(payload, KEYRING.key_ids[0], True)


def test_a_value_is_a_head_a_payload_a_dot_and_a_signature() -> None:
    value = TOKENS.sign(TOKEN)

    head, payload, signature = value[:8], value[8:-44], value[-43:]
    assert base64.urlsafe_b64decode(head) == bytes((1, 1)) + bytes.fromhex(KEYRING.key_ids[0])
    assert base64.urlsafe_b64decode(payload + "=") == TOKEN
    assert value[-44] == "."
    assert len(base64.urlsafe_b64decode(signature + "=")) == 32


@pytest.mark.parametrize("payload", [b"", b"x", TOKEN, bytes(range(256))])
def test_a_signature_is_that_of_itsdangerous(payload: bytes) -> None:
    (key,) = Keyring([NEW]).derive(Purpose.TOKEN_SIGN, COOKIE)
    signer = itsdangerous.Signer(key, key_derivation="none", digest_method=hashlib.sha256)

    value = TOKENS.sign(payload)

    assert signer.unsign(value) == value.rpartition(".")[0].encode()
    assert signer.sign(value.rpartition(".")[0]) == value.encode()


def test_a_sealed_value_is_signed_as_a_whole() -> None:
    (key,) = Keyring([NEW]).derive(Purpose.COOKIE_SIGN, COOKIE)

    signer = itsdangerous.Signer(key, key_derivation="none", digest_method=hashlib.sha256)

    assert signer.validate(SESSIONS.seal(PAYLOAD))


# How it is sealed, computed here once more.


def test_a_cookie_session_is_aes_gcm_under_a_key_of_its_own_for_each_message() -> None:
    seal_key = Keyring([NEW]).derive(Purpose.COOKIE_SEAL, COOKIE, domain="example.com", path="/shop")[0]
    value = CookieSealer(KEYRING, COOKIE, domain="example.com", path="/shop").seal(PAYLOAD)

    message = base64.urlsafe_b64decode(value[:-44] + "=" * (-len(value[:-44]) % 4))
    head, salt, ciphertext = message[:6], message[6:30], message[30:]
    opened = AESGCM(hmac.digest(seal_key, salt, "sha256")).decrypt(salt[12:], ciphertext, head + b"cookie seal")

    assert head == bytes((1, 2)) + bytes.fromhex(KEYRING.key_ids[0])
    assert opened == PAYLOAD


def test_a_record_is_sealed_the_same_way_for_its_whole_store_key() -> None:
    (seal_key,) = Keyring([NEW]).derive(Purpose.RECORD_SEAL)
    record = RECORDS.seal(PAYLOAD, KEY)

    head, salt, ciphertext = record[:6], record[6:30], record[30:]
    associated = head + b"record seal" + KEY.encode()
    opened = AESGCM(hmac.digest(seal_key, salt, "sha256")).decrypt(salt[12:], ciphertext, associated)

    assert head == bytes((1, 4)) + bytes.fromhex(KEYRING.key_ids[0])
    assert opened == PAYLOAD


# One spelling.


@every_value
@given(data=st.data())
def test_a_changed_character_is_rejected(value: str, open_value: Opener, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(value) - 1))
    character = data.draw(st.characters().filter(lambda drawn: drawn != value[place]))

    assert reason_of(open_value, value[:place] + character + value[place + 1 :]) != "undecryptable"


@every_value
@given(data=st.data())
def test_an_inserted_character_is_rejected(value: str, open_value: Opener, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(value)))
    inserted = data.draw(st.text(min_size=1, max_size=5))

    assert reason_of(open_value, value[:place] + inserted + value[place:]) != "undecryptable"


@every_value
def test_every_truncation_is_rejected(value: str, open_value: Opener) -> None:
    for size in range(len(value)):
        assert reason_of(open_value, value[:size]) == "malformed"


@every_value
def test_every_flipped_bit_is_rejected(value: str, open_value: Opener) -> None:
    for place, bit in ((place, bit) for place in range(len(value)) for bit in range(8)):
        flipped = value[:place] + chr(ord(value[place]) ^ 1 << bit) + value[place + 1 :]
        assert reason_of(open_value, flipped) in ("malformed", "bad_signature", "unknown_key")


@every_value
def test_no_last_character_but_the_canonical_one_is_accepted(value: str, open_value: Opener) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for character in set(alphabet) - {value[-1]}:
        assert reason_of(open_value, value[:-1] + character) == "bad_signature"


@every_value
@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda value: f"{value}=", id="padding"),
        pytest.param(lambda value: f"{value.replace('.', '=.')}", id="padding inside"),
        pytest.param(lambda value: f"{value}\n", id="line break behind"),
        pytest.param(lambda value: f" {value}", id="space before"),
        pytest.param(lambda value: f'"{value}"', id="quotes"),
        pytest.param(lambda value: f"{value}.{value}", id="twice"),
        pytest.param(lambda value: value.replace(".", ".."), id="two dots"),
        pytest.param(lambda value: f".{value}", id="dot before"),
        pytest.param(lambda value: f"{value}\x00", id="NUL behind"),
        pytest.param(lambda value: f"{value[:20]}\u00e9{value[20:]}", id="not ASCII"),
        pytest.param(lambda value: f"{value[:-1]}\u00e9", id="signature not ASCII"),
        pytest.param(lambda value: f"{value[:-1]}\ud800", id="lone surrogate"),
        pytest.param(lambda value: f"{value[:20]}+{value[21:]}", id="the other alphabet"),
    ],
)
def test_another_spelling_is_malformed(value: str, open_value: Opener, spell: Callable[[str], str]) -> None:
    assert reason_of(open_value, spell(value)) == "malformed"


@given(st.text())
def test_no_value_raises_anything_else(value: str) -> None:
    assert reason_of(TOKENS.open, value) == reason_of(SESSIONS.open, value) == "malformed"


# Why a value is rejected.


@every_value
def test_a_forged_signature_is_a_bad_signature(value: str, open_value: Opener) -> None:
    forged = value[:-43] + "A" * 43

    assert reason_of(open_value, forged) == "bad_signature"


@every_value
def test_a_forged_payload_is_a_bad_signature(value: str, open_value: Opener) -> None:
    forged = value[:8] + ("A" if value[8] != "A" else "B") + value[9:]

    assert reason_of(open_value, forged) == "bad_signature"


def test_a_strangers_value_is_of_an_unknown_key() -> None:
    stranger = CookieSigner(STRANGE_KEYRING, Purpose.TOKEN_SIGN, COOKIE)

    assert reason_of(TOKENS.open, stranger.sign(TOKEN)) == "unknown_key"
    assert reason_of(SESSIONS.open, CookieSealer(STRANGE_KEYRING, COOKIE).seal(PAYLOAD)) == "unknown_key"


def test_a_strangers_head_before_no_whole_value_is_malformed() -> None:
    value = CookieSigner(STRANGE_KEYRING, Purpose.TOKEN_SIGN, COOKIE).sign(TOKEN)

    assert reason_of(TOKENS.open, value[:-1]) == "malformed"


@pytest.mark.parametrize("head", [pytest.param(bytes((2, 1)), id="version"), pytest.param(bytes((1, 9)), id="kind")])
def test_an_unknown_version_or_kind_is_malformed(head: bytes) -> None:
    spelt = base64.urlsafe_b64encode(head + bytes.fromhex(KEYRING.key_ids[0])).decode()

    assert reason_of(TOKENS.open, spelt + TOKENS.sign(TOKEN)[8:]) == "malformed"


def test_a_signed_value_too_short_for_a_ciphertext_is_malformed() -> None:
    signed = CookieSigner(KEYRING, Purpose.COOKIE_SIGN, COOKIE)

    assert reason_of(SESSIONS.open, signed.sign(bytes(24 + 16))) == "malformed"


def test_bytes_too_few_for_a_ciphertext_are_malformed_before_anything_is_decrypted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signed = CookieSigner(KEYRING, Purpose.COOKIE_SIGN, COOKIE)
    record = RECORDS.seal(b"x", KEY)
    made: list[object] = []
    monkeypatch.setattr(sealing, "AESGCM", made.append)

    for size in (0, 1, 24, 24 + 16):
        assert reason_of(SESSIONS.open, signed.sign(bytes(size))) == "malformed"
        assert reason_of(RECORDS.open, record[: 6 + size], KEY) == "malformed"

    assert made == []


def test_what_is_signed_but_not_encrypted_with_our_key_is_undecryptable() -> None:
    signed = CookieSigner(KEYRING, Purpose.COOKIE_SIGN, COOKIE)

    assert reason_of(SESSIONS.open, signed.sign(bytes(100))) == "undecryptable"


def test_a_signature_is_verified_before_anything_is_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    value = SESSIONS.seal(PAYLOAD)
    decrypted: list[object] = []
    monkeypatch.setattr(sealing._Cipher, "decrypt", lambda *arguments: decrypted.append(arguments))

    assert reason_of(SESSIONS.open, value[:-43] + "A" * 43) == "bad_signature"

    assert decrypted == []


def test_a_value_beyond_the_limit_is_malformed_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    value = TOKENS.sign(bytes(3034))
    signed: list[object] = []
    monkeypatch.setattr(sealing._HmacSigner, "get_signature", lambda *arguments: signed.append(arguments))

    assert reason_of(TOKENS.open, value) == "malformed"

    assert len(value) == 4098
    assert signed == []


def test_the_longest_value_opens() -> None:
    payload = bytes(3033)
    value = TOKENS.sign(payload)

    assert len(value) == 4096
    assert TOKENS.open(value).payload == payload


# Keys: their order, and what each is for.


def test_the_first_secret_seals_always() -> None:
    value, sealed, record = TOKENS.sign(TOKEN), SESSIONS.seal(PAYLOAD), RECORDS.seal(PAYLOAD, KEY)
    first = Keyring([NEW])

    assert CookieSigner(first, Purpose.TOKEN_SIGN, COOKIE).open(value).is_current
    assert CookieSealer(first, COOKIE).open(sealed).is_current
    assert RecordSealer(first).open(record, KEY).is_current
    assert reason_of(CookieSigner(OLD_KEYRING, Purpose.TOKEN_SIGN, COOKIE).open, value) == "unknown_key"
    assert reason_of(CookieSealer(OLD_KEYRING, COOKIE).open, sealed) == "unknown_key"
    assert reason_of(RecordSealer(OLD_KEYRING).open, record, KEY) == "unknown_key"


def test_an_old_secret_still_opens_and_is_told() -> None:
    value = CookieSigner(OLD_KEYRING, Purpose.TOKEN_SIGN, COOKIE).sign(TOKEN)
    sealed = CookieSealer(OLD_KEYRING, COOKIE).seal(PAYLOAD)
    record = RecordSealer(OLD_KEYRING).seal(PAYLOAD, KEY)

    old = OLD_KEYRING.key_ids[0]
    assert TOKENS.open(value) == Opened(TOKEN, old, False)
    assert SESSIONS.open(sealed) == Opened(PAYLOAD, old, False)
    assert RECORDS.open(record, KEY) == Opened(PAYLOAD, old, False)


def test_a_value_for_one_cookie_does_not_open_for_another() -> None:
    assert reason_of(CookieSigner(KEYRING, Purpose.TOKEN_SIGN, "sid").open, TOKENS.sign(TOKEN)) == "bad_signature"
    assert reason_of(CookieSealer(KEYRING, "sid").open, SESSIONS.seal(PAYLOAD)) == "bad_signature"


@pytest.mark.parametrize(
    "scope", [{"path": "/shop"}, {"domain": "example.com"}, {"domain": "/", "path": ""}, {"partitioned": True}]
)
def test_a_cookie_session_and_its_companion_do_not_open_for_another_scope(scope: dict[str, Any]) -> None:
    seen = CookieSigner(KEYRING, Purpose.SEEN_SIGN, COOKIE)

    assert reason_of(CookieSealer(KEYRING, COOKIE, **scope).open, SESSIONS.seal(PAYLOAD)) == "bad_signature"
    assert (
        reason_of(CookieSigner(KEYRING, Purpose.SEEN_SIGN, COOKIE, **scope).open, seen.sign(TOKEN)) == "bad_signature"
    )


def test_a_token_opens_for_every_scope_because_its_record_is_the_same() -> None:
    moved = CookieSigner(KEYRING, Purpose.TOKEN_SIGN, COOKIE, domain="example.com", path="/shop")

    assert moved.open(TOKENS.sign(TOKEN)).payload == TOKEN


@pytest.mark.parametrize(
    ("made_for", "given_to"), list(permutations([Purpose.TOKEN_SIGN, Purpose.COOKIE_SIGN, Purpose.SEEN_SIGN], 2))
)
def test_a_value_for_one_purpose_does_not_open_for_another(made_for: Purpose, given_to: Purpose) -> None:
    value = CookieSigner(KEYRING, made_for, COOKIE).sign(TOKEN)
    other = CookieSigner(KEYRING, given_to, COOKIE)

    with_its_head = other.sign(TOKEN)[:8] + value[8:]

    assert reason_of(other.open, value) == "malformed"
    assert reason_of(other.open, with_its_head) == "bad_signature"


@pytest.mark.parametrize("purpose", [Purpose.COOKIE_SEAL, Purpose.RECORD_SEAL, Purpose.CSRF, Purpose.KEY_ID])
def test_only_purposes_of_values_can_sign_values(purpose: Purpose) -> None:
    with pytest.raises(KeyError):
        CookieSigner(KEYRING, purpose, COOKIE)


def test_a_head_changed_to_the_other_secret_is_a_bad_signature() -> None:
    value = TOKENS.sign(TOKEN)
    other = CookieSigner(OLD_KEYRING, Purpose.TOKEN_SIGN, COOKIE).sign(TOKEN)

    assert reason_of(TOKENS.open, other[:8] + value[8:]) == "bad_signature"


# Records.


def test_a_record_copied_to_another_key_does_not_open() -> None:
    assert reason_of(RECORDS.open, RECORDS.seal(PAYLOAD, KEY), OTHER_KEY) == "undecryptable"


def test_every_flipped_bit_of_a_record_is_rejected() -> None:
    record = RECORDS.seal(b"data", KEY)
    for place, bit in ((place, bit) for place in range(len(record)) for bit in range(8)):
        flipped = record[:place] + bytes((record[place] ^ 1 << bit,)) + record[place + 1 :]
        expected = "malformed" if place < 2 else "unknown_key" if place < 6 else "undecryptable"
        assert reason_of(RECORDS.open, flipped, KEY) == expected


def test_every_truncated_record_is_rejected() -> None:
    record = RECORDS.seal(b"data", KEY)
    for size in range(len(record)):
        expected = "malformed" if size < 6 + 24 + 1 + 16 else "undecryptable"
        assert reason_of(RECORDS.open, record[:size], KEY) == expected


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(sealed: bytes) -> None:
    assert reason_of(RECORDS.open, sealed, KEY) in ("malformed", "unknown_key", "undecryptable")


def test_a_strangers_record_is_of_an_unknown_key() -> None:
    assert reason_of(RECORDS.open, RecordSealer(STRANGE_KEYRING).seal(PAYLOAD, KEY), KEY) == "unknown_key"


def test_a_record_does_not_open_as_a_value_nor_a_value_as_a_record() -> None:
    as_value = base64.urlsafe_b64encode(RECORDS.seal(PAYLOAD, KEY)).rstrip(b"=").decode()

    assert reason_of(SESSIONS.open, as_value) == "malformed"
    assert reason_of(RECORDS.open, SESSIONS.seal(PAYLOAD).encode(), KEY) == "malformed"
    assert reason_of(RECORDS.open, base64.urlsafe_b64decode(SESSIONS.seal(PAYLOAD)[:-44] + "=="), KEY) == "malformed"


# What a seal hides.


def test_equal_data_gives_unrelated_values_and_records() -> None:
    values = {SESSIONS.seal(PAYLOAD)[8:-44] for _ in range(100)}
    records = {RECORDS.seal(PAYLOAD, KEY)[6:] for _ in range(100)}

    assert len(values) == len({value[:32] for value in values}) == len({value[-16:] for value in values}) == 100
    assert len(records) == len({record[:24] for record in records}) == len({record[24:48] for record in records}) == 100


def test_nothing_is_compressed() -> None:
    same, random = SESSIONS.seal(b"a" * 900), SESSIONS.seal(bytes(range(256)) * 3 + bytes(range(132)))

    assert len(same) == len(random)
    assert len(RECORDS.seal(b"a" * 900, KEY)) == 900 + 6 + 24 + 16


def test_no_data_shows_in_what_is_sealed() -> None:
    record = RECORDS.seal(PAYLOAD, KEY)

    assert not any(piece in record for piece in (b"the data", b"session", KEY.encode()))


@pytest.mark.usefixtures("no_randomness")
@pytest.mark.parametrize(
    "seal",
    [
        pytest.param(lambda: SESSIONS.seal(PAYLOAD), id="value"),
        pytest.param(lambda: RECORDS.seal(PAYLOAD, KEY), id="record"),
    ],
)
def test_a_failing_random_source_seals_nothing(seal: Callable[[], object]) -> None:
    with pytest.raises(OSError, match="no randomness"):
        seal()


@pytest.mark.usefixtures("no_randomness")
@pytest.mark.parametrize(
    "seal",
    [
        pytest.param(lambda: SESSIONS.seal(PAYLOAD), id="value"),
        pytest.param(lambda: RECORDS.seal(PAYLOAD, KEY), id="record"),
    ],
)
def test_no_frame_of_a_failed_seal_shows_what_was_to_be_sealed(seal: Callable[[], object]) -> None:
    with pytest.raises(OSError, match="no randomness") as caught:
        seal()

    shown = locals_in(caught.value, "sessionware")
    assert "the data of a session" not in shown
    assert KEY not in shown


def test_no_rejection_or_repr_shows_a_token_or_a_key() -> None:
    value = TOKENS.sign(TOKEN)

    with pytest.raises(Rejected) as caught:
        TOKENS.open(value[:-1])

    assert f"{caught.value} {caught.value!r}" == "malformed Rejected('malformed')"
    assert value[8:40] not in f"{TOKENS!r}{SESSIONS!r}{RECORDS!r}"


# No less safe format is accepted.


class Trap:
    """An object whose unpickling calls :func:`spring`."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return spring, ()


SPRUNG: list[str] = []


def spring() -> None:
    SPRUNG.append("sprung")


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode()


PICKLED = pickle.dumps(Trap())
JSON = json.dumps({"user": "admin"}).encode()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(JSON.decode(), id="plain JSON"),
        pytest.param(encoded(JSON), id="base64 JSON"),
        pytest.param(encoded(zlib.compress(JSON)), id="zlib"),
        pytest.param("." + encoded(zlib.compress(JSON)), id="Flask's compressed"),
        pytest.param(encoded(PICKLED), id="pickle"),
        pytest.param(PICKLED.decode("latin-1"), id="plain pickle"),
        pytest.param(f"{encoded(PICKLED)}.{'A' * 43}", id="signed pickle"),
        pytest.param("0" * 40 + encoded(PICKLED), id="Beaker"),
        pytest.param("eyJ1c2VyIjoiYWRtaW4ifQ.Zx0aBQ.Rm9yZ2VkU2lnbmF0dXJlRm9yZ2Vk", id="itsdangerous' timed"),
        pytest.param(itsdangerous.Signer(NEW).sign(JSON).decode(), id="signed with the bare secret"),
        pytest.param("", id="empty"),
        pytest.param("A" * 43, id="store key"),
        pytest.param("../../etc/passwd", id="path"),
        pytest.param("a\r\nset x 0 0 1\r\n", id="line breaks"),
    ],
)
def test_what_others_seal_is_malformed_and_never_deserialised(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    for name in ("pickle.loads", "json.loads", "zlib.decompress", "marshal.loads"):
        monkeypatch.setattr(name, lambda *arguments, name=name: called.append(name))

    reasons = {reason_of(open_value, value) for open_value in (TOKENS.open, SESSIONS.open)}

    assert reasons == {"malformed"}
    assert reason_of(RECORDS.open, value.encode(), KEY) == "malformed"
    assert called == SPRUNG == []
