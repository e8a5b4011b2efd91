"""Sessions as files, one for each, safe between threads and processes of one machine."""

from __future__ import annotations

import contextlib
import os
import random
import re
import secrets
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, ClassVar
from urllib.parse import unquote

from sessionware.clock import Clock, current_time
from sessionware.exceptions import AlreadyExists, ConfigError, Conflict, Gone
from sessionware.stores.contract import Entry, Version
from sessionware.stores.failures import guarded, told
from sessionware.stores.framing import Frame, new_version, pack, unpack
from sessionware.stores.sweeping import Sweeping, expires_at
from sessionware.stores.urls import split

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
_is_key = re.compile(r"[0-9A-Za-z_-]{43}", re.ASCII).fullmatch

# No key has a dot in it, so neither name can be that of an entry.
_TEMPORARY_BYTES = 8
_TEMPORARY_SUFFIX = ".tmp"
_TEMPORARY_NAME = re.compile(rf"[0-9a-f]{{{2 * _TEMPORARY_BYTES}}}\{_TEMPORARY_SUFFIX}")
_LOCK_NAME = ".lock"

#: A temporary file that was last written to so long ago belongs to a process that was killed.
_LEFTOVER_SECONDS = 3600

_CREATE_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_OPEN_LOCK = os.O_RDWR | os.O_CREAT


