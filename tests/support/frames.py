"""What a crash report shows: the locals of the frames of an error's traceback, and of what is chained to it."""

from __future__ import annotations


def shown_in_frames(error: BaseException, *hidden: str, outside: str) -> list[str]:
    """Those of *hidden* that are in a local of a frame that is not of the file *outside*."""
    found = []
    for each in filter(None, (error, error.__cause__, error.__context__)):
        traceback = each.__traceback__
        while traceback is not None:
            frame = traceback.tb_frame
            if frame.f_code.co_filename != outside:
                found += [word for word in hidden if word in repr(frame.f_locals)]
            traceback = traceback.tb_next
    return found
