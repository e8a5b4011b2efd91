"""Each identifier is derived from the one before it, never the other way, and has one spelling."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionware.crypto.identifiers import (
    HANDLE_BYTES,
    TOKEN_BYTES,
    handle_from_session_id,
    handle_of,
    index_key,
    new_handle,
    new_token,
    session_id_of,
    store_key,
)

HANDLES = st.binary(min_size=HANDLE_BYTES, max_size=HANDLE_BYTES)
TOKEN = bytes(range(TOKEN_BYTES))


def test_tokens_have_256_bits_and_never_repeat() -> None:
    tokens = {new_token() for _ in range(1000)}

    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {32}


def test_drawn_handles_have_128_bits_and_never_repeat() -> None:
    handles = {new_handle() for _ in range(1000)}

    assert len(handles) == 1000
    assert {len(handle) for handle in handles} == {16}


@pytest.mark.usefixtures("no_randomness")
@pytest.mark.parametrize("draw", [new_token, new_handle])
def test_a_failing_random_source_is_never_replaced(draw: Callable[[], bytes]) -> None:
    with pytest.raises(OSError, match="no randomness"):
        draw()


def test_the_handle_of_a_token_is_always_the_same() -> None:
    assert handle_of(TOKEN).hex() == "c6e0f67478f904144bfaad91592fe7fb"


def test_the_store_key_of_a_handle_is_always_the_same() -> None:
    assert store_key(handle_of(TOKEN)) == "KA0SH2hMlYq1GEOSjfVybYAoeoyWmLi860DentEniAY"


def test_the_index_key_of_a_user_is_always_the_same() -> None:
    assert index_key("ada") == "Rg17T67zLxbEDSvCjq3p5osOP4f7EY5nQV2I-gWgCuk"


def test_an_int_and_its_text_have_one_index() -> None:
    assert index_key(42) == index_key("42") != index_key("43")


@given(st.text(max_size=20))
def test_an_index_key_is_one_that_stores_take_and_no_hash_without_a_label(user_id: str) -> None:
    user_id = user_id.encode("utf-8", "ignore").decode()

    assert re.fullmatch("[0-9A-Za-z_-]{43}", index_key(user_id))
    assert index_key(user_id) != store_key(user_id.encode())


@given(st.binary(min_size=TOKEN_BYTES, max_size=TOKEN_BYTES))
def test_no_step_is_the_plain_hash_of_the_one_before(token: bytes) -> None:
    handle = handle_of(token)

    assert len(handle) == HANDLE_BYTES
    assert handle != hashlib.sha256(token).digest()[:HANDLE_BYTES]
    assert handle not in token
    assert store_key(handle) != store_key(token)
    assert session_id_of(handle) not in store_key(handle)


def test_the_steps_from_equal_bytes_are_unrelated() -> None:
    same = bytes(HANDLE_BYTES)

    assert session_id_of(handle_of(same)) != store_key(same)[:22]


@given(HANDLES)
def test_a_store_key_is_43_safe_characters(handle: bytes) -> None:
    assert re.fullmatch(r"[0-9A-Za-z_-]{43}", store_key(handle))


@given(HANDLES)
def test_a_session_id_leads_back_to_its_handle(handle: bytes) -> None:
    text = session_id_of(handle)

    assert re.fullmatch(r"[0-9A-Za-z_-]{22}", text)
    assert handle_from_session_id(text) == handle


@given(HANDLES, st.integers(0, 21), st.characters())
def test_another_spelling_is_never_the_same_session_id(handle: bytes, place: int, character: str) -> None:
    text = session_id_of(handle)
    changed = text[:place] + character + text[place + 1 :]

    assert changed == text or handle_from_session_id(changed) != handle


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("A" * 21, id="too short"),
        pytest.param("A" * 23, id="too long"),
        pytest.param("A" * 22 + "==", id="padding"),
        pytest.param("A" * 20 + "==", id="padding inside"),
        pytest.param("A" * 21 + "B", id="last character not canonical"),
        pytest.param("A" * 10 + "\n" + "A" * 11, id="line break"),
        pytest.param("A" * 21 + "+", id="the other alphabet"),
        pytest.param("é" * 22, id="not ASCII"),
        pytest.param("!" * 22, id="no base64 at all"),
    ],
)
def test_what_no_handle_is_spelt_as_is_no_session_id(text: str) -> None:
    assert handle_from_session_id(text) is None
