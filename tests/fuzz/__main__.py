"""Runs each target for a while: ``python -m fuzz [--seconds N] [--corpus DIRECTORY] [TARGET …]``.

Where atheris is installed, it is guided by the coverage of the package; elsewhere hypothesis draws without a guide.
With ``--input FILE`` one target is given what a run has found.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from fuzz.targets import NAMES, target_of

_EXAMPLES_AT_A_TIME = 500
#: A line for each module, and what concerns C alone.
_NOISE = ("INFO: Instrumenting", "WARNING: Failed to find function", "INFO: Using built-in")
#: A file system in memory, where nothing waits for a disk, and the room that is needed; a container has little.
_IN_MEMORY, _ROOM = Path("/dev/shm"), 256 << 20
_WITHOUT_ATHERIS = (
    f"fuzz: atheris is not installed for Python {sys.version.split()[0]}, so no coverage guides the search, and "
    "hypothesis draws alone. Its wheels are for Linux on x86-64: python -m pip install atheris"
)


def main() -> int:
    """Run the targets that the command line names, or all; 1 if one of them has found something."""
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(NAMES)}; all without any")
    parser.add_argument("--seconds", type=int, default=60, help="how long each target runs")
    parser.add_argument("--corpus", type=Path, default=Path("corpus"), help="where inputs are kept from run to run")
    parser.add_argument("--input", type=Path, help="give this file to the target, and nothing else")
    chosen = parser.parse_args()
    names = chosen.targets or list(NAMES)
    if not set(names) <= set(NAMES):
        parser.error(f"there is no such target; choose among {', '.join(NAMES)}")
    if chosen.input:
        for name in names:
            target_of(name).check(chosen.input.read_bytes())
        return 0
    run = _is_guided_well if importlib.util.find_spec("atheris") else _is_drawn_well
    if run is _is_drawn_well:
        print(_WITHOUT_ATHERIS, flush=True)
    failed = [name for name in names if not run(name, chosen.seconds, chosen.corpus)]
    print(f"fuzz: failed: {', '.join(failed)}" if failed else "fuzz: nothing was found", flush=True)
    return 1 if failed else 0


def _is_guided_well(name: str, seconds: int, corpus: Path) -> bool:
    """Run the target in a process of its own, which atheris ends."""
    print(f"=== {name}: guided, {seconds} seconds ===", flush=True)
    kept, found = (corpus / name).resolve(), (corpus / f"{name}-found").resolve()
    for directory in (kept, found):
        directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "fuzz.guided", name, str(seconds), str(kept), str(found)]
    # Atheris ends the process at once, so what it leaves behind is removed here.
    with (
        tempfile.TemporaryDirectory(prefix="sessionware-fuzz-", dir=_place_in_memory()) as files,
        subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, errors="replace", env={**os.environ, "TMPDIR": files}
        ) as process,
    ):
        assert process.stderr is not None
        for line in process.stderr:
            if not line.startswith(_NOISE):
                print(line, end="", flush=True)
    if process.returncode == 0:
        return True
    for path in sorted(found.iterdir(), key=os.path.getmtime)[-1:]:
        print(f"fuzz: to see it again: make fuzz ARGUMENTS='--input {path} {name}'")
        print(
            f"fuzz: as a test, a line of FOUND in tests/fuzz/test_targets.py: ({name!r}, {path.read_bytes().hex()!r})"
        )
    return False


def _place_in_memory() -> Path | None:
    return _IN_MEMORY if _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free >= _ROOM else None


def _is_drawn_well(name: str, seconds: int, corpus: Path) -> bool:
    from fuzz.drawing import check_drawn

    print(f"=== {name}: drawn, {seconds} seconds ===", flush=True)
    logging.disable()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            check_drawn(name, _EXAMPLES_AT_A_TIME)
    except Exception:  # noqa: BLE001 - whatever a target raises is what was looked for
        traceback.print_exc()
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
