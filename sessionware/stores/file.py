"""Sessions as files, one for each, safe between threads and processes of one machine."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import re
import secrets
import time
from collections.abc import Callable, Iterator
from io import FileIO
from itertools import product
from typing import Any, ClassVar
from urllib.parse import unquote

from sessionware.clock import Clock, current_time
from sessionware.exceptions import AlreadyExists, Conflict, Gone
from sessionware.stores.contract import Entry, Version
from sessionware.stores.failures import guarded, noting, told
from sessionware.stores.framing import is_of_ours, new_version, pack, unpack
from sessionware.stores.paths import absolute, check_directory, existing_part, warn_of_other_users
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
# Another program has put a link there: following it would read or make a file elsewhere. Opening a pipe would wait.
_OPEN_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
_NOT_FOLLOWING = os.O_NOFOLLOW | os.O_NONBLOCK


class FileStore:
    """Keeps every entry in a file of its own, ``<path>/<k>/<e>/<key>``, with its version and its end in front.

    Directories are 0700 and files 0600 from their creation, whatever the umask. A write goes to a temporary file, which
    is then renamed: whenever the process stops, a file holds the old entry or the new one. Nothing is flushed to the
    disk, so a power failure may undo the writes of the last seconds, an end among them; an entry that it tears counts
    as missing. Comparing and swapping happens under a lock of the operating system, which dies with its process; there
    are 64 of them, not one for each session.

    The directory must be on a local disk. It is made at the first write. A *path* at which none can be made, or at
    which this process has not the right to write, raises :exc:`ConfigError`. A directory to which every user of the
    machine can write is a WARNING, because another user could put back a session that has ended.
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
        self._place = "the file store"
        self._root = absolute(path, store=self._place)
        check_directory(existing_part(self._root), store=self._place)
        warn_of_other_users(self._root, store=self._place)
        self._place = f"the file store at {self._root}"
        self._clock = clock or current_time
        self._sweeping = Sweeping()

    @guarded
    def load(self, key: str) -> Entry | None:
        """The entry under *key*; ``None`` also if its file is not whole, or if *key* cannot be a key."""
        if not _is_key(key):
            return None
        frame = unpack(_read(self._path(key)))
        return None if frame is None else Entry(frame.payload, frame.version)

    @guarded
    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`; ValueError for what cannot be a key."""
        if not _is_key(key):
            raise ValueError("a store's key has 43 characters of [0-9A-Za-z_-]")

        def check(found: bytes | None) -> None:
            if found is not None and not _can_be_replaced(found):
                raise AlreadyExists

        _make_directory(os.path.dirname(self._path(key)))
        return self._write(key, payload, ttl, check)

    @guarded
    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        if not _is_key(key):
            raise Gone

        def check(found: bytes | None) -> None:
            frame = unpack(found)
            if frame is None:
                raise Gone
            if frame.version != version:
                raise Conflict

        return self._write(key, payload, ttl, check)

    @guarded
    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        if not _is_key(key):
            return False
        path = self._path(key)
        # Not os.path.exists, which says the same of a file that this process may not see.
        if _read(path) is None:
            return False
        with self._locked(key):
            found = _read(path)
            was_there = unpack(found) is not None
            if found is not None and (was_there or is_of_ours(found)):
                os.unlink(path)
        return was_there

    @guarded
    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most, and files that killed processes left; how many entries."""
        removed = 0
        for first, second in product(_ALPHABET, repeat=2):
            directory = os.path.join(self._root, first, second)
            for name in _files(directory):
                if removed == limit:
                    return removed
                removed += self._remove_if_over(directory, name)
        return removed

    @guarded
    def _sweep(self, limit: int) -> None:
        """Purge a random 64th of the directories, in random order, until *limit* files have been looked at."""
        first = random.choice(_ALPHABET)
        looked_at = 0
        for second in random.sample(_ALPHABET, len(_ALPHABET)):
            directory = os.path.join(self._root, first, second)
            names = _files(directory)
            for name in names:
                self._remove_if_over(directory, name)
            looked_at += len(names)
            if looked_at >= limit:
                break

    def _cause_of(self, error: Exception) -> Exception | None:
        return told(error) if isinstance(error, OSError) else None

    def _path(self, key: str) -> str:
        first = os.path.join(self._root, key[0])
        second = os.path.join(first, key[1])
        for directory in (first, second):
            if os.path.islink(directory):
                with noting("looking at its directories"):
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        return os.path.join(second, key)

    def _write(self, key: str, payload: bytes, ttl: float | None, check: Callable[[bytes | None], None]) -> Version:
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
        file = self._lock(os.path.join(self._root, key[0], _LOCK_NAME))
        try:
            yield
        finally:
            try:
                # Closing is not enough: if another thread has forked, the child has the descriptor, too.
                self._fcntl.flock(file.fileno(), self._fcntl.LOCK_UN)
            finally:
                file.close()

    def _lock(self, path: str) -> FileIO:
        """Lock the file at *path*, the one that is there now: the directory may be removed and made again at any time.

        Returns it open. Where a signal stops the request, at any point, the object that is lost lets the lock go; a
        bare descriptor would keep all writers out until this process ends.
        """
        while True:
            with noting("opening a lock"):
                file = FileIO(path, opener=_open_lock)
            is_locked = False
            try:
                self._fcntl.flock(file.fileno(), self._fcntl.LOCK_EX)
                is_locked = _is_at(path, file.fileno())
            finally:
                if not is_locked:
                    file.close()
            if is_locked:
                return file

    def _remove_if_over(self, directory: str, name: str) -> bool:
        """Remove the file if a killed process left it, or if its entry has expired; whether an expired entry went."""
        path = os.path.join(directory, name)
        if _TEMPORARY_NAME.fullmatch(name):
            remove_leftover(path)
        if not _is_key(name) or path != self._path(name):
            return False
        frame = unpack(_read(path))
        if frame is not None and not frame.is_expired(self._clock()):
            return False
        with self._locked(name):
            # Another process may have written it before this one got the lock.
            frame = unpack(_read(path))
            if frame is None:
                remove_leftover(path)
                return False
            if not frame.is_expired(self._clock()):
                return False
            os.unlink(path)
        return True


def _open_lock(path: str, flags: int) -> int:
    return os.open(path, _OPEN_LOCK, 0o600)


def _open_entry(path: str, flags: int) -> int:
    return os.open(path, flags | _NOT_FOLLOWING)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb", buffering=0, opener=_open_entry) as file:
            return file.read()
    except FileNotFoundError:
        return None


def _can_be_replaced(data: bytes) -> bool:
    """Whether a create may write where *data* is: a write of ours that was not finished, and no other program's."""
    return unpack(data) is None and is_of_ours(data)


def _is_at(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _files(directory: str) -> list[str]:
    """The names of the files in *directory*; links and directories are none of ours."""
    if os.path.islink(directory) or os.path.islink(os.path.dirname(directory)):
        return []
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _make_directory(path: str) -> None:
    """Make a directory, and the missing ones above it, for the owner alone."""
    with contextlib.suppress(FileExistsError):
        try:
            os.mkdir(path, 0o700)
        except FileNotFoundError:
            _make_directory(os.path.dirname(path))
            os.mkdir(path, 0o700)


def remove_leftover(path: str) -> None:
    """Remove a file that a process of ours, which was killed, has left unfinished more than an hour ago."""
    with contextlib.suppress(FileNotFoundError):
        # The clock of the file system, and not that of the store.
        if time.time() - os.lstat(path).st_mtime > _LEFTOVER_SECONDS and is_of_ours(_read(path) or b""):
            os.unlink(path)


@contextlib.contextmanager
def _temporary_file(directory: str, data: bytes) -> Iterator[str]:
    """A file with *data*. The block renames it; if the block fails, it is removed."""
    path = os.path.join(directory, secrets.token_hex(_TEMPORARY_BYTES) + _TEMPORARY_SUFFIX)
    try:
        with open(os.open(path, _CREATE_NEW, 0o600), "wb") as file:
            file.write(data)
        yield path
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
