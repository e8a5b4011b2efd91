"""Tells what the installed releases of other packages can do that the oldest allowed ones cannot.

Each entry names the release that brought it. Once ``setup.cfg`` asks for that release, the entry goes.
"""

from __future__ import annotations

from inspect import signature
from typing import Any

import msgpack
import msgspec
from werkzeug.http import dump_cookie

#: Whether Werkzeug can write Partitioned: from 3.1.
WRITES_PARTITIONED = "partitioned" in signature(dump_cookie).parameters

#: What decoding raises for bytes that are none of ours: msgspec's errors are no ValueErrors before 0.21.
DECODING_FAULTS = (ValueError, msgspec.MsgspecError)


def _has_buffer_size() -> bool:
    try:
        msgpack.Packer(buf_size=1)
    except TypeError:
        return False
    return True


_HAS_BUFFER_SIZE = _has_buffer_size()


def packer_options(buffer_bytes: int) -> dict[str, Any]:
    """The options that give a packer of msgpack its first buffer; before 1.1 it is always a megabyte."""
    return {"buf_size": buffer_bytes} if _HAS_BUFFER_SIZE else {}
