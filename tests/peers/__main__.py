"""Fetches the sdists of other packages, and runs the tests in each with sessions of ours: ``make test-peers``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from peers.suites import PEERS, Peer

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
#: Kept for the next run.
_SDISTS = Path("sdists")
_BACKENDS = ("cookie", "memory")
_AT_ONCE = 2


def main(names: list[str]) -> int:
    """Run the suites of the peers called *names*, or of all; how many of the runs have failed."""
    peers = {name: PEERS[name] for name in names or PEERS}
    _install(peers)
    runs = [(name, backend) for name in peers for backend in _BACKENDS]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ended = list(pool.map(lambda run: _run(*run), runs))
    failed = [" over ".join(run) for run, is_good in zip(runs, ended, strict=True) if not is_good]
    print("make: the peers' suites:", f"failed: {', '.join(failed)}" if failed else "all pass")
    return len(failed)


def _install(peers: Mapping[str, Peer]) -> None:
    """Install what the suites of *peers* need, and fetch their sdists."""
    requirements = [peer.requirement for peer in peers.values()]
    print("make: the suites of", *requirements, flush=True)
    subprocess.run(
        [*_PIP, "install", *requirements, *{need for peer in peers.values() for need in peer.needs}], check=True
    )
    missing = [requirement for requirement in requirements if _sdist(requirement) is None]
    if missing:
        # What builds an sdist may come as a wheel.
        names = ",".join(requirement.partition("==")[0] for requirement in missing)
        download = ["download", "--no-deps", "--no-binary", names, "--dest", str(_SDISTS), *missing]
        subprocess.run([*_PIP, *download], check=True)


def _sdist(requirement: str) -> Path | None:
    wanted = _plain(f"{requirement.replace('==', '-')}.tar.gz")
    return next((path for path in _SDISTS.glob("*") if _plain(path.name) == wanted), None)


def _plain(name: str) -> str:
    """*name* without what differs between a project's name and that of its sdist."""
    return re.sub("[-_.]+", "-", name).lower()


def _run(name: str, backend: str) -> bool:
    peer = PEERS[name]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        sdist = _sdist(peer.requirement)
        assert sdist is not None, f"pip has left no sdist of {peer.requirement}"
        shutil.unpack_archive(sdist, place / "source")
        (source,) = (place / "source").iterdir()
        # Beside the peer's own tests, this package alone: other folders here have the names of modules there.
        (place / "plugins").mkdir()
        (place / "plugins" / "peers").symlink_to(Path(__file__).parent)
        environment = {**os.environ, "PEER": name, "PEER_BACKEND": backend, "PYTHONPATH": str(place / "plugins")}
        command = [sys.executable, "-m", "pytest", "-p", "peers.plugin", "-p", "no:cacheprovider", "-q", "-rx"]
        ended = subprocess.run(
            # Suites whose warnings are errors meet those of a newer Python.
            [*command, "--disable-warnings", "-W", "ignore:datetime.datetime.utc:DeprecationWarning", *peer.tests],
            cwd=source,
            env=environment,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    print(f"make: the suite of {peer.requirement} over {backend}\n{ended.stdout}", flush=True)
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
