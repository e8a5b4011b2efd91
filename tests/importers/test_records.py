"""Where former records stand: what cannot be read from is refused at start, and no process shares a connection."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Any

import pymemcache  # type: ignore[import-untyped]
import pytest
import redis
import redis.asyncio
import sqlalchemy
from support.children import Tell, a_child

from sessionware import ConfigError
from sessionware.importers.records import MemcachedRecords, RedisRecords, SQLRecords


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: RedisRecords("localhost:6379"), "RedisRecords: the URL cannot be used (ValueError): write redis://"),
        (lambda: RedisRecords(None), "RedisRecords: expected a URL, or a client of redis-py"),
        (lambda: RedisRecords(redis.asyncio.Redis()), "a client of redis-py that is not asynchronous"),
        (lambda: RedisRecords(redis.Redis(decode_responses=True)), "the client has decode_responses=True"),
        (lambda: RedisRecords("redis://localhost?decode_responses=true"), "the client has decode_responses=True"),
        (lambda: SQLRecords("shop.db"), "SQLRecords: the URL cannot be used (ArgumentError): write postgresql"),
        (lambda: SQLRecords(None), "SQLRecords: expected a URL, or an engine of SQLAlchemy"),
        (lambda: MemcachedRecords("localhost:port"), "the memcached URL has a server without a name, or with a wrong"),
        (lambda: MemcachedRecords("one:11211,two:11211"), "of several give a HashClient of pymemcache"),
    ],
)
def test_what_gives_no_records_is_refused_at_start(make: Callable[[], Any], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()

    assert fault in str(caught.value)


def test_a_url_of_sqlalchemy_and_one_of_memcached_are_taken() -> None:
    SQLRecords(sqlalchemy.make_url("sqlite:///shop.db"))
    MemcachedRecords("memcached://localhost:11211")


def test_a_process_that_has_forked_reads_no_answer_to_the_other_one(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("memcached_server").url.partition("://")[2]
    client = pymemcache.Client(server)
    for key in ("parent", "child"):
        client.set(key, key.encode(), noreply=False)
    client.close()
    records = MemcachedRecords(server)

    def wrong_answers(key: str) -> int:
        answers = [records.get(one, 0.0) for one in repeat(key, 2000)]
        return sum(answer is None or answer.payload != key.encode() for answer in answers)

    def run(tell: Tell) -> None:
        tell(0)
        tell(wrong_answers("child"))

    assert records.get("parent", 0.0)
    with a_child(run) as child:
        child.listen(1)
        own = wrong_answers("parent")
        child.listen(1)

    assert (own, child.last) == (0, 0)
