"""Many processes on one table, and a store that was used before a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest
from stores.sql.makers import StoreMaker
from support.constants import SECRET
from support.servers.mariadb import MariaDBServer
from support.servers.postgresql import PostgreSQLServer

from sessionware import SessionMiddleware
from sessionware.stores import SQLAlchemyStore

Server = PostgreSQLServer | MariaDBServer
PROCESSES = 8
IS_SOAKING = bool(os.environ.get("SESSIONWARE_SOAK"))
INCREMENTS = (2000 if IS_SOAKING else 160) // PROCESSES
ROUNDS = 1000 if IS_SOAKING else 20


def in_processes(script: str, *arguments: object, number: int = PROCESSES) -> list[str]:
    """What each of *number* processes prints that run *script* at once; their complaints are failures."""
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", textwrap.dedent(script), *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen([*command, str(mine)], text=True, **pipes) for mine in range(number)]  # type: ignore[call-overload]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=300) for process in processes]
    assert [complaint for _, complaint in answers] == [""] * number
    return [said for said, _ in answers]


VISITOR = """
    import io, sys
    from sessionware import SessionMiddleware
    from sessionware.protocol import vault
    from sessionware.stores import SQLAlchemyStore

    # On a busy machine, eight processes may keep one of them waiting for longer than an answer should take.
    vault.RETRY_SECONDS = 60.0
    url, table, cookie, count, mine = sys.argv[1:]

    def application(environ, start_response):
        session = environ["sessionware.session"]
        if "count" in session:
            session.alter("count", lambda count: count + 1)
            session[f"by-{mine}"] = session.get(f"by-{mine}", 0) + 1
        start_response("200 OK", [])
        return []

    store = SQLAlchemyStore(url, table=table, timeout=30)
    app = SessionMiddleware(application, {"secret": "kQ2zV8sX4nB7mL1pR9tY3wE6uI0oA5dF", "backend": store})
    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "HTTP_HOST": "example.org",
               "HTTP_COOKIE": cookie, "wsgi.errors": io.StringIO()}
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(count)):
        answers = []
        app(dict(environ), lambda status, headers: answers.append((status, headers)))
        assert answers[0][0] == "200 OK", answers
        assert not any(name == "Set-Cookie" for name, _ in answers[0][1])
    store.close()
"""


class Visitor:
    """Requests of one visitor in this process."""

    def __init__(self, store: SQLAlchemyStore) -> None:
        self._app = SessionMiddleware(self._application, {"secret": SECRET, "backend": store})
        self._action: Callable[..., object] = dict
        self.cookie = ""

    def __call__(self, action: Callable[..., object]) -> object:
        self._action = action
        environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "HTTP_HOST": "example.org"}
        self._app({**environ, "HTTP_COOKIE": self.cookie}, self._start_response)
        return self._answer

    def _application(self, environ: dict[str, object], start_response: Callable[..., object]) -> list[bytes]:
        self._answer = self._action(environ["sessionware.session"])
        start_response("200 OK", [])
        return []

    def _start_response(self, status: str, headers: list[tuple[str, str]], *rest: object) -> Callable[[bytes], object]:
        for name, value in headers:
            if name == "Set-Cookie":
                self.cookie = value.partition(";")[0]
        return lambda data: None


def test_eight_processes_lose_no_count_and_no_key(url: str, make: StoreMaker, table: str) -> None:
    visitor = Visitor(make(url))
    visitor(lambda session: session.update(count=0))

    in_processes(VISITOR, url, table, visitor.cookie, INCREMENTS)

    data = visitor(dict)
    assert data == {"count": PROCESSES * INCREMENTS, **{f"by-{mine}": INCREMENTS for mine in range(PROCESSES)}}


def test_a_session_that_ends_among_writers_stays_ended(url: str, make: StoreMaker, table: str) -> None:
    store = make(url)
    visitors = [Visitor(store) for _ in range(ROUNDS)]
    for visitor in visitors:
        visitor(lambda session: session.update(count=0))
    script = VISITOR.replace(
        "for _ in range(int(count)):",
        "for number in range(int(count)):\n        environ['HTTP_COOKIE'] = cookies[number // 5]",
    ).replace("url, table, cookie,", "cookies = sys.argv[3].split()\n    url, table, cookie,")
    cookies = " ".join(visitor.cookie for visitor in visitors)
    command = [sys.executable, "-c", textwrap.dedent(script), url, table, cookies, str(5 * ROUNDS), "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
        for visitor in visitors:
            visitor(lambda session: session.invalidate())

    assert writer.returncode == 0
    assert [visitor(lambda session: session.is_new) for visitor in visitors] == [True] * ROUNDS


FIRST_USE = """
    import sys
    from sessionware.stores import SQLAlchemyStore
    store = SQLAlchemyStore(sys.argv[1], table=sys.argv[2], timeout=30)
    print("ready", flush=True)
    sys.stdin.readline()
    key = sys.argv[3].rjust(43, "x")
    version = store.create(key, b"mine", 60)
    assert store.load(key) == (b"mine", version)
    store.close()
"""


def test_many_workers_may_start_at_once_without_a_table(url: str, table: str) -> None:
    in_processes(FIRST_USE, url, table, number=5)


@pytest.mark.parametrize("made_from", ["url", "engine"])
def test_a_child_uses_no_connection_of_its_parent(url: str, table: str, made_from: str) -> None:
    script = """
        import os, sys
        import sqlalchemy
        from sessionware.stores import SQLAlchemyStore
        print("ready", flush=True)
        sys.stdin.readline()
        _, url, table, made_from, _ = sys.argv
        engine = sqlalchemy.create_engine(url)
        store = SQLAlchemyStore(**{made_from: locals()[made_from]}, table=table)
        keys = [name.rjust(43, "x") for name in ("parent", "child")]
        for key in keys:
            store.create(key, key.encode(), 60)
        child = os.fork()
        mine = keys[1] if child == 0 else keys[0]
        for _ in range(300):
            assert store.load(mine).payload == mine.encode()
        if child == 0:
            store.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert store.load(mine).payload == mine.encode()
        store.close()
        engine.dispose()
    """

    in_processes(script, url, table, made_from, number=1)


def test_greenlets_share_a_store_without_waiting_for_one_another(server: Server, table: str) -> None:
    script = """
        import gevent.monkey
        gevent.monkey.patch_all()
        import gevent, sys, time
        from sessionware.stores import SQLAlchemyStore
        print("ready", flush=True)
        sys.stdin.readline()
        store = SQLAlchemyStore(sys.argv[1], table=sys.argv[2], timeout=30)
        keys = [str(number).rjust(43, "x") for number in range(30)]
        for key in keys:
            store.create(key, key.encode(), 60)
        def check(key):
            for _ in range(10):
                assert store.load(key).payload == key.encode()
            return True
        jobs = [gevent.spawn(check, key) for key in keys]
        gevent.joinall(jobs, raise_error=True)
        assert all(job.value for job in jobs)
        store.close()
    """

    in_processes(script, server.url, table, number=1)
