"""Starts the demo at a free port: ``python serve.py``, or ``python serve.py 8080`` for exactly this one."""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
from pathlib import Path

FIRST_PORT, LAST_PORT = 8000, 8099
LARGEST_PORT = 65_535


def main(arguments: list[str]) -> None:
    """Become gunicorn, at a port for the shop and one for another site. Ends with a message where no port is free."""
    if arguments:
        wanted = number(arguments[0])
        port = wanted if is_free(wanted) else sys.exit(f"port {wanted} is taken; choose another: make demo PORT=…")
    else:
        free = (number for number in range(FIRST_PORT, LAST_PORT + 1) if is_free(number))
        port = next(free, None) or sys.exit(f"no port from {FIRST_PORT} to {LAST_PORT} is free")
    os.environ["PORT"] = str(port)
    os.environ["NEIGHBOUR_PORT"] = str(free_after(port))
    os.chdir(Path(__file__).parent)
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "app:app"])


def number(text: str) -> int:
    """The port that *text* names. 0 would be any free port, and the address that is printed would not be the demo's."""
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= LARGEST_PORT:
        sys.exit(f"expected a port from 1 to {LARGEST_PORT}, got {text!r}: make demo PORT=8080")
    return int(text)


def free_after(port: int) -> int:
    """The next port that is free, for the other site."""
    candidates = [*range(port + 1, min(port + 100, LARGEST_PORT + 1)), *range(FIRST_PORT, LAST_PORT + 1)]
    free = (number for number in candidates if number != port and is_free(number))
    return next(free, None) or sys.exit(f"no port after {port} is free")


def is_free(port: int) -> bool:
    """Whether *port* is free on localhost, also at its IPv6 address, where browsers look first."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
