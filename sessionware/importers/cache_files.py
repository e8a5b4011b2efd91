"""The files of cachelib, in which Flask-Session keeps its records for ``filesystem`` and for ``cachelib``."""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path

from sessionware.importers.records import MAX_RECORD_BYTES, Record, asking, directory_of

#: The end of a record in seconds since the epoch, or 0 for none, stands before it.
_END = struct.Struct("I")
#: Before 0.7 that was a pickle of its own, by protocol 1 or, in 0.5 and 0.6, by the newest.
_PICKLED_END = re.compile(rb"(?:\x80[\2-\5](?:\x95.\0{7})?)?(?:J(?P<end>.{4})|K\0)\.", re.DOTALL)
_MAX_END_BYTES = 17
#: Of the present release, and of those before 0.17.
_HASHES = (hashlib.sha256, hashlib.md5)


class CacheFiles:
    """The records of cachelib's ``FileSystemCache`` in *directory*: Flask-Session's ``SESSION_FILE_DIR``."""

    def __init__(self, directory: str | Path) -> None:
        self._directory = directory_of("CacheFiles", directory)

    def get(self, key: str, now: float) -> Record | None:
        for path in self._paths(key):
            with asking(f"a file of cachelib in {self._directory}"):
                try:
                    with path.open("rb") as file:
                        content = file.read(_MAX_END_BYTES + MAX_RECORD_BYTES + 1)
                except FileNotFoundError:
                    continue
            if len(content) >= _END.size:
                return _record(content, now)
        return None

    def delete(self, key: str) -> None:
        for path in self._paths(key):
            with asking(f"a file of cachelib in {self._directory}"):
                path.unlink(missing_ok=True)

    def _paths(self, key: str) -> list[Path]:
        return [self._directory / make(key.encode(), usedforsecurity=False).hexdigest() for make in _HASHES]


def _record(content: bytes, now: float) -> Record | None:
    pickled_end = _PICKLED_END.match(content)
    if pickled_end is not None:
        end, payload = int.from_bytes(pickled_end["end"] or b"", "little"), content[pickled_end.end() :]
    else:
        (end,), payload = _END.unpack_from(content), content[_END.size :]
    if end == 0:
        return Record(payload, None)
    return Record(payload, end - now) if end > now else None
