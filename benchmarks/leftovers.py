"""Counts what requests leave behind: objects for the garbage collector, and bytes.

Reference counts free what a request has made as soon as it ends, unless its objects hold each other in a cycle. Such a
cycle waits for the collector, and all that it holds, such as a body in ``environ``, waits with it.
"""

from __future__ import annotations

import gc
import io
import itertools
import logging
import tracemalloc
from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchmarks import contenders
from benchmarks.contenders import BEAKERS, OURS, Middleware, beaker_cookie, cookies, ours
from benchmarks.rows import Row
from benchmarks.subject import USER_KEY, Request, sessions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SCHEMES = ("https", "http")
COUNTED_REQUESTS = 200
UPLOADS = 400
UPLOAD_BYTES = 2_000_000
UPLOAD = bytes(UPLOAD_BYTES)
CHUNK_BYTES = 65536
VISITORS = 2000
PAGES = 20
MEGABYTE = 1e6

Counts = dict[str, float]


def counts(*, with_beaker: bool) -> Counts:
    """All figures by their names: objects per request, MB at the peak of the uploads, bytes kept of each visitor."""
    # Sessions over plain http are told of in a warning, once.
    logging.getLogger("sessionware").setLevel(logging.ERROR)
    others = {"Beaker": (beaker_cookie(), BEAKERS)} if with_beaker else {}
    found: Counts = {"uploads": peak_megabytes(_receiving, "https")}
    for whose, (middleware, key) in {"": (ours(), OURS), **others}.items():
        suffix = whose and f", {whose}"
        for scheme in SCHEMES:
            # Beaker's cookie has Secure over plain http too, which Request sends back all the same.
            for name, call in _requests(middleware, key, scheme).items():
                found[f"{name}, {scheme}{suffix}"] = objects_left(call)
            found[f"uploads, untouched, {scheme}{suffix}"] = peak_megabytes(middleware(_receiving), scheme)
            found[f"uploads, read, {scheme}{suffix}"] = peak_megabytes(middleware(_reading_beside(key)), scheme)
        found[f"kept of a visitor{suffix}"] = bytes_kept(middleware, key)
    return found


def _requests(middleware: Middleware, key: str, scheme: str) -> dict[str, Request]:
    first = cookies(middleware, key, sessions(), scheme)
    apps = {
        "untouched list": contenders.plain_list,
        "untouched generator": contenders.plain_generator,
        "read": contenders.reading(key),
        "write": contenders.writing(key),
    }
    return {name: Request(middleware(app), first, scheme=scheme) for name, app in apps.items()}


def objects_left(call: Request) -> float:
    """How many objects, on average, each call leaves to the collector."""
    for _ in range(COUNTED_REQUESTS):
        call()
    gc.collect()
    gc.disable()
    try:
        for _ in range(COUNTED_REQUESTS):
            call()
        return gc.collect() / COUNTED_REQUESTS
    finally:
        gc.enable()


def _receiving(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Reads the body into ``environ``, as frameworks do."""
    received = iter(lambda: environ["wsgi.input"].read(CHUNK_BYTES), b"")
    environ["upload.body"] = b"".join(received)
    return contenders.plain_list(environ, start_response)


def _reading_beside(key: str) -> WSGIApplication:
    """Reads the body while its session is open."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[key].get(USER_KEY)
        return _receiving(environ, start_response)

    return app


def peak_megabytes(app: WSGIApplication, scheme: str) -> float:
    """How many MB, beyond what there was before, the uploads have taken at most at one moment."""

    def receiving(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"] = io.BytesIO(UPLOAD)
        return app(environ, start_response)

    upload = Request(receiving, scheme=scheme)
    upload()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(UPLOADS):
            upload()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (peak - before) / MEGABYTE


def bytes_kept(middleware: Middleware, key: str) -> float:
    """How many bytes of each visitor, who has keys of their own, are still there when all of them have gone."""
    app = middleware(_browsing(key))
    tracemalloc.start()
    try:
        # The interpreter's own tables grow with the first visitors.
        for _ in range(VISITORS):
            _visit(app)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(VISITORS):
            _visit(app)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / VISITORS


def _browsing(key: str) -> WSGIApplication:
    """Remembers pages that no other visitor has seen, in a first request, and reads them in a second one."""
    numbers = itertools.count()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        session = environ[key]
        if USER_KEY not in session:
            number = next(numbers)
            session.update({USER_KEY: number, **{f"seen {number} {page}": page for page in range(PAGES)}})
            if key == BEAKERS:
                session.save()
        return contenders.plain_list(environ, start_response)

    return app


def _visit(app: WSGIApplication) -> None:
    first = Request(app)
    first()
    Request(app, [first.cookie()])()


def rows(found: Counts) -> list[Row]:
    """The comparisons of what is left; a request that touches no session leaves nothing."""
    names = [f"untouched {body}, {scheme}" for scheme in SCHEMES for body in ("list", "generator")]
    return [Row(name, "objects left", found[name], 0.0, found[name], 0.0, "") for name in names]


def print_counts(found: Counts) -> None:
    print(f"\nobjects that a request leaves to the collector, MB at the peak of {UPLOADS} uploads of 2 MB, bytes kept:")
    for name, count in found.items():
        print(f"  {name:<42}{count:>9.1f}")
