"""A public https site behind a real nginx: whatever nginx tells of itself, the session's cookie is Secure.

The old release speaks HTTP/1.0 to the application and closes; since 1.29.7 it speaks HTTP/1.1.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from documentation.pages import ROOT, blocks
from production.serving import gunicorn
from support.client import HOST, TIMEOUT_SECONDS
from support.constants import COOKIE
from support.servers.nginx import SITE, Nginx, nginx

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/148.0", "Connection": "keep-alive"}
#: What a site may tell nginx to say to the application, beside ``proxy_pass`` alone.
WAYS = {
    "bare": "",
    "x-forwarded-proto": "proxy_set_header X-Forwarded-Proto $scheme;",
    "x-forwarded-for": "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    "x-real-ip": "proxy_set_header X-Real-IP $remote_addr;",
    "forwarded": 'proxy_set_header Forwarded "for=$remote_addr;proto=https";',
    "via": 'proxy_set_header Via "1.1 nginx";',
    "host": "proxy_set_header Host $host;",
    "http-1-0": "proxy_http_version 1.0;",
    "http-1-1": "proxy_http_version 1.1;",
    "http-1-1-close": "proxy_http_version 1.1; proxy_set_header Connection close;",
    "no-connection": 'proxy_http_version 1.1; proxy_set_header Connection "";',
}
#: The site says that connections to the application stay open, as a browser does.
KEEP_ALIVE = "proxy_http_version 1.1; proxy_set_header Connection keep-alive;"


def locations(port: int, path: Path) -> dict[str, str]:
    """Each way over TCP and over the unix socket, and over an upstream whose connections are kept."""
    passes = {
        "tcp": f"proxy_pass http://{HOST}:{port};",
        "unix": f"proxy_pass http://unix:{path};",
        "kept": "proxy_pass http://kept_alive;",
    }
    ways = {**WAYS, "keep-alive": KEEP_ALIVE}
    found = {f"/{kind}/{way}": f"{to} {told}" for kind, to in passes.items() for way, told in ways.items()}
    return {**found, "/documented": documented().replace("127.0.0.1:8000", f"{HOST}:{port}")}


def documented() -> str:
    """The directives that the page about deployment gives for a location."""
    [(_, text)] = blocks(ROOT / "docs" / "deployment.rst", "nginx")
    return " ".join(line.strip() for line in text.splitlines()[1:-1])


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port and the unix socket of a gunicorn."""
    directory = tmp_path_factory.mktemp("gunicorn")
    path = directory / "app.sock"
    with gunicorn(directory, "cookie", worker="gthread", way="in each worker", bind=f"unix:{path}") as (port, _):
        yield port, path


@pytest.fixture(scope="module", params=["old", "new"])
def proxy(
    request: pytest.FixtureRequest, application: tuple[int, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nginx]:
    """An nginx in front of it."""
    port, path = application
    directory = tmp_path_factory.mktemp("nginx")
    with nginx(request.param, directory, f"{HOST}:{port}", locations(port, path)) as found:
        yield found


def get(proxy: Nginx, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    """The answer that a browser gets from the https site, and its body."""
    context = ssl.create_default_context()
    proxy.authority.configure_trust(context)
    connection = http.client.HTTPSConnection(SITE, proxy.port, timeout=TIMEOUT_SECONDS, context=context)
    connection.sock = context.wrap_socket(socket.create_connection((HOST, proxy.port)), server_hostname=SITE)
    try:
        connection.request("GET", path, headers={**BROWSER, **headers})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def set_cookie(proxy: Nginx, way: str, **headers: str) -> str:
    """The Set-Cookie line for a browser that begins a session."""
    response, _ = get(proxy, f"{way}/begin?me", **headers)
    assert response.status == 200
    return response.getheader("Set-Cookie") or ""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["tcp", "unix", "kept"])
def test_a_public_https_site_behind_nginx_has_a_secure_cookie(proxy: Nginx, kind: str, way: str) -> None:
    line = set_cookie(proxy, f"/{kind}/{way}")

    assert line.startswith(f"{COOKIE}=")
    assert "; Secure" in line


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Referer": f"https://{SITE}/"}, id="Referer"),
        pytest.param({"Origin": f"https://{SITE}"}, id="Origin"),
    ],
)
def test_where_nginx_says_keep_alive_as_a_browser_does_the_page_before_shows_it(
    proxy: Nginx, headers: dict[str, str]
) -> None:
    line = set_cookie(proxy, "/tcp/keep-alive", **headers)

    assert line.startswith(f"{COOKIE}=")
    assert "; Secure" in line


def test_a_browser_on_this_machine_without_a_proxy_has_a_cookie_without_secure(application: tuple[int, Path]) -> None:
    port, _ = application
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/begin?me", headers={**BROWSER, "Referer": f"http://{HOST}:{port}/"})
        response = connection.getresponse()
        response.read()
    finally:
        connection.close()

    line = response.getheader("Set-Cookie") or ""
    assert line.startswith("sid=")
    assert "; Secure" not in line


@pytest.mark.parametrize(
    ("way", "status"),
    [
        pytest.param("/tcp/host", 502, id="with nginx's own size of its buffer"),
        pytest.param("/documented", 200, id="with the documented one"),
    ],
)
def test_a_cookie_session_as_large_as_a_browser_takes_needs_a_larger_buffer(
    proxy: Nginx, way: str, status: int
) -> None:
    response, _ = get(proxy, f"{way}/begin?{'x' * 2850}")

    assert response.status == status


def test_with_the_documented_settings_nothing_needs_to_be_judged(proxy: Nginx) -> None:
    """The application is told of https, so that a client that shows nothing has the same cookie as a browser."""
    curl = {"User-Agent": "curl/8.0"}
    line = set_cookie(proxy, "/documented", **curl)

    _, body = get(proxy, "/documented/read", Cookie=line.partition(";")[0], **curl)

    assert line.startswith(f"{COOKIE}=")
    assert json.loads(body)["owner"] == "me"
