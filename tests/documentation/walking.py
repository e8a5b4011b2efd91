"""The examples that people open in a browser, and the way of a user through each: in any browser, to any server."""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import webtest
from documentation.examples import EXAMPLES
from support.client import HOST, TIMEOUT_SECONDS
from support.servers.wsgi import serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

WORKERS = 4
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}
_COMMITTER = {"GIT_COMMITTER_NAME": "a reader", "GIT_COMMITTER_EMAIL": "reader@example.org"}
_AUTHOR = {"GIT_AUTHOR_NAME": "a reader", "GIT_AUTHOR_EMAIL": "reader@example.org"}


@dataclass(frozen=True)
class Example:
    """An example, and what a user finds in it."""

    app: str
    #: What a visitor fills in, the button of that form, and what the page shows from then on.
    filled: Mapping[str, str]
    button: str
    kept: str
    #: Beside page.css, or where else its modules are.
    folder: str = ""
    user_field: str = "user"
    refused: str = "This name and this password do not belong together."
    welcome: str = "Welcome, ada!"
    signed_in: str = "Signed in as ada"
    farewell: str = "You are signed out."
    #: Of the shop that comes from Beaker, how many of its two commits were made.
    commits: int | None = None


_NOTE: dict[str, Any] = {"filled": {"note": "<b>tea</b>"}, "button": "Add", "kept": "<b>tea</b>"}
_SHOP: dict[str, Any] = {**_NOTE, "filled": {"item": "<b>tea</b>"}, "refused": "That was wrong."}
_SHOP |= {"welcome": "Signed in as ada", "farewell": "The cart is empty."}
_DEMO: dict[str, Any] = {"folder": "demo", "user_field": "name", "refused": "That is not the password."}
_DEMO |= {"welcome": "Welcome, ada.", "signed_in": "Hello, ada", "farewell": "You are signed out"}
WALKED = {
    "flask_login": Example("flask_login_app:app", **_NOTE),
    "bottle": Example("bottle_app:app", {"theme": "dark"}, "Save", "From now on this page is dark."),
    "pyramid": Example("pyramid_app:app", **_NOTE),
    **{f"from_beaker after {commits}": Example("shop:app", **_SHOP, commits=commits) for commits in range(3)},
    "demo": Example("app:app", {}, "Tea · 4.50 €", "Total 4.50 €", **_DEMO),
}


class Visitor(Protocol):
    """A user in front of a page."""

    @property
    def text(self) -> str:
        """What the page says."""

    def visit(self, path: str) -> None:
        """Open the page at *path*."""

    def fill(self, name: str, value: str) -> None:
        """Write *value* into the field of this name, or choose it there."""

    def press(self, button: str) -> None:
        """Press the button of this text, and wait for the page that follows."""


class PlainVisitor:
    """A user without a browser, who reads pages and sends their forms to the server at *port*."""

    def __init__(self, port: int) -> None:
        # As all browsers send it; one that does not is taken for a proxy.
        headers = {"HTTP_HOST": f"localhost:{port}", "HTTP_CONNECTION": "keep-alive"}
        self._app = webtest.TestApp(_forwarding_to(port), extra_environ=headers)
        self._filled: dict[str, str] = {}
        self._page: Any = None

    @property
    def text(self) -> str:
        return " ".join(self._page.html.get_text(" ").split())

    def visit(self, path: str) -> None:
        self._page = self._app.get(path)

    def fill(self, name: str, value: str) -> None:
        self._filled[name] = value

    def press(self, button: str) -> None:
        (pressed,) = [
            found
            for found in self._page.html.find_all(["button", "input"])
            if button in (found.get_text().strip(), found.get("value"))
        ]
        form = self._page.forms[self._page.html.find_all("form").index(pressed.find_parent("form"))]
        for name, value in self._filled.items():
            form[name] = value
        self._filled = {}
        self._page = form.submit(pressed.get("name"), value=pressed.get("value"), status="*").maybe_follow()


def _forwarding_to(port: int) -> WSGIApplication:
    """An application whose answers are those of the server at *port*."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        headers = {name[5:].replace("_", "-"): text for name, text in environ.items() if name.startswith("HTTP_")}
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if body:
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
        connection.request(environ["REQUEST_METHOD"], environ["PATH_INFO"], body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
        start_response(f"{answer.status} {answer.reason}", kept)
        return [content]

    return app


def after_commits(directory: Path, commits: int) -> Path:
    """A copy of the shop of Beaker's in a repository in *directory*, after so many of its two commits."""
    shop = directory / "shop"
    shutil.copytree(EXAMPLES / "from_beaker", shop)
    for command in ("init --quiet", "add shop.py", "commit --quiet -m Before"):
        git(shop, *command.split())
    for patch in sorted(shop.glob("*.patch"))[:commits]:
        git(shop, "am", "--quiet", patch.name)
    return shop


def git(directory: Path, *command: str) -> None:
    subprocess.run(["git", *command], cwd=directory, env={**os.environ, **_COMMITTER, **_AUTHOR}, check=True)


@contextmanager
def served(example: Example, directory: Path, server: str) -> Iterator[int]:
    """The port on which *server* serves *example*, by four workers if it can."""
    variables = {"SESSION_SECRET": secrets.token_urlsafe(32), "DEMO_DATA": str(directory / "data")}
    place = EXAMPLES / example.folder if example.commits is None else after_commits(directory, example.commits)
    with serving(server, example.app, directory, workers=WORKERS, places=[place], environment=variables) as port:
        yield port


def walk(visitor: Visitor, example: Example) -> None:
    """Do as a user does, from the first page to the sign-out, and see what the example promises."""
    visitor.visit("/")
    sign_in(visitor, example, "coffee")
    assert example.refused in visitor.text
    assert example.signed_in not in visitor.text

    sign_in(visitor, example, "tea")
    assert example.welcome in visitor.text
    assert example.signed_in in visitor.text
    visitor.visit("/")
    assert example.signed_in in visitor.text
    assert example.welcome not in visitor.text or example.signed_in in example.welcome

    for name, value in example.filled.items():
        visitor.fill(name, value)
    visitor.press(example.button)
    assert example.kept in visitor.text
    for _ in range(WORKERS):
        visitor.visit("/")
        assert example.signed_in in visitor.text

    visitor.press("Sign out")
    assert example.farewell in visitor.text
    assert example.signed_in not in visitor.text
    visitor.visit("/")
    assert example.signed_in not in visitor.text
    assert example.kept not in visitor.text


def sign_in(visitor: Visitor, example: Example, password: str) -> None:
    visitor.fill(example.user_field, "ada")
    visitor.fill("password", password)
    visitor.press("Sign in")
