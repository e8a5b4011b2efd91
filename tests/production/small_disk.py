"""A disk that is soon full, for the calling process alone; and a user whom the modes of files keep out."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

#: <sched.h>, <sys/mount.h>
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_PRIVATE, _MS_REC = 1 << 18, 1 << 14
_SIZE = 1024 * 1024


class Disk(Protocol):
    """A disk that can be filled, and be given room again."""

    def fill(self) -> None: ...
    def make_room(self) -> None: ...


class SmallDisk:
    """A file system of a megabyte, in memory, at *directory*."""

    def __init__(self, directory: Path) -> None:
        self._filler = directory / "filler"

    def fill(self) -> None:
        """To the last byte: nothing is left for a single block."""
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as filler:
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while filler.write(b"x" * size):
                        pass

    def make_room(self) -> None:
        self._filler.unlink()


class SmallFiles:
    """The same as the limit of a process: no file may grow."""

    def fill(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def make_room(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def small_disk(directory: Path) -> Disk:
    """Make *directory* a small disk that only this process sees, which it should therefore leave by ending.

    Raises OSError where this process may not mount anything.
    """
    _enter_namespace()
    _mount("none", directory, "tmpfs", 0, f"size={_SIZE}")
    return SmallDisk(directory)


def can_mount() -> bool:
    """Whether this process could make a small disk."""
    child = os.fork()
    if child == 0:
        try:
            _enter_namespace()
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _enter_namespace() -> None:
    """Mounts of this process are its own from now on; who is not root becomes so in a namespace of users."""
    user, group = os.geteuid(), os.getegid()
    _checked(_libc.unshare(_CLONE_NEWNS if user == 0 else _CLONE_NEWNS | _CLONE_NEWUSER))
    if user != 0:
        for file, line in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            Path("/proc/self", file).write_text(line)
    _mount("none", Path("/"), None, _MS_REC | _MS_PRIVATE, None)


def _mount(source: str, target: Path, kind: str | None, flags: int, data: str | None) -> None:
    encoded = [text and text.encode() for text in (source, str(target), kind)]
    _checked(_libc.mount(*encoded, ctypes.c_ulong(flags), data and data.encode()))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Remove every right to write in *directory* and below it, and restore the rights at the end."""
    paths = [directory, *directory.rglob("*")]
    modes = [path.stat().st_mode & 0o777 for path in paths]
    for path, mode in zip(paths, modes, strict=True):
        path.chmod(mode & 0o555)
    yield
    for path, mode in zip(paths, modes, strict=True):
        path.chmod(mode)


def be_nobody() -> None:
    """Become the user ``nobody`` if this process is root, whom no mode keeps out."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
