"""What the stores of files on this machine are tested in."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def public_directory() -> Iterator[pathlib.Path]:
    """One that every user can reach, for the tests' own are 0700."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory)
        path.chmod(0o755)
        yield path
        for below in (path, *path.rglob("*")):
            below.chmod(0o700)
