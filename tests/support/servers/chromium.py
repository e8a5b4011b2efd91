"""A headless Chromium, driven over its DevTools protocol: windows that share no cookies, and the pages in them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from simple_websocket import Client as Connection  # type: ignore[import-untyped]
from support.servers.process import ServerProcess, find_binary

ANSWER_SECONDS = 30
#: Every name is this machine; nothing is asked of the outside, and no page is moved from http to https. Sites share
#: processes, because a new one for each page takes most of the time of a test.
_OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--renderer-process-limit=2",
    "--disable-site-isolation-trials",
    "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable",
    "--host-resolver-rules=MAP * 127.0.0.1",
    "--ignore-certificate-errors",
    "--remote-debugging-port=0",
]


class Chromium:
    """A running Chromium."""

    def __init__(self, port: int, path: str) -> None:
        self._connection = Connection.connect(f"ws://127.0.0.1:{port}{path}")
        self._numbers = itertools.count(1)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers to *method*; events that come in between are dropped."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            text = self._connection.receive(timeout=ANSWER_SECONDS)
            assert text is not None, f"no answer to {method}"
            answer: dict[str, Any] = json.loads(text)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer}"
                result: dict[str, Any] = answer["result"]
                return result

    @contextlib.contextmanager
    def window(self) -> Iterator[Window]:
        """A window that shares no cookies with others, and is closed at the end."""
        context = self._call("Target.createBrowserContext")["browserContextId"]
        yield Window(self, context)
        self._call("Target.disposeBrowserContext", browserContextId=context)

    def open(self, url: str, context: str) -> None:
        """Open a page, and do not wait for it."""
        self._call("Target.createTarget", url=url, browserContextId=context)

    def visit(self, url: str) -> None:
        """Open *url* as a user who types it, in the profile's own window, whose cookies outlive the browser."""
        self._call("Target.createTarget", url=url)

    def close(self) -> None:
        """Close the browser as a user does, so that it writes down what it is to keep."""
        self._call("Browser.close")
        self._connection.close()


class Window:
    """Pages with one set of cookies."""

    def __init__(self, browser: Chromium, context: str) -> None:
        self._browser = browser
        self._context = context

    def visit(self, url: str) -> None:
        """Open *url* as a user who types it, in a page of its own."""
        self._browser.open(url, self._context)


def _wait_for_the_end_of(process: ServerProcess) -> None:
    """Cookies are written down at the very end, which a signal would cut off."""
    end = time.monotonic() + ANSWER_SECONDS
    while process.is_running and time.monotonic() < end:
        time.sleep(0.02)


@contextlib.contextmanager
def chromium(directory: Path) -> Iterator[Chromium]:
    """A Chromium whose profile is in *directory*, and is removed at the end."""
    try:
        with running_chromium(directory) as browser:
            yield browser
    finally:
        shutil.rmtree(directory / "profile", ignore_errors=True)


@contextlib.contextmanager
def running_chromium(directory: Path) -> Iterator[Chromium]:
    """A Chromium whose profile is in *directory*, and stays there for the next one."""
    binary = find_binary("chromium", "chromium-browser", "google-chrome")
    if binary is None:
        pytest.skip("needs Chromium (Debian: apt install chromium)")
    profile = directory / "profile"
    port_file = profile / "DevToolsActivePort"
    port_file.unlink(missing_ok=True)
    command = [binary, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    environment = {**os.environ, "HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
    process = ServerProcess(command, directory, lambda: port_file.read_text().count("\n") == 1, environment=environment)
    process.start()
    try:
        port, path = port_file.read_text().split("\n")
        browser = Chromium(int(port), path)
        yield browser
        browser.close()
        _wait_for_the_end_of(process)
    finally:
        process.stop()
        # Its own processes may outlive it for a moment.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
