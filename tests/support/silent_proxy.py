"""A proxy that drops connections as a firewall does: it forwards nothing any more, and tells neither end."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator

_HOST = "127.0.0.1"
_CHUNK_BYTES = 65536
_POLL_SECONDS = 0.02


class SilentProxy:
    """Forwards connections to the server at *port*, each of them until :meth:`drop`."""

    def __init__(self, port: int) -> None:
        self._target = (_HOST, port)
        self._listener = socket.create_server((_HOST, 0))
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._dropped: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self.accepted = 0

    @property
    def port(self) -> int:
        number: int = self._listener.getsockname()[1]
        return number

    def drop(self) -> None:
        """From now on nothing passes over the connections that are open; those that are opened later work."""
        with self._lock:
            # Kept, because to collect a socket would close it.
            self._dropped += self._pairs
            self._pairs = {}

    def run(self) -> None:
        """Forward until :meth:`stop`."""
        while not self._is_over.is_set():
            with self._lock:
                watched = [self._listener, *self._pairs]
            for ready in select.select(watched, [], [], _POLL_SECONDS)[0]:
                with self._lock:
                    if ready is self._listener:
                        self._accept()
                    elif ready in self._pairs:
                        self._forward(ready)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(self._target)
        self._pairs |= {client: server, server: client}
        self.accepted += 1

    def _forward(self, sender: socket.socket) -> None:
        data = b""
        with contextlib.suppress(ConnectionError):
            data = sender.recv(_CHUNK_BYTES)
        if data:
            self._pairs[sender].sendall(data)
            return
        receiver = self._pairs.pop(sender)
        del self._pairs[receiver]
        sender.close()
        receiver.close()

    def stop(self) -> None:
        """Let :meth:`run` return."""
        self._is_over.set()

    def close(self) -> None:
        for each in (self._listener, *self._pairs, *self._dropped):
            each.close()


@contextlib.contextmanager
def silent_proxy(port: int) -> Iterator[SilentProxy]:
    """A proxy in a thread, in front of the server at *port*."""
    proxy = SilentProxy(port)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()
        proxy.close()
