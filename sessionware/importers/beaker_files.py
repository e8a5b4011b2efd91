"""The files in which Beaker keeps its records, of ``type = file`` and of ``type = dbm``."""

from __future__ import annotations

import dbm
from pathlib import Path

from sessionware.exceptions import ConfigError
from sessionware.importers.records import MAX_RECORD_BYTES, Record, asking, directory_of


class BeakerFiles:
    """The records of ``type = file`` in *data_dir*, or those of the option ``file_dir`` in *file_dir*."""

    def __init__(self, data_dir: str | Path | None = None, *, file_dir: str | Path | None = None) -> None:
        self._directory = _directory("BeakerFiles", data_dir, "container_file", file_dir)

    def get(self, key: str, now: float) -> Record | None:
        with asking(f"a file of Beaker in {self._directory}"):
            try:
                with _path(self._directory, key, "cache").open("rb") as file:
                    return Record(file.read(MAX_RECORD_BYTES + 1), None)
            except FileNotFoundError:
                return None

    def delete(self, key: str) -> None:
        with asking(f"a file of Beaker in {self._directory}"):
            _path(self._directory, key, "cache").unlink(missing_ok=True)


class BeakerDBM:
    """The records of ``type = dbm`` in *data_dir*, or those of the option ``dbm_dir`` in *dbm_dir*."""

    def __init__(self, data_dir: str | Path | None = None, *, dbm_dir: str | Path | None = None) -> None:
        self._directory = _directory("BeakerDBM", data_dir, "container_dbm", dbm_dir)

    def get(self, key: str, now: float) -> Record | None:
        path = _path(self._directory, key, "dbm")
        with asking(f"a file of Beaker in {self._directory}"):
            if not any(_files(path)):
                return None
            with dbm.open(str(path), "r") as database:
                payload = database.get(b"session")
        return None if payload is None else Record(payload, None)

    def delete(self, key: str) -> None:
        with asking(f"a file of Beaker in {self._directory}"):
            for path in _files(_path(self._directory, key, "dbm")):
                path.unlink(missing_ok=True)


def _directory(name: str, data_dir: str | Path | None, part: str, own_dir: str | Path | None) -> Path:
    if own_dir is not None:
        return directory_of(name, own_dir)
    if data_dir is None:
        raise ConfigError(f"{name}: expected the directory that Beaker's option data_dir has")
    return directory_of(name, data_dir, part)


def _path(directory: Path, key: str, suffix: str) -> Path:
    return directory / key[:1] / key[:2] / f"{key}.{suffix}"


def _files(path: Path) -> list[Path]:
    """The files of a database at *path*: most kinds of dbm add endings of their own."""
    names = (path.name, *(f"{path.name}.{ending}" for ending in ("db", "dat", "dir", "bak", "pag")))
    return [found for name in names if (found := path.with_name(name)).exists()]