class FileStore:
    """Keeps every entry in a file of its own, ``<path>/<k>/<e>/<key>``, with its version and its end in front.

    Directories are 0700 and files 0600 from their creation, whatever the umask. A write goes to a temporary file,
    which is flushed to the disk and then renamed: whenever the process, or the machine, stops, a file holds the old
    entry or the new one. The flush takes a few milliseconds on most disks, nearly the whole time of a write. Comparing
    and swapping happens under a lock of the operating system, which dies with its process; there are 64 of them, not
    one for each session. The directory must be on a local disk. A *path* at which something else stands raises
    :exc:`ConfigError`.
    """

    backend_name = "file"
    url_schemes = ("file",)
    option_help: ClassVar = {"path": "the directory"}

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """``file:///var/lib/app/sessions``: the path of a file URL is absolute (RFC 8089)."""
        parts, options = split(url, "file:///path?option=value")
        if parts.netloc not in ("", "localhost"):
            raise ValueError("a file URL has three slashes and an absolute path: file:///var/lib/app/sessions")
        if not parts.path.strip("/"):
            raise ValueError("the file URL names no path")
        return {"path": unquote(parts.path), **options}

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock | None = None) -> None:
        # Imported here, because not every platform has it, and no other module needs it.
        import fcntl

        self._fcntl = fcntl
        if not os.fspath(path):
            raise ConfigError("the path of the file store is empty; name a directory")
        # Absolute, because a server may change its directory after this.
        self._root = os.path.abspath(path)
        if os.path.exists(self._root) and not os.path.isdir(self._root):
            raise ConfigError(f"the path of the file store, {self._root}, is not a directory")
        self._place = f"the file store at {self._root}"
        self._clock = clock or current_time
        self._sweeping = Sweeping()

    @guarded
    def load(self, key: str) -> Entry | None:
        """The entry under *key*; ``None`` also if its file is not whole, or if *key* cannot be a key."""
        if not _is_key(key):
            return None
        frame = _read(self._path(key))
        return None if frame is None else Entry(frame.payload, frame.version)

    @guarded
    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`; ValueError for what cannot be a key."""
        if not _is_key(key):
            raise ValueError("a store's key has 43 characters of [0-9A-Za-z_-]")

        def check(found: Frame | None) -> None:
            if found is not None:
                raise AlreadyExists

        _make_directory(os.path.dirname(self._path(key)))
        return self._write(key, payload, ttl, check)

    @guarded
    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        if not _is_key(key):
            raise Gone

        def check(found: Frame | None) -> None:
            if found is None:
                raise Gone
            if found.version != version:
                raise Conflict

        return self._write(key, payload, ttl, check)

    @guarded
    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        if not _is_key(key):
            return False
        path = self._path(key)
        if not os.path.exists(path):
            return False
        with self._locked(key):
            was_there = _read(path) is not None
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        return was_there

    @guarded
    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most, and files that killed processes left; how many entries."""
        removed = 0
        for first, second in product(_ALPHABET, repeat=2):
            for path in _files(os.path.join(self._root, first, second)):
                if removed == limit:
                    return removed
                removed += self._remove_if_over(path)
        return removed

    @guarded
    def _sweep(self, limit: int) -> None:
        """Purge a random 64th of the directories, in random order, until *limit* files have been looked at."""
        first = random.choice(_ALPHABET)
        looked_at = 0
        for second in random.sample(_ALPHABET, len(_ALPHABET)):
            paths = _files(os.path.join(self._root, first, second))
            for path in paths:
                self._remove_if_over(path)
            looked_at += len(paths)
            if looked_at >= limit:
                break

    def _cause_of(self, error: Exception) -> Exception | None:
        return told(error) if isinstance(error, OSError) else None

    def _path(self, key: str) -> str:
        return os.path.join(self._root, key[0], key[1], key)

    def _write(self, key: str, payload: bytes, ttl: float | None, check: Callable[[Frame | None], None]) -> Version:
        path = self._path(key)
        version = new_version()
        # A write that will be refused need not go to the disk first. The check that counts is the one under the lock.
        check(_read(path))
        data = pack(payload, version, expires_at(ttl, self._clock()))
        with _temporary_file(os.path.dirname(path), data) as temporary, self._locked(key):
            check(_read(path))
            os.replace(temporary, path)
        self._sweeping.after_write(self._sweep)
        return version

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Keep other threads and processes from writing an entry whose key begins as this one."""
        descriptor = os.open(os.path.join(self._root, key[0], _LOCK_NAME), _OPEN_LOCK, 0o600)
        try:
            self._fcntl.flock(descriptor, self._fcntl.LOCK_EX)
            try:
                yield
            finally:
                # Closing is not enough: if another thread has forked, the child has the descriptor, too.
                self._fcntl.flock(descriptor, self._fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    def _remove_if_over(self, path: str) -> bool:
        """Remove the file if a killed process left it, or if its entry has expired; whether an expired entry went."""
        name = os.path.basename(path)
        if _TEMPORARY_NAME.fullmatch(name):
            remove_leftover(path)
        if not _is_key(name):
            return False
        frame = _read(path)
        if frame is not None and not frame.is_expired(self._clock()):
            return False
        with self._locked(name):
            # Another process may have written it before this one got the lock.
            frame = _read(path)
            if frame is None:
                remove_leftover(path)
                return False
            if not frame.is_expired(self._clock()):
                return False
            os.unlink(path)
        return True


def _read(path: str) -> Frame | None:
    try:
        with open(path, "rb", buffering=0) as file:
            return unpack(file.read())
    except FileNotFoundError:
        return None


def _files(directory: str) -> list[str]:
    try:
        return [os.path.join(directory, name) for name in os.listdir(directory)]
    except FileNotFoundError:
        return []


def _make_directory(path: str) -> None:
    """Make a directory, and the missing ones above it, for the owner alone."""
    try:
        os.mkdir(path, 0o700)
    except FileNotFoundError:
        _make_directory(os.path.dirname(path))
        _make_directory(path)
    except FileExistsError:
        pass


def remove_leftover(path: str) -> None:
    """Remove a file that cannot be an entry, if it was last written to more than an hour ago."""
    with contextlib.suppress(FileNotFoundError):
        # The clock of the file system, and not that of the store.
        if time.time() - os.stat(path).st_mtime > _LEFTOVER_SECONDS:
            os.unlink(path)


@contextlib.contextmanager
def _temporary_file(directory: str, data: bytes) -> Iterator[str]:
    """A file with *data* that is safe on the disk. The block renames it; if the block fails, it is removed."""
    path = os.path.join(directory, secrets.token_hex(_TEMPORARY_BYTES) + _TEMPORARY_SUFFIX)
    try:
        with open(os.open(path, _CREATE_NEW, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield path
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
