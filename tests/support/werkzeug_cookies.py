"""The cookies of a test client of Werkzeug or Flask, whose methods for them have changed in 2.3."""

from __future__ import annotations

from typing import Any


def cookie_of(client: Any, name: str) -> str | None:
    """The value of the cookie *name* that *client* would send."""
    if hasattr(client, "get_cookie"):
        cookie = client.get_cookie(name)
        return None if cookie is None else cookie.value
    return next((cookie.value for cookie in client.cookie_jar if cookie.name == name), None)


def give_cookie(client: Any, name: str, value: str) -> None:
    """Let *client* send the cookie *name*."""
    client.set_cookie(*_host_of(client), name, value)


def take_cookie(client: Any, name: str) -> None:
    """Let *client* send the cookie *name* no more."""
    client.delete_cookie(*_host_of(client), name)


def _host_of(client: Any) -> tuple[str, ...]:
    return () if hasattr(client, "get_cookie") else ("localhost",)
