"""Sessions of ours in the place of pyramid_session_redis's, for the parts of its suite that use one as a mapping."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pyramid_session_redis  # type: ignore[import-not-found,unused-ignore]
from peers.pyramid_sessions import make_factory

from sessionware import SessionManager
from sessionware.integrations.pyramid_session import PyramidSession


class _RedisSession(PyramidSession):
    """Has the members by which the suite looks into the store."""

    __slots__ = ("_cookie", "_manager")
    _cookie: str
    _manager: SessionManager

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def session_id(self) -> str:
        return self.id  # type: ignore[no-any-return]

    def do_persist(self) -> None:
        """Write the session, and keep the cookie that leads to it."""
        self.save()
        lines = self._session._request.cookie_lines  # type: ignore[union-attr]
        self._cookie = lines[-1].partition(";")[0] if lines else self._cookie

    def from_redis(self) -> dict[str, Any]:
        """What another request finds."""
        found = PyramidSession(self._manager.open({"HTTP_COOKIE": self._cookie}))
        return {"m": found, "c": found.created}


def _make_one(test: object, session_dict: Any = None, new: bool = True, **options: Any) -> _RedisSession:
    """A session of the suite's, in a store or in a cookie."""
    manager: Any = make_factory().manager
    session = _RedisSession(manager.open({}))
    session._manager, session._cookie = manager, ""
    if new and not session_dict:
        return session
    session.update(session_dict)
    session.do_persist()
    found = _RedisSession(manager.open({"HTTP_COOKIE": session._cookie}))
    found._manager, found._cookie = manager, session._cookie
    return found


def _include(config: Any) -> None:
    factory = make_factory(**{"cookie.name": "session"})
    config.set_session_factory(lambda request: _RedisSession(factory(request)._session))


def stand_in_for_dummies(module: ModuleType) -> None:
    """Let the tests in *module* make these."""
    found = vars(module)
    if "TestRedisSession" in found:
        found["TestRedisSession"]._set_up_session_in_Redis_and_makeOne = _make_one
    if "AppTest" in found:
        found["RedisSession"] = PyramidSession
        found["is_cookie_unsetter"] = lambda cookie: "Max-Age=0" in cookie


def stand_in() -> None:
    """Let the suite's application have these."""
    pyramid_session_redis.includeme = _include
