"""Real servers for the examples, and a browser that asks them."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

START_SECONDS = 60
_POLL_SECONDS = 0.02


@contextlib.contextmanager
def running(command: list[str], port: int, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is ready, and stopped in the end."""
    process = subprocess.Popen(command, **options)
    deadline = time.monotonic() + START_SECONDS
    try:
        while not answers(port):
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(_POLL_SECONDS)
        yield process
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def answers(port: int) -> bool:
    try:
        Browser(port).get("/whoami")
    except ConnectionError:
        return False
    return True


class Browser:
    """Keeps cookies, and follows redirects after a form."""

    def __init__(self, port: int, *, agent: str = "") -> None:
        self.port = port
        self.agent = agent
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    def get(self, path: str) -> str:
        return self.ask("GET", path, None)

    def post(self, path: str, **form: str) -> str:
        return self.ask("POST", path, urlencode(form))

    def ask(self, method: str, path: str, body: str | None, **headers: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        headers["User-Agent"] = self.agent
        # As all browsers send it; one that does not is taken for a proxy.
        headers["Connection"] = "keep-alive"
        headers["Host"] = f"localhost:{self.port}"
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        self.headers = answer.headers
        self.set_cookies = answer.headers.get_all("Set-Cookie", [])
        for line in self.set_cookies:
            self._keep(line)
        self.status = answer.status
        return self.get(answer.headers["Location"]) if answer.status == 303 else text

    def _keep(self, line: str) -> None:
        name, _, value = line.partition(";")[0].partition("=")
        self.cookies[name] = value
        if "Max-Age=0" in line:
            del self.cookies[name]
