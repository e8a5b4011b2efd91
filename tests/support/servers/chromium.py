"""A headless Chromium, driven over its DevTools protocol: windows that share no cookies, and the pages in them."""

from __future__ import annotations

import base64
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
from simple_websocket import ConnectionClosed
from support.servers.process import ServerProcess, find_binary

ANSWER_SECONDS = 60
_POLL_SECONDS = 0.02
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


class NoAnswer(AssertionError):
    """The browser says why it does not answer a question."""


class Chromium:
    """A running Chromium."""

    def __init__(self, port: int, path: str) -> None:
        self._connection = Connection.connect(f"ws://127.0.0.1:{port}{path}")
        self._numbers = itertools.count(1)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """What the browser, or the page of *session*, answers to *method*; events that come in between are dropped."""
        number = next(self._numbers)
        question = {"id": number, "method": method, "params": parameters}
        self._connection.send(json.dumps(question if session is None else {**question, "sessionId": session}))
        while True:
            text = self._connection.receive(timeout=ANSWER_SECONDS)
            assert text is not None, f"no answer to {method}"
            answer: dict[str, Any] = json.loads(text)
            if answer.get("id") == number:
                if "error" in answer:
                    raise NoAnswer(f"{method}: {answer}")
                result: dict[str, Any] = answer["result"]
                return result

    @contextlib.contextmanager
    def window(self) -> Iterator[Window]:
        """A window that shares no cookies with others, and is closed at the end."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        yield Window(self, context)
        self.call("Target.disposeBrowserContext", browserContextId=context)

    def open(self, url: str, context: str) -> None:
        """Open a page, and do not wait for it."""
        self.call("Target.createTarget", url=url, browserContextId=context)

    def visit(self, url: str) -> None:
        """Open *url* as a user who types it, in the profile's own window, whose cookies outlive the browser."""
        self.call("Target.createTarget", url=url)

    def close(self) -> None:
        """Close the browser as a user does, so that it writes down what it is to keep."""
        with contextlib.suppress(ConnectionClosed):  # the browser may be the first to close it
            self.call("Browser.close")
            self._connection.close()


class Window:
    """Pages with one set of cookies."""

    def __init__(self, browser: Chromium, context: str) -> None:
        self._browser = browser
        self._context = context

    def visit(self, url: str) -> None:
        """Open *url* as a user who types it, in a page of its own."""
        self._browser.open(url, self._context)

    def page(self, origin: str) -> Page:
        """A page to use, whose site is *origin*."""
        target = self._browser.call("Target.createTarget", url="about:blank", browserContextId=self._context)
        session = self._browser.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        return Page(self._browser, session["sessionId"], origin)


#: The field or the button that is asked for; what is hidden cannot be used.
_FIND = """
(what) => [...document.querySelectorAll("input, select, button")]
    .find(found => found.checkVisibility() && [found.name, found.value, found.textContent.trim()].includes(what))
"""
_CENTRE = """
(found => { found.scrollIntoView({block: "center"}); const box = found.getBoundingClientRect();
            return {x: box.x + box.width / 2, y: box.y + box.height / 2}; })
"""


class Page:
    """A page that a user reads and uses, with scripts switched off: what it needs, its HTML does."""

    def __init__(self, browser: Chromium, session: str, origin: str) -> None:
        self._browser = browser
        self._session = session
        self._origin = origin
        self._numbers = itertools.count(1)
        self._call("Page.enable")
        self._call("Emulation.setScriptExecutionDisabled", value=True)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def ask(self, expression: str) -> Any:
        """The value of *expression* in the page, as its developer's console gives it."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    @property
    def text(self) -> str:
        return " ".join(self.ask("document.body.innerText").split())

    def visit(self, path: str) -> None:
        with self._next_page():
            self._call("Page.navigate", url=self._origin + path)

    def back(self) -> None:
        """Press the browser's own button."""
        history = self._call("Page.getNavigationHistory")
        entry = history["entries"][history["currentIndex"] - 1]
        with self._next_page():
            self._call("Page.navigateToHistoryEntry", entryId=entry["id"])

    def fill(self, name: str, value: str) -> None:
        """Write *value* into the field of this name by the keyboard, or choose it there."""
        self.ask(f"(({_FIND})({json.dumps(name)})).focus()")
        self.ask("document.activeElement.select?.()")
        for character in value:
            self._call("Input.dispatchKeyEvent", type="keyDown", text=character, key=character)
            self._call("Input.dispatchKeyEvent", type="keyUp", key=character)

    def press(self, button: str) -> None:
        """Press the button of this text by the mouse."""
        place = self.ask(f"({_CENTRE})(({_FIND})({json.dumps(button)}))")
        with self._next_page():
            for kind in ("mousePressed", "mouseReleased"):
                self._call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    @contextlib.contextmanager
    def _next_page(self) -> Iterator[None]:
        """Wait until another document has come in the place of this one."""
        # A page that comes back from the browser's memory has the number of an earlier one.
        number = next(self._numbers)
        self.ask(f"window.number = {number}")
        yield
        end = time.monotonic() + ANSWER_SECONDS
        while not self._has_left(number):
            assert time.monotonic() < end, f"no other page came: {self.text}"
            time.sleep(_POLL_SECONDS)

    def _has_left(self, number: int) -> bool:
        """Whether the page of this number is gone and the next one is complete; a page on its way does not answer."""
        # A new page is an empty one until its own document comes, and that is complete.
        is_next = f"window.number !== {number} && location.href !== 'about:blank'"
        try:
            return bool(self.ask(f"{is_next} && document.readyState === 'complete'"))
        except NoAnswer:
            return False

    def resize(self, width: int, height: int = 800) -> None:
        """Make the window as wide as that of a phone, or of a desk."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self) -> bytes:
        """What a user sees, as a PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot")["data"])


def _wait_for_the_end_of(process: ServerProcess) -> None:
    """Cookies are written down at the very end, which a signal would cut off."""
    end = time.monotonic() + ANSWER_SECONDS
    while process.is_running and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)


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
