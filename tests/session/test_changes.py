"""What a request did to its session, laid over what another one has made of it meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionware.session.changes import Changes
from sessionware.session.lifetimes import Lifetimes
from sessionware.session.login import Login
from sessionware.session.records import Cause, Ended, Live
from sessionware.wire.serializer import Serializer

SERIALIZER = Serializer()
NOW = 1_700_000_000.0
KEYS = st.sampled_from("abcdef")
VALUES = st.one_of(
    st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=3), st.dictionaries(st.integers(), st.none())
)
DATA = st.dictionaries(KEYS, VALUES, max_size=6)
MISSING = object()


def live(data: dict[str, Any], **fields: Any) -> Live:
    packed = SERIALIZER.dumps(data)
    times = {"created_at": NOW, "started_at": NOW, "seen_at": NOW, "ends_at": None}
    return Live(SERIALIZER.loads(packed), packed, b"h" * 16, **{**times, **fields})


def changes_of(record: Live) -> Changes:
    return Changes(SERIALIZER, Lifetimes(absolute=3600), data=record.data, read=record.packed)


def changes_from(data: dict[str, Any], **fields: Any) -> Changes:
    return changes_of(live(data, **fields))


def put(changes: Changes, data: dict[str, Any]) -> None:
    for key in list(changes.data):
        changes.drop(key)
    changes.put_all(data)
    changes.expose()


def result(changes: Changes, theirs: dict[str, Any] | None) -> dict[str, Any]:
    changes.has_new_data()
    record = changes.over(None if theirs is None else live(theirs), NOW)
    return {} if isinstance(record, Ended) else record.data


@given(base=DATA, mine=DATA, theirs=DATA)
def test_each_key_is_mine_where_i_changed_it_and_theirs_elsewhere(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    changes = changes_from(base)
    put(changes, mine)

    merged = result(changes, theirs)

    for key in "abcdef":
        is_changed = mine.get(key, MISSING) != base.get(key, MISSING)
        expected = (mine if is_changed else theirs).get(key, MISSING)
        assert merged.get(key, MISSING) == expected


@given(base=DATA, mine=DATA)
def test_over_what_was_read_the_result_is_the_working_copy(base: dict[str, Any], mine: dict[str, Any]) -> None:
    changes = changes_from(base)
    put(changes, mine)

    assert list(result(changes, base).items()) == list(mine.items())


@given(base=DATA, mine=DATA, theirs=DATA)
def test_a_clash_is_a_key_that_both_have_changed(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    changes = changes_from(base)
    put(changes, mine)

    clashes = any(
        mine.get(key, MISSING) != base.get(key, MISSING) and theirs.get(key, MISSING) != base.get(key, MISSING)
        for key in "abcdef"
    )

    assert changes.clashes(live(theirs)) is clashes


@given(start=st.integers(-5, 5), theirs=st.integers(-5, 5), times=st.integers(1, 4))
def test_alter_runs_again_on_the_fresh_value_as_often_as_it_was_called(start: int, theirs: int, times: int) -> None:
    changes = changes_from({"n": start})
    for _ in range(times):
        changes.alter("n", lambda n: n + 1, 0)

    assert changes.data["n"] == start + times
    assert result(changes, {"n": theirs})["n"] == theirs + times


def test_what_was_written_is_not_altered_again() -> None:
    changes = changes_from({"n": 0})
    changes.alter("n", lambda n: n + 1, 0)
    changes.start_from(live({"n": 1}))

    changes.alter("n", lambda n: n + 1, 0)

    assert result(changes, {"n": 5})["n"] == 6


def test_after_a_merge_a_change_of_the_identity_alone_keeps_the_merged_data() -> None:
    changes = changes_from({"a": 1})
    changes.put("b", 2)
    merged = live({"a": 3, "b": 2})
    changes.has_new_data()
    changes.start_from(merged)

    changes.regenerate()
    record = changes.over(merged, NOW)

    assert isinstance(record, Live)
    assert (record.data, record.packed) == ({"a": 3, "b": 2}, merged.packed)


def test_a_clock_that_goes_back_takes_no_sign_of_life_away() -> None:
    changes = changes_from({"a": 1})
    changes.put("a", 2)
    changes.has_new_data()

    record = changes.over(live({"a": 1}), NOW - 5)

    assert isinstance(record, Live)
    assert record.seen_at == NOW


def test_alter_of_a_missing_key_starts_from_a_copy_of_the_default() -> None:
    default: list[int] = []
    changes = changes_from({})

    changes.alter("cart", lambda cart: [*cart, 1] if cart == [] else cart, default)
    changes.data["cart"].append(2)

    assert default == []


def test_a_function_that_changes_its_argument_in_place_cannot_change_what_was_read() -> None:
    changes = changes_from({"cart": [1]})

    def add(cart: list[int]) -> list[int]:
        cart.append(2)
        return cart

    changes.alter("cart", add, None)

    assert result(changes, {"cart": [7]})["cart"] == [7, 2]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda changes: changes.data.update(n=50), id="assigned"),
        pytest.param(lambda changes: changes.data.pop("n"), id="deleted"),
    ],
)
def test_what_is_done_after_alter_wins_over_it(spoil: Any) -> None:
    changes = changes_from({"n": 1, "other": 1})
    changes.alter("n", lambda n: n + 1, 0)

    spoil(changes)

    assert result(changes, {"n": 10, "other": 2}).get("n") == changes.data.get("n")


def test_alter_after_a_change_of_the_same_key_is_an_assignment() -> None:
    changes = changes_from({"n": 1})
    put(changes, {"n": 100})

    changes.alter("n", lambda n: n + 1, 0)

    assert result(changes, {"n": 7})["n"] == 101


def test_alter_after_a_nested_change_of_its_own_result_is_an_assignment() -> None:
    changes = changes_from({"cart": [1]})
    changes.alter("cart", lambda cart: [*cart, 2], None)
    changes.data["cart"].append(3)

    changes.alter("cart", lambda cart: [*cart, 4], None)

    assert result(changes, {"cart": [9]})["cart"] == [1, 2, 3, 4]


def test_a_value_that_nobody_changed_stays_the_same_object_through_a_merge() -> None:
    changes = changes_from({"mine": 1, "nested": [1]})
    held = changes.data["nested"]
    changes.put("mine", 2)
    changes.expose()

    merged = result(changes, {"mine": 1, "nested": [1], "theirs": 3})

    assert merged["nested"] is held


def test_revert_forgets_data_and_keeps_the_identity() -> None:
    changes = changes_from({"a": [1]})
    changes.log_in(Login("u", None, NOW, over=None))
    changes.data["a"].append(2)
    changes.expose()

    changes.revert()

    assert changes.data == {"a": [1]}
    assert changes.asked.cause(live({})) is Cause.LOGIN


def test_a_login_over_another_user_takes_nothing_along() -> None:
    found = live({"theirs": 1}, user_id="former", label="old", csrf=b"c" * 16)
    changes = changes_of(found)

    changes.log_in(Login("new", "phone", NOW + 5, over="former"))
    changes.data["mine"] = 1
    changes.has_new_data()
    record = changes.over(found, NOW + 6)

    assert isinstance(record, Live)
    assert (record.data, record.user_id, record.label) == ({"mine": 1}, "new", "phone")
    assert (record.csrf, record.created_at, record.started_at) == (None, NOW + 6, NOW + 5)
    assert record.ends_at == NOW + 5 + 3600


def test_a_second_login_in_one_request_does_not_bring_back_the_first_users_session() -> None:
    found = live({"theirs": 1}, user_id="former")
    changes = changes_of(found)
    changes.log_in(Login("new", None, NOW, over="former"))

    changes.log_in(Login("new", None, NOW, over="new"))
    changes.has_new_data()
    record = changes.over(found, NOW)

    assert isinstance(record, Live)
    assert record.data == {}


def test_each_login_as_another_in_one_request_starts_empty() -> None:
    changes = changes_from({"first": 1}, user_id="first")
    changes.log_in(Login("second", None, NOW, over="first"))
    changes.data["second"] = 1

    changes.log_in(Login("third", None, NOW, over="second"))

    assert changes.data == {}


def test_remember_counts_from_its_call_and_login_undoes_it() -> None:
    found = live({"a": 1})
    changes = changes_of(found)
    changes.remember(100, NOW + 1, found)
    remembered = changes.over(found, NOW + 2)
    changes.log_in(Login("u", None, NOW + 3, over=None))
    logged_in = changes.over(found, NOW + 4)

    assert isinstance(remembered, Live)
    assert isinstance(logged_in, Live)
    assert (remembered.is_remembered, remembered.ends_at) == (True, NOW + 101)
    assert (logged_in.is_remembered, logged_in.ends_at) == (False, NOW + 3 + 3600)


def test_a_session_without_content_has_ended() -> None:
    found = live({"a": 1})
    changes = changes_of(found)
    put(changes, {})
    changes.has_new_data()

    assert isinstance(changes.over(found, NOW), Ended)
    assert changes.leaves_nothing(found)


def test_a_users_session_without_data_goes_on() -> None:
    found = live({"a": 1}, user_id=7)
    changes = changes_of(found)
    put(changes, {})
    changes.has_new_data()

    assert isinstance(changes.over(found, NOW), Live)
