"""Private Redis servers: one with TLS and a unix socket, a Cluster of three masters with replicas, a Sentinel."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.backoff
import redis.retry
import trustme
from support.servers.process import ServerProcess, find_binary, free_port

MASTERS = 3
SLOTS = 16384
USER, PASSWORD = "app", "p@ss/word:#1"
SERVICE = "sessions"
#: What an application's user may do, and nothing else.
RIGHTS = ("~sessionware:*", "+get", "+set", "+del", "+getrange", "+eval", "+evalsha")
_HOST = "127.0.0.1"
_WAIT_SECONDS = 60.0


def redis_binary() -> str:
    """The server, of either make."""
    binary = find_binary("redis-server", "valkey-server")
    if binary is None:
        pytest.skip("needs redis-server (Debian: apt install redis-server)")
    return binary


def wait_until(condition: Callable[[], object]) -> None:
    """Ask again and again until it holds; an error of the driver is a "not yet"."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        with contextlib.suppress(redis.RedisError, OSError):
            if condition():
                return
        assert time.monotonic() < deadline, "the servers do not come to rest"
        time.sleep(0.02)


def ask(port: int, *command: Any, **options: Any) -> Any:
    """The answer of the server at *port*, over a connection of its own with *options*, without a second try."""
    options |= {"retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0)}
    with redis.Redis(host=_HOST, port=port, socket_timeout=10, socket_connect_timeout=10, **options) as client:
        return client.execute_command(*command)


def redis_process(directory: Path, port: int, *settings: Any) -> ServerProcess:
    """A server on *port* that keeps nothing on disk."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [redis_binary(), "--port", port, "--bind", _HOST, "--dir", directory, "--save", "", *settings]
    return ServerProcess([str(word) for word in command], directory, lambda: bool(ask(port, "PING")))


@contextlib.contextmanager
def running(processes: Sequence[ServerProcess]) -> Iterator[None]:
    """Start all of them, and end all of them when the block ends, even by an error."""
    try:
        for process in processes:
            process.start()
        yield
    finally:
        for process in processes:
            process.kill()


@dataclass
class RedisServer:
    """One server and the ways to reach it."""

    process: ServerProcess
    port: int
    directory: Path
    tls_port: int = 0
    ca: Path = Path()

    @property
    def url(self) -> str:
        return f"redis://{_HOST}:{self.port}/0"

    @property
    def tls_url(self) -> str:
        return f"rediss://{_HOST}:{self.tls_port}/0?ssl_ca_certs={self.ca}"

    @property
    def socket_url(self) -> str:
        return f"unix://{USER}:p%40ss%2Fword%3A%231@{self.directory}/redis.sock"

    @property
    def user_url(self) -> str:
        return f"redis://{USER}:p%40ss%2Fword%3A%231@{_HOST}:{self.port}/0"

    def ask(self, *command: Any) -> Any:
        return ask(self.port, *command)


def tls_settings(directory: Path) -> list[Any]:
    """The settings of a server with a certificate of an authority of its own, whose certificate is ``ca.pem``."""
    authority = trustme.CA()
    certificate = authority.issue_cert(_HOST, "localhost")
    authority.cert_pem.write_to_path(directory / "ca.pem")
    certificate.private_key_pem.write_to_path(directory / "server.key")
    certificate.cert_chain_pems[0].write_to_path(directory / "server.pem")
    names = {"cert-file": "server.pem", "key-file": "server.key", "ca-cert-file": "ca.pem"}
    files = [word for name, file in names.items() for word in (f"--tls-{name}", directory / file)]
    return [*files, "--tls-auth-clients", "no"]


@contextlib.contextmanager
def one_server(directory: Path, *settings: Any) -> Iterator[RedisServer]:
    """A server by TCP, TLS and a unix socket, with a user of few rights beside the default one."""
    directory.mkdir(parents=True, exist_ok=True)
    port, tls_port = free_port(), free_port()
    user = ["--user", USER, "on", f">{PASSWORD}", *RIGHTS]
    socket = ["--unixsocket", directory / "redis.sock"]
    tls = ["--tls-port", tls_port, *tls_settings(directory)]
    process = redis_process(directory, port, *socket, *tls, *user, *settings)
    with running([process]):
        yield RedisServer(process, port, directory, tls_port, directory / "ca.pem")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The server of most tests. It is never stopped."""
    with one_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that a test may stop, freeze and kill."""
    with one_server(tmp_path / "redis") as server:
        yield server


@dataclass
class RedisCluster:
    """Three masters and a replica of each."""

    processes: dict[int, ServerProcess] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{_HOST}:{port}" for port in list(self.processes)[:2])

    def slots(self, port: int | None = None) -> dict[int, int]:
        """The port of the master of each range, by its first slot, as the node at *port* knows it, or the first."""
        known = ask(port or next(iter(self.processes)), "CLUSTER", "SLOTS")
        return {start: master[1] for start, _, master, *_ in known}

    def master_of(self, key: str) -> int:
        """The port of the master that has *key*."""
        slot = ask(next(iter(self.processes)), "CLUSTER KEYSLOT", key)
        return self.slots()[max(start for start in self.slots() if start <= slot)]

    def replica_of(self, master: int) -> int:
        """The port of the replica that follows the *master* at that port."""
        roles = {port: ask(port, "INFO", "replication") for port in self.processes}
        return next(port for port, role in roles.items() if role.get("master_port") == master)

    def node_id(self, port: int) -> str:
        answer: bytes = ask(port, "CLUSTER MYID")
        return answer.decode() if isinstance(answer, bytes) else str(answer)

    def is_whole(self) -> bool:
        """Whether every node knows all others, and every replica follows its master."""
        roles = [ask(port, "INFO", "replication") for port in self.processes]
        states = [ask(port, "CLUSTER INFO") for port in self.processes]
        replicas = [role for role in roles if role["role"] == "slave"]
        return (
            all(state["cluster_state"] == "ok" and state["cluster_known_nodes"] == "6" for state in states)
            and len(replicas) == MASTERS
            and all(role["master_link_status"] == "up" for role in replicas)
        )


@contextlib.contextmanager
def a_cluster(directory: Path, *, notices_after: int = 600) -> Iterator[RedisCluster]:
    """A Cluster that takes a node for dead when it was silent for so many milliseconds."""
    cluster = RedisCluster()
    bus = {}
    for number in range(2 * MASTERS):
        port, bus_port = free_port(), free_port()
        settings: list[Any] = ["--cluster-enabled", "yes", "--cluster-port", bus_port]
        settings += ["--cluster-node-timeout", notices_after]
        settings += ["--repl-diskless-sync-delay", 0, "--cluster-replica-validity-factor", 0]
        cluster.processes[port] = redis_process(directory / str(number), port, *settings)
        bus[port] = bus_port
    with running(list(cluster.processes.values())):
        first, *others = cluster.processes
        for number, port in enumerate([first, *others][:MASTERS]):
            bounds = SLOTS * number // MASTERS, SLOTS * (number + 1) // MASTERS - 1
            ask(port, "CLUSTER", "ADDSLOTSRANGE", *bounds)
            ask(port, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for port in others:
            ask(port, "CLUSTER", "MEET", _HOST, first, bus[first])
        masters, replicas = list(cluster.processes)[:MASTERS], list(cluster.processes)[MASTERS:]
        for master, replica in zip(masters, replicas, strict=True):
            wait_until(partial(_follow, cluster, replica, master))
        wait_until(cluster.is_whole)
        yield cluster


def _follow(cluster: RedisCluster, replica: int, master: int) -> bool:
    """Fails until the replica has heard of its master."""
    return bool(ask(replica, "CLUSTER", "REPLICATE", cluster.node_id(master)))


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """The Cluster of all tests, which a busy machine does not disturb; who stops a node of it starts it again."""
    with a_cluster(tmp_path_factory.mktemp("cluster"), notices_after=20_000) as cluster:
        yield cluster


@dataclass
class RedisSentinel:
    """A master, its replica, and a Sentinel that watches both."""

    port: int
    sentinel: ServerProcess
    nodes: dict[int, ServerProcess]

    @property
    def url(self) -> str:
        # Nothing listens on the first of the two ports.
        return f"redis+sentinel://{_HOST}:1,{_HOST}:{self.port}/{SERVICE}/0"

    def master(self) -> int:
        """The port of the master, as the Sentinel says."""
        return int(ask(self.port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])

    def knows_its_replica(self) -> bool:
        """Whether it could fail over."""
        replicas = ask(self.port, "SENTINEL SLAVES", SERVICE)
        return [replica.get("master-link-status") for replica in replicas] == ["ok"]


@contextlib.contextmanager
def a_sentinel(directory: Path, *, notices_after: int = 500) -> Iterator[RedisSentinel]:
    """A Sentinel that takes a master for dead when it was silent for so many milliseconds."""
    master, replica, port = free_port(), free_port(), free_port()
    quick = ["--repl-diskless-sync-delay", 0]
    nodes = {
        master: redis_process(directory / "master", master, *quick),
        replica: redis_process(directory / "replica", replica, *quick, "--replicaof", f"{_HOST} {master}"),
    }
    with running(list(nodes.values())):
        wait_until(lambda: ask(replica, "INFO", "replication")["master_link_status"] == "up")
        place = directory / "sentinel"
        place.mkdir()
        (place / "sentinel.conf").write_text(
            f"port {port}\nbind {_HOST}\ndir {place}\n"
            f"sentinel monitor {SERVICE} {_HOST} {master} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} {notices_after}\n"
            f"sentinel failover-timeout {SERVICE} 3000\n"
        )
        command = [redis_binary(), str(place / "sentinel.conf"), "--sentinel"]
        process = ServerProcess(command, place, lambda: bool(ask(port, "PING")))
        with running([process]):
            sentinel = RedisSentinel(port, process, nodes)
            wait_until(sentinel.knows_its_replica)
            yield sentinel


@contextlib.contextmanager
def a_tls_sentinel(server: RedisServer) -> Iterator[str]:
    """The URL of a Sentinel that speaks TLS only, and watches *server* so."""
    place, port = server.directory / "sentinel", free_port()
    place.mkdir()
    files = {"cert-file": "server.pem", "key-file": "server.key", "ca-cert-file": "ca.pem"}
    (place / "sentinel.conf").write_text(
        f"port 0\ntls-port {port}\nbind {_HOST}\ndir {place}\ntls-replication yes\ntls-auth-clients no\n"
        + "".join(f"tls-{name} {server.directory / file}\n" for name, file in files.items())
        + f"sentinel monitor {SERVICE} {_HOST} {server.tls_port} 1\n"
    )

    def answers() -> bool:
        with redis.Redis(port=port, ssl=True, ssl_ca_certs=str(server.ca), ssl_check_hostname=False) as client:
            return bool(client.ping())

    with running([ServerProcess([redis_binary(), str(place / "sentinel.conf"), "--sentinel"], place, answers)]):
        yield f"rediss+sentinel://{_HOST}:{port}/{SERVICE}?ssl_ca_certs={server.ca}"


@pytest.fixture(scope="session")
def redis_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSentinel]:
    """The Sentinel of all tests, which a busy machine does not disturb; who stops a node of it starts it again."""
    with a_sentinel(tmp_path_factory.mktemp("sentinel"), notices_after=20_000) as sentinel:
        yield sentinel
