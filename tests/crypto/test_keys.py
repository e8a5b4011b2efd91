"""A weak secret is refused and not repeated, and each purpose has keys of its own."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.constants import COOKIE
from support.frames import locals_in
from support.places import IS_SOAK

from sessionware.crypto.keys import Keyring, Purpose, new_secret, read_secrets

NEW = "kY3vUq8_Zt1LwRb6-NfXo0aJ5hDcE9sGmPi2Tx7V"
OLD = "4Wd9bQz-Hn0uKr_7eTjMlC1yAo6gSv8XfPp3Ri5B"
NEW_SECRET, OLD_SECRET = bytes(range(100, 132)), bytes(range(0, 64, 2))


def fault_of(value: object) -> str:
    with pytest.raises(ValueError, match="sessionware secret") as caught:
        read_secrets(value)
    return str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([NEW, OLD], id="list"),
        pytest.param((NEW.encode(), OLD), id="tuple of bytes and text"),
        pytest.param(f"{NEW}\n{OLD}", id="lines"),
        pytest.param(f"\r\n  {NEW} \t\r\n\n \n{OLD}\n", id="lines with white space"),
        pytest.param([f" {NEW}\n", f"{OLD}\n"], id="list of files' texts"),
        pytest.param([f"{NEW}\n{OLD}"], id="lines in a list"),
    ],
)
def test_several_secrets_are_read_in_their_order(value: object) -> None:
    assert read_secrets(value) == (NEW.encode(), OLD.encode())


@pytest.mark.parametrize("value", [NEW, NEW.encode(), f"\n {NEW}\n", [NEW]])
def test_one_secret_is_a_list_of_one(value: object) -> None:
    assert read_secrets(value) == (NEW.encode(),)


@pytest.mark.parametrize(
    ("value", "secrets_read"),
    [
        pytest.param(f"{NEW}\n".encode(), [NEW], id="a file's newline"),
        pytest.param(f" {NEW}\t\r\n".encode(), [NEW], id="white space"),
        pytest.param(f"{NEW}\n{OLD}\n".encode(), [NEW, OLD], id="lines"),
        pytest.param([f"{NEW}\n".encode(), f"{OLD}\n"], [NEW, OLD], id="files in a list"),
        pytest.param(b"\xef\xbb\xbf" + NEW.encode() + b"\n", [NEW], id="a byte order mark"),
    ],
)
def test_bytes_that_are_printable_ascii_are_read_as_a_string(value: object, secrets_read: list[str]) -> None:
    assert read_secrets(value) == tuple(secret.encode() for secret in secrets_read)


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(b"\x80" + NEW.encode() + b"\n", id="a byte above 127"),
        pytest.param(b"\n " + NEW.encode() + b"\x00\r\n", id="a NUL"),
        pytest.param(b"\xef\xbb\xbf\xff" + NEW.encode() + b"\n", id="a byte order mark, and no text"),
        pytest.param(f"ä{NEW}\n".encode(), id="UTF-8"),
        pytest.param(f"{NEW}\n".encode("utf-16"), id="UTF-16"),
    ],
)
def test_all_other_bytes_are_taken_as_they_are(secret: bytes) -> None:
    assert read_secrets(secret) == (secret,)


@pytest.mark.parametrize("value", [f"\ufeff{NEW}", f"\ufeff {NEW}\n", f"{OLD}\n\ufeff{NEW}\n"])
def test_a_byte_order_mark_is_no_part_of_a_secret(value: str) -> None:
    assert read_secrets(value)[-1] == NEW.encode()


def test_what_was_read_is_read_the_same_again() -> None:
    once = read_secrets([f"\ufeff {NEW}\n".encode(), b"\x80" + OLD.encode() + b"\n"])

    assert read_secrets(once) == once


@pytest.mark.parametrize("value", [b"\n", b"\xef\xbb\xbf\n", "\ufeff"])
def test_a_file_without_a_secret_is_an_empty_secret(value: object) -> None:
    assert "the secret has 0 bytes" in fault_of(value)


def test_text_becomes_utf8() -> None:
    secret = "Zwölf Boxkämpfer jagen Viktor quer über den Deich"

    assert read_secrets(secret) == (secret.encode("utf-8"),)


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        pytest.param(NEW[:31], "has 31 bytes, and needs at least 32", id="short"),
        pytest.param("", "has 0 bytes, and needs at least 32", id="empty"),
        pytest.param(b"", "has 0 bytes, and needs at least 32", id="empty bytes"),
        pytest.param("a", "has 1 bytes, and needs at least 32", id="one character"),
        pytest.param("a" * 64, "fewer than 8 different bytes", id="one byte repeated"),
        pytest.param("abcdefgagfedcbabdfaceggecafdbabcdfge", "fewer than 8 different bytes", id="seven bytes"),
        pytest.param("k3Yv8Zq1" * 4, "is a shorter piece repeated", id="piece repeated"),
        pytest.param(("k3Yv8Zq1Lw" * 4)[:37], "is a shorter piece repeated", id="piece cut off"),
        pytest.param(NEW[:20] * 2, "is a shorter piece repeated", id="piece twice"),
        pytest.param(NEW[:24] + NEW[:8], "is a shorter piece repeated", id="piece once and a third"),
        pytest.param("".join(map(chr, range(48, 90))), "is a sequence", id="ascending"),
        pytest.param("".join(map(chr, range(90, 48, -1))), "is a sequence", id="descending"),
        pytest.param(bytes(range(0, 256, 7)), "is a sequence", id="steps of seven"),
        pytest.param(bytes(index * 37 % 256 for index in range(40)), "is a sequence", id="steps beyond 255"),
        pytest.param(b"k3Yv8Zq1LwRb6N-" + bytes(range(97, 115)), "is a sequence", id="seventeen steps of thirty-two"),
        pytest.param("changeme-secret-password-default", "beside words", id="words"),
        pytest.param("CHANGE-ME-k3Yv8Zq1LwRb6Insecure!", "beside words", id="words in capitals"),
        pytest.param("placeholder-k3Yv8Zq1LwRb-example-", "beside words", id="fifteen bytes left"),
        pytest.param("ChangeMe-k3Yv8Zq1LwRb-s_e_c_r_e_t", "beside words", id="words with lines between the letters"),
        pytest.param("change me k3Yv8Zq1LwRb in-sec-ure", "beside words", id="words with blanks and hyphens"),
        pytest.param("PASS_WORD\tk3Yv8Zq1Lw sec--__  ret example", "beside words", id="words with several of them"),
        pytest.param(b"pass word k3Yv8Zq1Lw def-ault example\n", "beside words", id="words in a file's bytes"),
    ],
)
def test_a_weak_secret_is_refused_with_the_cure(secret: str | bytes, fault: str) -> None:
    message = fault_of(secret)

    assert f"the secret {fault}" in message or fault in message
    assert "python -m sessionware secret" in message


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(NEW[:32], id="32 bytes"),
        pytest.param("ä" * 8 + "bcdefgh" + "jklmnopqx", id="32 bytes of fewer characters"),
        pytest.param("abcdefghbdfhacegcgdhebfaheadgbfc", id="eight different bytes"),
        pytest.param(NEW[:25] + NEW[:7], id="an end that happens to be like the beginning"),
        pytest.param(b"k3Yv8Zq1LwRb6N-x" + bytes(range(97, 113)), id="half of the steps equal"),
        pytest.param("placeholder-k3Yv8Zq1LwRb6-example-", id="sixteen bytes left"),
        pytest.param("s_e_c_r_e_t-k3Yv8Zq1LwRb6-exam ple-", id="sixteen bytes left beside hidden words"),
    ],
)
def test_what_just_keeps_a_rule_passes(secret: str | bytes) -> None:
    assert len(read_secrets(secret)) == 1


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda: secrets.token_hex(16), id="token_hex"),
        pytest.param(lambda: secrets.token_urlsafe(32), id="token_urlsafe"),
        pytest.param(lambda: secrets.token_bytes(32), id="token_bytes"),
        pytest.param(new_secret, id="new_secret"),
    ],
)
def test_what_is_drawn_at_random_passes(draw: Callable[[], str | bytes]) -> None:
    drawn = (draw() for _ in range(100_000 if IS_SOAK else 2000))

    assert all(len(read_secrets(secret)) == 1 for secret in drawn)


def test_every_fault_of_every_secret_is_told_by_its_position() -> None:
    message = fault_of([NEW, "a" * 20, None, "changeme" * 4])

    assert "secret 1" not in message
    for fault in ("secret 2 has 20 bytes", "secret 2 has fewer than 8 different", "secret 2 is a sequence"):
        assert fault in message
    assert "secret 3 must be str or bytes, not NoneType" in message
    assert "secret 4 is a shorter piece repeated" in message
    assert "secret 4 has fewer than 16 bytes beside words" in message


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        pytest.param(None, "the secret must be str or bytes, not NoneType", id="None"),
        pytest.param(5, "the secret must be str or bytes, not int", id="number"),
        pytest.param({NEW, OLD}, "the secret must be str or bytes, not set", id="set, which has no order"),
        pytest.param(bytearray(NEW.encode()), "the secret must be str or bytes, not bytearray", id="bytearray"),
        pytest.param([], "the list is empty", id="empty list"),
        pytest.param([[NEW]], "the secret must be str or bytes, not list", id="list in a list"),
        pytest.param(["", OLD], "secret 1 has 0 bytes", id="an unset variable first"),
        pytest.param(f"\ud800{NEW}", "the secret cannot be encoded as UTF-8", id="lone surrogate"),
    ],
)
def test_what_is_no_secret_is_refused(value: object, fault: str) -> None:
    assert fault in fault_of(value)


@pytest.mark.parametrize("value", [[NEW, OLD, NEW], f"{NEW}\n{OLD}\n{NEW}", [NEW, OLD, NEW.encode()]])
def test_a_secret_given_twice_is_refused(value: object) -> None:
    assert fault_of(value).startswith("secret 3 is the same as secret 1")


def test_no_frame_of_a_refusal_shows_a_secret() -> None:
    with pytest.raises(ValueError, match="sessionware secret") as caught:
        read_secrets([OLD, NEW, "short-8d1f"])
    with pytest.raises(ValueError, match="key id") as again:
        Keyring([OLD.encode(), OLD.encode()])

    shown = locals_in(caught.value, "sessionware") + locals_in(again.value, "sessionware")
    assert not any(secret in shown for secret in (OLD, NEW, "short-8d1f"))


@given(st.text("ABCDEFGHJKMNPQRSTUVWXYZ0123456789", min_size=5, max_size=31))
def test_no_fault_tells_a_secret(weak: str) -> None:
    message = fault_of([weak, OLD, OLD])

    assert weak not in message
    assert OLD not in message


def test_no_error_behind_a_fault_tells_a_secret_either() -> None:
    with pytest.raises(ValueError, match="cannot be encoded") as caught:
        read_secrets(f"\ud800{NEW}")

    assert caught.value.__context__ is None


def test_a_new_secret_is_another_each_time() -> None:
    assert len({new_secret() for _ in range(1000)}) == 1000


@pytest.mark.usefixtures("no_randomness")
def test_a_new_secret_needs_a_random_source() -> None:
    with pytest.raises(OSError, match="no randomness"):
        new_secret()


@pytest.mark.parametrize(
    ("purpose", "key"),
    [
        (Purpose.COOKIE_SEAL, "a411c465bd18768d5133d4b4ed03c8f68066a0f4d2bfe3f90627045fa5912457"),
        (Purpose.COOKIE_SIGN, "ce868fd374666b3aba16ff31cff42691eec651576cfd6f1b32a55031b94832b5"),
        (Purpose.TOKEN_SIGN, "8207b99e50c8eceeef955fb62ef38ec2121b95941f808a4a1f61eff76925025d"),
        (Purpose.SEEN_SIGN, "4efec6bc71b740b1ba9f97339b1de873b8221aed10a1f87ce60ee61aaa0c7491"),
        (Purpose.RECORD_SEAL, "eff36ae4128aa0d1992c104e11f853208808915c409f2150c3cb3ca64e116d80"),
        (Purpose.CSRF, "7ee2266048f863eb9d879b820c4ef286d6923b25cc48cdbd0fbf1d6fc4df8ede"),
        (Purpose.KEY_ID, "807f3f688b35f3ba2515a6ad298596196b1541ad9a5329c26272f90eeb76a02a"),
    ],
)
def test_derived_keys_never_change(purpose: Purpose, key: str) -> None:
    assert Keyring([NEW_SECRET]).derive(purpose, "__Host-sid") == (bytes.fromhex(key),)


OF_A_WHOLE_SESSION = [Purpose.COOKIE_SEAL, Purpose.COOKIE_SIGN, Purpose.SEEN_SIGN]


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose not in OF_A_WHOLE_SESSION])
def test_keys_are_hkdf_of_the_format_the_purpose_and_the_name(purpose: Purpose) -> None:
    info = b"\0".join((b"sessionware 1", purpose.value.encode(), b"sid"))

    assert Keyring([NEW_SECRET]).derive(purpose, "sid", domain="example.com", path="/shop") == (hkdf(info),)


@pytest.mark.parametrize("purpose", OF_A_WHOLE_SESSION)
@pytest.mark.parametrize(("domain", "spelt"), [(None, b""), ("example.com", b"example.com")])
def test_keys_of_a_whole_session_are_of_the_domain_and_the_path_too(
    domain: str | None, spelt: bytes, purpose: Purpose
) -> None:
    info = b"\0".join((b"sessionware 1", purpose.value.encode(), b"sid", spelt, b"/shop"))

    assert Keyring([NEW_SECRET]).derive(purpose, "sid", domain=domain, path="/shop") == (hkdf(info),)


def hkdf(info: bytes) -> bytes:
    """The first 32 bytes of HKDF-SHA256 (RFC 5869) without a salt."""
    extracted = hmac.digest(bytes(32), NEW_SECRET, "sha256")
    return hmac.digest(extracted, info + b"\1", "sha256")


def test_keys_come_newest_first() -> None:
    both, new, old = Keyring([NEW_SECRET, OLD_SECRET]), Keyring([NEW_SECRET]), Keyring([OLD_SECRET])

    assert both.derive(Purpose.CSRF, "sid") == new.derive(Purpose.CSRF, "sid") + old.derive(Purpose.CSRF, "sid")
    assert both.key_ids == new.key_ids + old.key_ids


def test_a_key_id_never_changes() -> None:
    assert Keyring([NEW_SECRET, OLD_SECRET]).key_ids == ("d0d44e2a", "52e88577")


def test_no_two_purposes_and_names_share_a_key() -> None:
    keyring = Keyring([NEW_SECRET, OLD_SECRET])

    keys = [key for purpose, name in product(Purpose, ("", "sid", COOKIE)) for key in keyring.derive(purpose, name)]

    assert len(set(keys)) == len(keys) == len(Purpose) * 3 * 2
    assert {len(key) for key in keys} == {32}


def test_two_secrets_with_one_key_id_are_refused() -> None:
    with pytest.raises(ValueError, match="the same key id"):
        Keyring([NEW_SECRET, OLD_SECRET, NEW_SECRET])


def test_no_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one secret"):
        Keyring([])


def test_a_keyring_shows_its_key_ids_only() -> None:
    assert repr(Keyring([NEW_SECRET, OLD_SECRET])) == "<Keyring d0d44e2a 52e88577>"
