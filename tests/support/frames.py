"""What a crash report shows of an error: the locals of the frames of its traceback, and of what is chained to it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from types import FrameType, MappingProxyType

import pytest

from sessionware.exceptions import StoreUnavailable
from sessionware.stores import Store


def _frames(error: BaseException | None) -> Iterator[FrameType]:
    """The frames of *error*, of its cause and of its context, each error once."""
    pending, seen = [error], set()
    while pending:
        error = pending.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield frame
        pending += [error.__cause__, error.__context__]


def walked(value: object, depth: int = 6) -> str:
    """*value* as a crash report shows it, which walks into collections, whatever their own ``repr`` hides."""
    if depth and isinstance(value, (dict, MappingProxyType)):
        return " ".join(f"{key!r}: {walked(one, depth - 1)}" for key, one in value.items())
    if depth and isinstance(value, (tuple, list, set, frozenset)):
        return " ".join(walked(one, depth - 1) for one in value)
    return repr(value)


def locals_in(error: BaseException | None, package: str) -> str:
    """The ``repr`` of each local in the frames of *package*."""
    return "\n".join(
        f"{frame.f_code.co_name}: {name} = {walked(value)}"
        for frame in _frames(error)
        if f"{frame.f_globals.get('__name__', '')}.".startswith(f"{package}.")
        for name, value in frame.f_locals.items()
    )


def shown_in_frames(error: BaseException, *hidden: str, outside: str) -> list[str]:
    """Those of *hidden* that are in a local of a frame that is not of the file *outside*."""
    return [
        word
        for frame in _frames(error)
        if frame.f_code.co_filename != outside
        for word in hidden
        if word in walked(dict(frame.f_locals))
    ]


def failures_show_nothing(store: Store, key: str, *hidden: str) -> bool:
    """Whether no frame of what each method of *store* raises, which fails, has *key*, a payload or *hidden*."""
    calls: list[Callable[[], object]] = [
        lambda: store.load(key),
        lambda: store.create(key, b"PAYLOAD", 60),
        lambda: store.replace(key, b"PAYLOAD", 60, b"VERSION-"),
        lambda: store.delete(key),
    ]
    shown = []
    for call in calls:
        with pytest.raises(StoreUnavailable) as caught:
            call()
        shown += shown_in_frames(caught.value, key, "PAYLOAD", "VERSION-", *hidden, outside=__file__)
    return not shown
