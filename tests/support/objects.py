"""Key/value objects of an application that write in place: a file is empty first, and then filled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path

import minimalkv.fs


class FilesystemStoreOfOurs(minimalkv.fs.FilesystemStore):
    """A class made from minimalkv's: it may do anything in ``put``, and so its own ``put`` is what writes."""


class FilesOfOurs(MutableMapping[str, bytes]):
    """A mapping over the files of a directory; *pause* is called while a file is empty."""

    def __init__(self, directory: str, pause: Callable[[], object] = lambda: None) -> None:
        self._directory = Path(directory)
        self._directory.mkdir(exist_ok=True)
        self._pause = pause

    def __getitem__(self, key: str) -> bytes:
        try:
            return (self._directory / key).read_bytes()
        except FileNotFoundError:
            raise KeyError(key) from None

    def __setitem__(self, key: str, value: bytes) -> None:
        with (self._directory / key).open("wb") as file:
            self._pause()
            file.write(value)

    def __delitem__(self, key: str) -> None:
        try:
            (self._directory / key).unlink()
        except FileNotFoundError:
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[str]:
        return (path.name for path in self._directory.iterdir())

    def __len__(self) -> int:
        return sum(1 for _ in self)
