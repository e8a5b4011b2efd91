"""What a real browser lets other sites do to a session: forms, scripts, frames, links and the answers of providers.

On plain http Chromium sends ``Origin`` alone; on https it sends ``Sec-Fetch-Site``, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from production.neighbours import Request, Web, served
from support.servers.chromium import Chromium, Window, chromium

#: Beside the shop of the defaults, one whose cookie goes with every request of another site (on https, for which
#: SameSite=None is), and one that trusts a provider and its own subdomains.
SHOP, OPEN_SHOP, TRUSTING_SHOP = "shop.test", "open.test", "trusting.test"
EVIL, PROVIDER, MAIL = "evil.test", "login.provider.test", "mail.test"
FORGED = "<form method=post action={url}><input name=a value=b></form><script>document.forms[0].submit()</script>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="module", params=["http", "https"])
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    found = Web(request.param)
    with served(found):
        samesite = "None" if found.scheme == "https" else "Lax"
        trusted = [found.url(PROVIDER, ""), found.url("*.trusting.test", "")]
        found.add_shop(SHOP)
        found.add_shop(OPEN_SHOP, **{"cookie.samesite": samesite})
        found.add_shop(TRUSTING_SHOP, **{"cookie.samesite": samesite, "trusted_origins": trusted})
        yield found


class Visit:
    """A user who has a session at a shop, and then opens pages of other sites."""

    def __init__(self, web: Web, window: Window) -> None:
        self.web = web
        self.window = window

    def begin(self, shop: str) -> str:
        """Begin a session at *shop*; the URL that changes it."""
        self.window.visit(self.web.url(shop, "/begin"))
        self.web.request(shop, "/ready")
        self.web.forget()
        return self.web.url(shop, "/change")

    def page(self, host: str, html: str, **urls: str) -> None:
        """Open a page of *host*, in which ``{name}`` stands for a URL of *urls*."""
        self.web.pages[host, "/page"] = html.format(**urls)
        self.window.visit(self.web.url(host, "/page"))

    def caused(self, shop: str, method: str = "POST") -> Request:
        """What came to *shop* to change its session."""
        return self.web.request(shop, "/change", method)

    def session(self, shop: str) -> dict[str, Any]:
        """What the user's next visit finds there."""
        self.web.forget()
        self.window.visit(self.web.url(shop, "/read"))
        return self.web.request(shop, "/read").session

    def told(self, site: str) -> str | None:
        """What Sec-Fetch-Site says of *site*."""
        return site if self.web.scheme == "https" else None


@pytest.fixture
def visit(web: Web, browser: Chromium) -> Iterator[Visit]:
    with browser.window() as window:
        yield Visit(web, window)


def assert_is_refused(visit: Visit, request: Request, *, origin: str, site: str) -> None:
    """The browser told where *request* came from, the answer was 403, and the session is as it was."""
    assert (request.origin, request.site) == (origin, visit.told(site))
    assert request.status == 403
    assert visit.session(request.host) == {"owner": "ada"}


def test_a_form_of_the_shop_itself_changes_the_session(visit: Visit) -> None:
    visit.begin(SHOP)
    visit.window.visit(visit.web.url(SHOP, "/form"))

    request = visit.caused(SHOP)

    assert (request.origin, request.site) == (visit.web.url(SHOP, ""), visit.told("same-origin"))
    assert request.status == 200
    assert visit.session(SHOP) == {"owner": "ada", "changed": True}


@pytest.mark.parametrize("shop", [SHOP, OPEN_SHOP])
def test_a_form_of_another_site_is_refused(visit: Visit, shop: str) -> None:
    visit.page(EVIL, FORGED, url=visit.begin(shop))

    request = visit.caused(shop)

    assert request.has_cookie == (shop == OPEN_SHOP and visit.web.scheme == "https")
    assert_is_refused(visit, request, origin=visit.web.url(EVIL, ""), site="cross-site")


def test_a_form_of_a_sibling_subdomain_brings_the_cookie_and_is_refused(visit: Visit) -> None:
    visit.page("blog.shop.test", FORGED, url=visit.begin(SHOP))

    request = visit.caused(SHOP)

    assert request.has_cookie
    assert_is_refused(visit, request, origin=visit.web.url("blog.shop.test", ""), site="same-site")


