"""A private Redis Cluster of three masters that speaks TLS only: with its clients, and from node to node."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from support.servers.process import ServerProcess, free_port
from support.servers.redis import MASTERS, SLOTS, ask, redis_binary, running, tls_settings, wait_until

_HOST = "127.0.0.1"


@dataclass
class TLSCluster:
    """Three masters, none of which has a port without TLS."""

    ca: Path
    processes: dict[int, ServerProcess] = field(default_factory=dict)

    @property
    def hosts(self) -> str:
        return ",".join(f"{_HOST}:{port}" for port in list(self.processes)[:2])

    @property
    def url(self) -> str:
        return f"rediss+cluster://{self.hosts}?ssl_ca_certs={self.ca}"

    def ask(self, port: int, *command: Any) -> Any:
        return ask(port, *command, ssl=True, ssl_ca_certs=str(self.ca))

    def names(self) -> dict[int, list[bytes]]:
        """What each master has, by its port."""
        return {port: self.ask(port, "KEYS", "*") for port in self.processes}

    def is_whole(self) -> bool:
        """Whether every node knows all others."""
        states = [self.ask(port, "CLUSTER INFO") for port in self.processes]
        return all(state["cluster_state"] == "ok" and state["cluster_known_nodes"] == str(MASTERS) for state in states)


@contextlib.contextmanager
def a_tls_cluster(directory: Path) -> Iterator[TLSCluster]:
    """A Cluster whose nodes have one certificate, which a busy machine does not disturb."""
    cluster, certificates = TLSCluster(directory / "ca.pem"), tls_settings(directory)
    bus = {}
    for number in range(MASTERS):
        port, place = free_port(), directory / str(number)
        bus[port] = free_port()
        place.mkdir()
        command = [redis_binary(), "--port", 0, "--tls-port", port, "--bind", _HOST, "--dir", place, "--save", ""]
        command += [*certificates, "--tls-cluster", "yes", "--cluster-enabled", "yes", "--cluster-port", bus[port]]
        command += ["--cluster-node-timeout", 20_000]
        answers = partial(cluster.ask, port, "PING")
        cluster.processes[port] = ServerProcess([str(word) for word in command], place, answers)
    with running(list(cluster.processes.values())):
        for number, port in enumerate(cluster.processes):
            bounds = SLOTS * number // MASTERS, SLOTS * (number + 1) // MASTERS - 1
            cluster.ask(port, "CLUSTER", "ADDSLOTSRANGE", *bounds)
            cluster.ask(port, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        # Each is told of all: who hears of the others by hearsay only hears of them late.
        for port, other in itertools.combinations(cluster.processes, 2):
            cluster.ask(port, "CLUSTER", "MEET", _HOST, other, bus[other])
        wait_until(cluster.is_whole)
        yield cluster
