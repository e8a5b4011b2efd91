"""Fetches the sdists of other packages, and runs the tests in each with sessions of ours: ``make test-peers``."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from peers.suites import PEERS, Peer

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def main(names: list[str]) -> int:
    """Run the suites of the peers called *names*, or of all; how many of them have failed."""
    failed = [name for name in names or PEERS if not _passes(name, PEERS[name])]
    print("make: the peers' suites:", f"failed: {', '.join(failed)}" if failed else "all pass")
    return len(failed)


def _passes(name: str, peer: Peer) -> bool:
    print(f"make: the suite of {peer.requirement}", flush=True)
    subprocess.run([*_PIP, "install", peer.requirement, *peer.needs], check=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        source = _fetched(peer.requirement, place)
        # Beside the peer's own tests, this package alone: other folders here have the names of modules there.
        (place / "plugins").mkdir()
        (place / "plugins" / "peers").symlink_to(Path(__file__).parent)
        environment = {**os.environ, "PEER": name, "PYTHONPATH": str(place / "plugins")}
        command = [sys.executable, "-m", "pytest", "-p", "peers.plugin", "-p", "no:cacheprovider", "-q", "-rx"]
        codes = []
        for backend in ("cookie", "memory"):
            print(f"make: the backend {backend}", flush=True)
            environment["PEER_BACKEND"] = backend
            codes.append(subprocess.run([*command, *peer.tests], cwd=source, env=environment, check=False).returncode)
        return codes == [0, 0]


def _fetched(requirement: str, place: Path) -> Path:
    """The folder of the sdist that meets *requirement*, unpacked."""
    download = ["download", "--no-deps", "--no-binary", ":all:", "--dest", str(place / "sdist"), requirement]
    subprocess.run([*_PIP, *download], check=True)
    (archive,) = (place / "sdist").iterdir()
    with tarfile.open(archive) as opened:
        opened.extractall(place / "source", filter="data")
    (source,) = (place / "source").iterdir()
    return source


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
