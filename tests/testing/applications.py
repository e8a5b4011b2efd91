"""One small application in each framework, and a client of each kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import bottle  # type: ignore[import-untyped]
import flask
import webtest
import werkzeug.test
from support.constants import PLAIN

from sessionware import SessionMiddleware, get_session
from sessionware.integrations.flask import Sessionware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def shown(session: Any) -> str:
    """What each application answers: who is signed in, and the data, but for what Flask-Login would read."""
    data = {key: value for key, value in session.items() if not key.startswith("_")}
    return json.dumps({"user": session.user_id, **data})


def plain(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers at each address."""
    start_response("200 OK", PLAIN)
    return [shown(get_session(environ)).encode()]


def _wrapped_plain(options: Any) -> Any:
    return SessionMiddleware(plain, options)


def _webtest(options: Any) -> Any:
    return webtest.TestApp(_wrapped_plain(options))


def _webtest_on_https(options: Any) -> Any:
    environ = {"wsgi.url_scheme": "https", "HTTP_HOST": "shop.example"}
    return webtest.TestApp(_wrapped_plain(options), extra_environ=environ)


def _werkzeug(options: Any) -> Any:
    return werkzeug.test.Client(_wrapped_plain(options))


def _flask(options: Any) -> Any:
    app = flask.Flask("shop")
    app.add_url_rule("/", view_func=lambda: shown(get_session(flask.request.environ)))
    app.wsgi_app = SessionMiddleware(app.wsgi_app, options)  # type: ignore[method-assign]
    return app.test_client()


def _flask_session(options: Any) -> Any:
    app = flask.Flask("shop")
    app.config["SESSIONWARE"] = options
    app.add_url_rule("/", view_func=lambda: shown(flask.session))
    Sessionware(app)
    return app.test_client()


def _bottle(options: Any) -> Any:
    app = bottle.Bottle()
    app.get("/", callback=lambda: shown(get_session(bottle.request.environ)))
    return webtest.TestApp(SessionMiddleware(app, options))


#: Makes a client, or an application, with these options of its middleware.
CLIENTS: dict[str, Callable[[Any], Any]] = {
    "plain": _wrapped_plain,
    "webtest": _webtest,
    "webtest on https": _webtest_on_https,
    "werkzeug": _werkzeug,
    "flask": _flask,
    "flask.session": _flask_session,
    "bottle": _bottle,
}
