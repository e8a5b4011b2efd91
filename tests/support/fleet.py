"""Old and new workers behind one address, and users who are served by any of them: what is lost in a move."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from support.actions import Action, call, login, member
from support.browser import Browser, Site
from support.places import IS_SOAK

#: All of them take minutes with a framework.
USERS = 200 if IS_SOAK else 50
ROUNDS_OF_A_PHASE = 4


class Jar:
    """The cookies of one browser."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}


class Worker(Protocol):
    """One worker. Each call is a request with the cookies of *jar*, which then has those of the answer."""

    def log_in(self, jar: Jar, user: str) -> None: ...

    def log_out(self, jar: Jar) -> None: ...

    def write(self, jar: Jar) -> None: ...

    def who(self, jar: Jar) -> str | None: ...


class OurWorker:
    """A worker of a site with our middleware."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def _send(self, jar: Jar, action: Action) -> Any:
        browser = Browser(self._site)
        browser.cookies = jar.cookies
        return browser.send(action).result

    def log_in(self, jar: Jar, user: str) -> None:
        self._send(jar, login(user))

    def log_out(self, jar: Jar) -> None:
        self._send(jar, call("clear"))

    def write(self, jar: Jar) -> None:
        self._send(jar, call("alter", "visits", lambda visits: visits + 1, default=0))

    def who(self, jar: Jar) -> str | None:
        found: str | None = self._send(jar, member("user_id"))
        return found


@dataclass
class Losses:
    """Requests that have shown what they should not: nobody, one who had logged out, another than the last login."""

    logouts: int = 0
    resurrections: int = 0
    lost_logins: int = 0
    requests: int = field(default=0, compare=False)


def run(old: Worker, new: Worker, advance: Callable[[float], Any], seed: int) -> Losses:
    """Two workers of each kind while a deploy goes forth, back, and forth again, and in between one kind alone.

    A login is asked of the kind that serves all users then, or of an old worker: a login at a new one cannot be known
    to an old one.
    """
    dice, losses = random.Random(seed), Losses()
    jars = {f"user {number}": Jar() for number in range(USERS)}
    signed_in: dict[str, str | None] = dict.fromkeys(jars)
    for name, jar in jars.items():
        old.log_in(jar, name)
        signed_in[name] = name
    mixed = (old, old, new, new)
    for workers in ((old, old), mixed, (new, new), mixed, (old, old), mixed, (new, new)):
        for _ in _rounds(advance):
            for name, jar in jars.items():
                _visit(dice, workers, jar, name=name, signed_in=signed_in, old=old)
                _look(dice.choice(workers).who(jar), signed_in[name], losses)
    return losses


def _rounds(advance: Callable[[float], Any]) -> Iterable[int]:
    for number in range(ROUNDS_OF_A_PHASE):
        advance(300)
        yield number


def _visit(
    dice: random.Random,
    workers: tuple[Worker, ...],
    jar: Jar,
    *,
    name: str,
    signed_in: dict[str, str | None],
    old: Worker,
) -> None:
    worker, choice = dice.choice(workers), dice.random()
    if choice < 0.1 and signed_in[name] is not None:
        worker.log_out(jar)
        signed_in[name] = None
    elif choice < 0.4 and signed_in[name] is None and old in workers:
        old.log_in(jar, name)
        signed_in[name] = name
    elif choice < 0.7 and signed_in[name] is not None:
        worker.write(jar)


def _look(seen: str | None, expected: str | None, losses: Losses) -> None:
    losses.requests += 1
    if expected is None and seen is not None:
        losses.resurrections += 1
    elif expected is not None and seen is None:
        losses.logouts += 1
    elif seen != expected:
        losses.lost_logins += 1
