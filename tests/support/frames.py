"""What a crash report shows of an error: the locals of every frame."""

from __future__ import annotations

import traceback


def locals_in(error: BaseException | None, package: str) -> str:
    """The ``repr`` of each local in the frames of *package* that *error*, its cause and its context hold."""
    shown: list[str] = []
    pending, seen = [error], set()
    while pending:
        error = pending.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if f"{frame.f_globals.get('__name__', '')}.".startswith(f"{package}."):
                shown += [f"{frame.f_code.co_name}: {name} = {value!r}" for name, value in frame.f_locals.items()]
        pending += [error.__cause__, error.__context__]
    return "\n".join(shown)