@pytest.mark.parametrize("host", [EVIL, "blog.shop.test"])
def test_a_script_that_cannot_read_the_answer_is_refused(visit: Visit, host: str) -> None:
    script = "<script>fetch('{url}', {{method: 'POST', mode: 'no-cors', credentials: 'include', body: 'a'}})</script>"
    visit.page(host, script, url=visit.begin(SHOP))

    request = visit.caused(SHOP)

    site = "cross-site" if host == EVIL else "same-site"
    assert request.has_cookie == (host != EVIL)
    assert_is_refused(visit, request, origin=visit.web.url(host, ""), site=site)


ASKING = """<script>
fetch('{url}', {{method: '{method}', credentials: 'include', headers: {{'X-Asked-By': 'a script'}}}})
  .then(answer => fetch('/report?' + answer.status), error => fetch('/report?' + error))
</script>"""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("host", [EVIL, "blog.open.test"])
def test_a_script_that_the_shop_lets_read_answers_reads_the_403(visit: Visit, host: str, method: str) -> None:
    visit.page(host, ASKING, url=visit.begin(OPEN_SHOP), method=method)

    request = visit.caused(OPEN_SHOP, method)

    site = "cross-site" if host == EVIL else "same-site"
    assert visit.web.request(OPEN_SHOP, "/change", "OPTIONS").status == 200
    assert visit.web.request(host, "/report").query == "403"
    # Chromium takes none along in such a window for a script of another site, SameSite=None or not.
    assert request.has_cookie == (host != EVIL)
    assert_is_refused(visit, request, origin=visit.web.url(host, ""), site=site)


@pytest.mark.parametrize("host", [EVIL, "blog.shop.test"])
def test_a_form_in_a_sandboxed_frame_is_refused(visit: Visit, host: str) -> None:
    frame = f'<iframe sandbox="allow-scripts allow-forms" srcdoc="{FORGED}"></iframe>'
    visit.page(host, frame, url=visit.begin(SHOP))

    request = visit.caused(SHOP)

    assert_is_refused(visit, request, origin="null", site="cross-site")


def test_a_form_whose_page_hides_where_it_stands_is_refused(visit: Visit) -> None:
    page = f'<meta name="referrer" content="no-referrer">{FORGED}'
    visit.page("blog.shop.test", page, url=visit.begin(SHOP))

    request = visit.caused(SHOP)

    assert request.has_cookie
    assert_is_refused(visit, request, origin="null", site="same-site")


def test_a_link_from_a_mail_finds_the_session(visit: Visit) -> None:
    visit.page(MAIL, "<a href={url}>Your order</a><script>document.links[0].click()</script>", url=visit.begin(SHOP))

    request = visit.caused(SHOP, "GET")

    assert (request.origin, request.site) == (None, visit.told("cross-site"))
    assert request.has_cookie
    assert request.status == 200
    assert visit.session(SHOP) == {"owner": "ada", "changed": True}


def test_the_posted_answer_of_a_provider_is_refused(visit: Visit) -> None:
    visit.page(PROVIDER, FORGED, url=visit.begin(OPEN_SHOP))

    request = visit.caused(OPEN_SHOP)

    assert_is_refused(visit, request, origin=visit.web.url(PROVIDER, ""), site="cross-site")


def test_the_posted_answer_of_a_provider_that_is_trusted_passes(visit: Visit) -> None:
    """With SameSite=None it finds the session; a Lax cookie stays behind, and the answer begins a new one."""
    visit.page(PROVIDER, FORGED, url=visit.begin(TRUSTING_SHOP))

    request = visit.caused(TRUSTING_SHOP)

    finds_it = visit.web.scheme == "https"
    assert (request.origin, request.site) == (visit.web.url(PROVIDER, ""), visit.told("cross-site"))
    assert request.status == 200
    assert request.has_cookie == finds_it
    assert request.session == ({"owner": "ada", "changed": True} if finds_it else {"changed": True})


def test_a_sibling_that_is_trusted_passes(visit: Visit) -> None:
    visit.page("a.b.trusting.test", FORGED, url=visit.begin(TRUSTING_SHOP))

    request = visit.caused(TRUSTING_SHOP)

    assert (request.origin, request.site) == (visit.web.url("a.b.trusting.test", ""), visit.told("same-site"))
    assert request.status == 200
    assert visit.session(TRUSTING_SHOP) == {"owner": "ada", "changed": True}


def test_a_shop_that_trusts_a_provider_trusts_no_other_site(visit: Visit) -> None:
    visit.page(EVIL, FORGED, url=visit.begin(TRUSTING_SHOP))

    request = visit.caused(TRUSTING_SHOP)

    assert_is_refused(visit, request, origin=visit.web.url(EVIL, ""), site="cross-site")
