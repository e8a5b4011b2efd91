"""The path of a store: made absolute, and looked at when the store is made, so that a wrong one is told at start."""

from __future__ import annotations

import os
import stat

from sessionware.events import logger
from sessionware.exceptions import ConfigError

_EFFECTIVE = os.access in os.supports_effective_ids


def absolute(path: str | os.PathLike[str], *, store: str) -> str:
    """*path* from the root on, because a server may change its directory later; a ``~`` is the home directory.

    Raises :exc:`ConfigError` for an empty path, an unknown user's home, and a symbolic link to nowhere. Such a link
    often leads to a disk that is not mounted, below which nothing should be made.
    """
    written = written_path(path, store=store)
    if not written:
        raise ConfigError(f"the path of {store} is empty; name a place")
    expanded = os.path.expanduser(written)
    if expanded.startswith("~"):
        home = written.partition("/")[0]
        raise ConfigError(f"there is no home directory for {home!r}; a name that has a ~ is written ./{written}")
    found = os.path.abspath(expanded)
    if os.path.islink(found) and not os.path.exists(found):
        raise ConfigError(
            f"the path of {store}, {found}, is a symbolic link to {os.path.realpath(found)}, which does not exist;"
            " make that first, or name it itself"
        )
    return found


def written_path(path: str | os.PathLike[str], *, store: str) -> str:
    """*path* as a str. Raises :exc:`ConfigError` for what can be no path, without repeating it: a URL may be one."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(written := os.fspath(path), str):
        raise ConfigError(
            f"the path of {store} is not a str or a Path, but of the type {type(path).__name__}; of bytes give "
            "os.fsdecode(path)"
        )
    if "://" in written:
        raise ConfigError(f"the path of {store} is a URL; give it as backend, or name a file or a directory")
    try:
        is_possible = b"\0" not in os.fsencode(written)
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise ConfigError(f"the path of {store} holds a character that stands in no file's name; name another place")
    return written


def existing_part(path: str) -> str:
    """*path*, or the first one above it that exists, as far as this process can see."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def check_directory(path: str, *, store: str) -> None:
    """Raise :exc:`ConfigError` if *path* is no directory, or if this process cannot make a file in it."""
    if not os.path.isdir(path):
        raise ConfigError(f"the path of {store}: {path}, is not a directory")
    check_right_to(os.R_OK | os.W_OK | os.X_OK, path, store=store)


def check_right_to(mode: int, path: str, *, store: str) -> None:
    """Raise :exc:`ConfigError` if this process may not do *mode* to what is at *path*."""
    if not os.access(path, mode, effective_ids=_EFFECTIVE):
        raise ConfigError(
            f"{store} cannot write to {path}: the process, whose user id is {os.geteuid()}, lacks the right to,"
            " or the file system is read-only"
        )


def warn_of_other_users(path: str, *, store: str) -> None:
    """Log a WARNING if every user of the machine can write to *path*, if it exists.

    It is no fault, because mounted volumes come like that, in containers in which there is no other user.
    """
    if os.path.exists(path) and os.stat(path).st_mode & stat.S_IWOTH:
        logger.warning(
            "every user of this machine can write to %s, where %s is, and so put back a session that has ended; take"
            " that right away (chmod o-w), or name a directory that is for the application's user alone",
            path,
            store,
        )
