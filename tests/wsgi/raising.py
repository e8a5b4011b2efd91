"""Applications that change their session and raise an error before it is committed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from support.exchange import KEY, PLAIN

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def raising_at_once(error: BaseException) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ[KEY]["new"] = 1
        raise error

    return app


def raising_after_start(error: BaseException) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", PLAIN)
        environ[KEY]["new"] = 1
        raise error

    return app


def raising_in_the_first_chunk(error: BaseException) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        environ[KEY]["new"] = 1
        raise error
        yield b""

    return app


RAISING = [raising_at_once, raising_after_start, raising_in_the_first_chunk]
raising = pytest.mark.parametrize("failing", RAISING, ids=lambda failing: failing.__name__)
