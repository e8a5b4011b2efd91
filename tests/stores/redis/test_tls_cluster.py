"""A Cluster that speaks TLS only."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis.crc
import trustme
from support.servers.redis_tls import TLSCluster, a_tls_cluster

from sessionware.exceptions import StoreUnavailable
from sessionware.stores import Entry, RedisStore

PREFIX = "sessionware:"


@pytest.fixture(scope="module")
def tls_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TLSCluster]:
    with a_tls_cluster(tmp_path_factory.mktemp("tls_cluster")) as cluster:
        yield cluster


def test_every_master_keeps_its_sessions(tls_cluster: TLSCluster) -> None:
    store = RedisStore(tls_cluster.url, timeout=5)
    keys = [secrets.token_urlsafe(32) for _ in range(50)]

    created = {key: store.create(key, b"old", 60) for key in keys}
    replaced = {key: store.replace(key, b"new", 60, version) for key, version in created.items()}
    names = tls_cluster.names()
    loaded = {key: store.load(key) for key in keys}
    deleted = [store.delete(key) for key in keys]

    assert all(names.values())
    assert sorted(name for kept in names.values() for name in kept) == sorted(f"{PREFIX}{key}".encode() for key in keys)
    assert loaded == {key: Entry(b"new", version) for key, version in replaced.items()}
    assert deleted == [True] * len(keys)
    assert [store.load(key) for key in keys] == [None] * len(keys)
    assert not any(tls_cluster.names().values())
    store.close()


def test_a_slot_that_has_moved_is_followed_by_tls(tls_cluster: TLSCluster) -> None:
    store = RedisStore(tls_cluster.url, timeout=5)
    key = secrets.token_urlsafe(32)
    slot = redis.crc.key_slot(f"{PREFIX}{key}".encode())
    store.create(key, b"payload", 60)
    (source,) = [port for port, names in tls_cluster.names().items() if f"{PREFIX}{key}".encode() in names]
    target = next(port for port in tls_cluster.processes if port != source)
    assert store.delete(key)

    ids = {port: tls_cluster.ask(port, "CLUSTER MYID") for port in (target, source)}
    # An import that ends makes the target's claim the younger one, which all believe.
    tls_cluster.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    for port in (target, source):
        tls_cluster.ask(port, "CLUSTER", "SETSLOT", slot, "NODE", ids[target])
    version = store.create(key, b"moved", 60)

    assert tls_cluster.names()[target] == [f"{PREFIX}{key}".encode()]
    assert store.load(key) == Entry(b"moved", version)
    assert store.delete(key)
    store.close()


def other_authority(cluster: TLSCluster, directory: Path) -> str:
    """The Cluster's URL with a certificate of an authority that it has nothing to do with."""
    trustme.CA().cert_pem.write_to_path(directory / "other.pem")
    return cluster.url.replace(str(cluster.ca), str(directory / "other.pem"))


@pytest.mark.parametrize(
    "url_of",
    [
        pytest.param(other_authority, id="another authority"),
        pytest.param(lambda cluster, directory: f"rediss+cluster://{cluster.hosts}", id="those of the system"),
        pytest.param(lambda cluster, directory: f"redis+cluster://{cluster.hosts}", id="without TLS"),
    ],
)
def test_whoever_cannot_be_verified_is_unavailable(
    tls_cluster: TLSCluster, tmp_path: Path, url_of: Callable[[TLSCluster, Path], str]
) -> None:
    store = RedisStore(url_of(tls_cluster, tmp_path), timeout=5)
    key = secrets.token_urlsafe(32)
    calls: list[Callable[[], object]] = [
        lambda: store.create(key, b"payload", 60),
        lambda: store.replace(key, b"payload", 60, b"v" * 16),
        lambda: store.load(key),
        lambda: store.delete(key),
    ]

    for call in calls:
        with pytest.raises(StoreUnavailable):
            call()

    assert not any(tls_cluster.names().values())
