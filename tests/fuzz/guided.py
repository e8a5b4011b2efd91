"""Runs one target in this process, guided by the coverage of the package, until atheris ends the process."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import atheris
from fuzz.targets import target_of

_MAX_BYTES = 2048
#: Many times what any input takes: what takes longer hangs, or its time grows faster than its length.
_MAX_SECONDS_FOR_AN_INPUT = 10
_MAX_MEGABYTES = 1024


def main(name: str, seconds: str, kept: Path, found: Path) -> None:
    """Search from the seeds and from what *kept* has of earlier runs; what fails goes into *found*."""
    with atheris.instrument_imports(include=["sessionware"]):
        target = target_of(name)
        seeds = list(target.seeds())
    for number, seed in enumerate(seeds):
        (kept / f"seed-{number:05}").write_bytes(seed)
    logging.disable()
    options = {
        "artifact_prefix": f"{found}/",
        "max_len": _MAX_BYTES,
        "max_total_time": seconds,
        "rss_limit_mb": _MAX_MEGABYTES,
        "timeout": _MAX_SECONDS_FOR_AN_INPUT,
        "verbosity": 0,
    }
    atheris.Setup(["fuzz", *(f"-{option}={value}" for option, value in options.items()), str(kept)], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
