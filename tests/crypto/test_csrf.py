"""A masked token tells nothing of its secret, and is accepted for no other."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionware.crypto.csrf import SECRET_BYTES, TOKEN_CHARACTERS, CsrfSecrets, mask, mask_fixed, verify
from sessionware.crypto.keys import Keyring

SECRET = bytes(range(SECRET_BYTES))
OTHER = SECRET[:-1] + b"\0"
HANDLE = b"h" * 16


def secrets_of(keyring: bytes = b"k" * 32, name: str = "sid") -> CsrfSecrets:
    return CsrfSecrets(Keyring([keyring, b"an older one" * 3]), name)


def decoded(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "==")


@given(st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_a_token_is_accepted_for_its_secret(secret: bytes) -> None:
    assert verify(secret, mask(secret))


def test_a_token_is_refused_for_another_secret() -> None:
    assert not verify(OTHER, mask(SECRET))


def test_a_token_needs_no_quoting_in_a_form_or_a_header() -> None:
    assert re.fullmatch(r"[0-9A-Za-z_-]{86}", mask(SECRET))


def test_no_two_tokens_of_a_secret_share_more_than_random_bytes_do() -> None:
    """BREACH guesses a secret byte by byte, from the length of compressed pages: nothing may repeat at its place."""
    tokens = [decoded(mask(SECRET)) for _ in range(500)]

    assert len(set(tokens)) == len(tokens)
    for place in range(2 * SECRET_BYTES):
        assert len({token[place] for token in tokens}) > 128


def test_no_byte_of_the_secret_stands_where_it_would_be_without_a_mask() -> None:
    shares = [
        sum(a == b for a, b in zip(decoded(mask(SECRET))[half:], SECRET, strict=False))
        for half in (0, SECRET_BYTES)
        for _ in range(200)
    ]

    assert sum(shares) / len(shares) < 1


@given(
    st.one_of(st.none(), st.text(), st.binary(), st.integers(), st.lists(st.text()), st.text(min_size=86, max_size=86))
)
def test_what_is_no_token_is_refused_and_raises_nothing(token: Any) -> None:
    assert not verify(SECRET, token)


@given(st.from_regex(r"\A[0-9A-Za-z_-]{86}\Z"))
def test_a_token_that_somebody_has_made_up_is_refused(token: str) -> None:
    assert not verify(SECRET, token)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token + "==",
        lambda token: " " + token,
        lambda token: token[:-1] + "!",
        lambda token: token[:40] + "\n" + token[41:],
        lambda token: token[:-1] + "é",
        lambda token: token.encode(),
        lambda token: token.swapcase(),
    ],
)
def test_a_token_that_was_changed_is_refused(change: Any) -> None:
    assert not verify(SECRET, change(mask(SECRET)))


@pytest.mark.parametrize("place", [0, 31, 32, 63])
def test_one_other_bit_anywhere_is_refused(place: int) -> None:
    changed = bytearray(decoded(mask(SECRET)))
    changed[place] ^= 1

    assert not verify(SECRET, base64.urlsafe_b64encode(changed).decode().rstrip("="))
    assert len(mask(SECRET)) == TOKEN_CHARACTERS


def test_the_first_secret_of_a_handle_is_always_the_same() -> None:
    assert secrets_of().first(HANDLE) == secrets_of().first(HANDLE)


@pytest.mark.parametrize(
    "other",
    [
        secrets_of().first(b"g" * 16),
        secrets_of(keyring=b"l" * 32).first(HANDLE),
        secrets_of(name="other").first(HANDLE),
        secrets_of().new(),
    ],
    ids=["another handle", "another secret of the application", "another cookie", "a new one"],
)
def test_the_first_secret_has_nothing_in_common_with_others(other: bytes) -> None:
    first = secrets_of().first(HANDLE)

    assert len(first) == len(other) == SECRET_BYTES
    assert sum(a == b for a, b in zip(first, other, strict=True)) < SECRET_BYTES / 4


def test_a_secret_is_new_each_time() -> None:
    made = secrets_of()

    assert len({made.new() for _ in range(100)}) == 100


def test_a_fixed_token_is_the_same_at_each_call_and_another_one_for_another_secret() -> None:
    assert mask_fixed(SECRET) == mask_fixed(SECRET) != mask_fixed(OTHER)
    assert verify(SECRET, mask_fixed(SECRET))
    assert not verify(OTHER, mask_fixed(SECRET))
