"""The pages of the demo. Everything that a visitor has typed is escaped by Markup.format."""

from __future__ import annotations

import re
import shlex
from datetime import datetime

from markupsafe import Markup

from sessionware import Session

ITEMS = {"Tea": 450, "Honey": 790, "Biscuits": 320}

_PAGE = Markup("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>sessionware demo</title>
<link rel="stylesheet" href="/style.css">
<header><h1><a href="/">sessionware</a></h1><p>a session, seen from all sides</p></header>
<main>
{body}
</main>
</html>
""")

_WELCOME = Markup("""
<section>
  <h2>Sign in</h2>
  <p>Any name will do; there is no password here.</p>
  <form method="post" action="/sign-in">
    <label>Your name <input name="name" required maxlength="40" autocomplete="off" autofocus></label>
    <button>Sign in</button>
  </form>
</section>
<section>
  <h2>You have no session</h2>
  <p>This page has looked for one and found none. So nothing was stored on the server, and no cookie was set: a thousand
  visitors like you leave nothing behind.</p>
  {cookie}
</section>
""")

_SHOP = Markup("""
<section>
  <h2>Hello, {name}</h2>
  <p class="count"><strong>{visits}</strong> {times}</p>
  <p>Reload the page, or open it in two tabs and reload both as fast as you can: no visit is lost.</p>
  <div class="row">
    <form method="post" action="/sign-out"><button>Sign out</button></form>
    <form method="post" action="/new-id"><button class="quiet">Give me a new id</button></form>
  </div>
</section>
<section>
  <h2>Your cart</h2>
  <table>{lines}</table>
  <div class="row">
    {buttons}
    <form method="post" action="/cart/empty"><button class="quiet">Empty it</button></form>
  </div>
</section>
<section>
  <h2>Your session</h2>
  <dl>
    <dt>Session id</dt><dd><code>{id}</code> <small>safe to show: it opens nothing</small></dd>
    <dt>Began</dt><dd>{created}</dd>
    <dt>Last seen</dt><dd>{seen} <small>as written down; every few minutes is enough</small></dd>
    <dt>Ends</dt><dd>{expires} <small>unless you come again before</small></dd>
    <dt>Answered by</dt><dd>worker process {worker} <small>one of four; they share the SQLite database</small></dd>
  </dl>
</section>
<section>
  <h2>Your cookie</h2>
  {cookie}
  <p>Its value is a signed random token. The database holds only a hash of it, and records that are sealed. Anywhere but
  on plain http at localhost it would be Secure as well.</p>
</section>
""")

_SIGNED_OUT = Markup("""
<section>
  <h2>You are signed out</h2>
  <p>The session has ended in the database, and your browser was told to forget its cookie. Here is that cookie, which
  can be shown now:</p>
  <pre>{cookie}</pre>
  <dl>
    <dt>Before</dt><dd>{before}</dd>
    <dt>Now</dt><dd><strong>{after}</strong></dd>
  </dl>
  <p>Do not take our word for it. Send it again, from here or from a terminal:</p>
  {again}
  <p><a href="/">Back to the beginning</a></p>
</section>
""")

_REPLAYED = Markup("""
<section>
  <h2>The old cookie, sent again</h2>
  <p>A request with this cookie</p>
  <pre>{cookie}</pre>
  <p>gets this answer: <strong>{found}</strong></p>
  {again}
  <p><a href="/">Back to the beginning</a></p>
</section>
""")

_AGAIN = Markup("""
<form method="post" action="/replay"><input type="hidden" name="cookie" value="{cookie}">
  <button>Send the old cookie again</button></form>
<pre>{command}</pre>
""")

_COOKIE = Markup("<p>What the server last said of the session's cookie, its value left out:</p><pre>{header}</pre>")
_NO_COOKIE = Markup("<p>No cookie was set yet.</p>")
_LINE = Markup("<tr><td>{item}</td><td>{number} &times;</td><td>{price}</td></tr>")
_TOTAL = Markup("<tr class='total'><td>Total</td><td></td><td>{price}</td></tr>")
_EMPTY = Markup("<tr><td>Nothing yet.</td></tr>")
_BUTTON = Markup(
    '<form method="post" action="/cart"><button name="item" value="{item}">{item} · {price}</button></form>'
)


def welcome(set_cookie: str | None) -> str:
    """The page of a visitor who is not signed in."""
    return _page(_WELCOME.format(cookie=_COOKIE.format(header=set_cookie) if set_cookie else ""))


def shop(session: Session, set_cookie: str | None, worker: int) -> str:
    """The page of a visitor who is signed in."""
    return _page(
        _SHOP.format(
            name=session.user_id,
            visits=session["visits"],
            times="visit" if session["visits"] == 1 else "visits",
            lines=_lines(session.get("cart", {})),
            buttons=Markup().join(_BUTTON.format(item=item, price=_price(cents)) for item, cents in ITEMS.items()),
            id=session.id,
            created=_time(session.created_at),
            seen=_time(session.last_seen_at),
            expires=_time(session.expires_at),
            worker=worker,
            cookie=_COOKIE.format(header=set_cookie) if set_cookie else _NO_COOKIE,
        )
    )


def signed_out(cookie: str, before: str, after: str, address: str) -> str:
    """The page after signing out, with the cookie that is dead now."""
    return _page(_SIGNED_OUT.format(cookie=cookie, before=before, after=after, again=_again(cookie, address)))


def replayed(cookie: str, answer: str, address: str) -> str:
    """The page that shows what an old cookie still opens."""
    return _page(_REPLAYED.format(cookie=cookie, found=answer, again=_again(cookie, address)))


def found(session: Session) -> str:
    """A sentence that says what a request finds."""
    if session.user_id is None:
        return "no session: nobody is signed in"
    return f"the session {session.id} of {session.user_id}, with {session.get('visits', 0)} visits"


def session_cookie(header: str) -> str:
    """The session's name and value in a Cookie header."""
    match = re.search(r"(?:^|; ?)((?:__Host-Http-|__Host-|__Secure-)?sid=[^;]*)", header)
    return match[1] if match else ""


def _again(cookie: str, address: str) -> Markup:
    command = shlex.join(["curl", "--cookie", cookie, f"{address}whoami"])
    return _AGAIN.format(cookie=cookie, command=command)


def _lines(cart: dict[str, int]) -> Markup:
    if not cart:
        return _EMPTY
    prices = {item: number * ITEMS[item] for item, number in cart.items()}
    lines = [_LINE.format(item=item, number=cart[item], price=_price(prices[item])) for item in cart]
    return Markup().join([*lines, _TOTAL.format(price=_price(sum(prices.values())))])


def _page(body: Markup) -> str:
    return str(_PAGE.format(body=body))


def _price(cents: int) -> str:
    return f"{cents / 100:.2f} €"


def _time(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
