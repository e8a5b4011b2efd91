"""A client that talks to a real server on this machine."""

from __future__ import annotations

import http.client
from dataclasses import dataclass

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 60.0


@dataclass
class Client:
    """A browser with one cookie."""

    port: int
    cookie: str | None = None

    def open(
        self, path: str, method: str = "GET", *, body: bytes | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> http.client.HTTPResponse:
        """The server's answer, its body still to be read, over a connection of its own, which any worker may take."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout)
        headers = {"Connection": "close", **({"Cookie": self.cookie} if self.cookie else {})}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:  # a server that keeps the connection all the same; the response still reads it
            connection.sock.close()
        cookie = response.getheader("Set-Cookie")
        if cookie is not None:
            self.cookie = cookie.partition(";")[0]
        return response

    def get(self, path: str, method: str = "GET", *, body: bytes | None = None) -> tuple[int, bytes]:
        """The status and the body."""
        with self.open(path, method, body=body) as response:
            return response.status, response.read()
