"""The page of a user who is signed in: the visits, the cart, the session and its cookie."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from pages.document import document, written
from sessionware import Session

ITEMS = {"Tea": 450, "Honey": 790, "Biscuits": 320}

_HELLO = Markup("""
<section>
  <h2>Hello, {name}</h2>
  <p class="count"><strong>{visits}</strong> {times}</p>
  <p>Reload the page, or open it in two tabs and reload both as fast as you can: no visit is lost.</p>
  <div class="row">
    <form method="post" action="/sign-out"><button>Sign out</button></form>
    <form method="post" action="/new-id"><button class="quiet">Give me a new id</button></form>
  </div>
</section>
""")

_CART = Markup("""
<section>
  <h2>Your cart</h2>
  <table>{lines}</table>
  <div class="row">
    {buttons}
    <form method="post" action="/cart/empty"><button class="quiet">Empty it</button></form>
  </div>
</section>
""")

_SESSION = Markup("""
<section>
  <h2>Your session</h2>
  <dl>
    <dt>Session id</dt><dd><code>{id}</code> <small>safe to show: it opens nothing</small></dd>
    <dt>Began</dt><dd>{created}</dd>
    <dt>Last seen</dt><dd>{seen} <small>as written down; every few minutes is enough</small></dd>
    <dt>Ends</dt><dd>{expires} <small>later, if you come again before; a remembered session has a fixed end</small></dd>
    <dt>Answered by</dt><dd>worker process {worker} <small>one of four; they share the SQLite database</small></dd>
  </dl>
</section>
""")

_COOKIE_SECTION = Markup("""
<section>
  <h2>Your cookie</h2>
  {cookie}
  <p>Its value is a signed random token. The database holds only a hash of it, and records that are sealed. Anywhere but
  on plain http at localhost it would be Secure as well.</p>
</section>
""")

_COOKIE = Markup("<p>What the server last said of the session's cookie, its value left out:</p><pre>{header}</pre>")
_NO_COOKIE = Markup("<p>No cookie was set yet.</p>")
_LINE = Markup("<tr><td>{item}</td><td>{number} &times;</td><td>{price}</td></tr>")
_TOTAL = Markup("<tr class='total'><td>Total</td><td></td><td>{price}</td></tr>")
_EMPTY = Markup("<tr><td>Nothing yet.</td></tr>")
_BUTTON = Markup(
    '<form method="post" action="/cart"><button name="item" value="{item}">{item} · {price}</button></form>'
)


def home(flashes: Iterable[tuple[str, object]], sections: Iterable[Markup]) -> str:
    """All *sections* on one page, and what the last actions have left to say."""
    return document(Markup().join(sections), flashes)


def hello(session: Session) -> Markup:
    """Who is signed in, how often they came, and the way out."""
    visits = session["visits"]
    return _HELLO.format(name=session.user_id, visits=visits, times="visit" if visits == 1 else "visits")


def cart(session: Session) -> Markup:
    """What is in the cart, and what can be put there."""
    buttons = Markup().join(_BUTTON.format(item=item, price=_price(cents)) for item, cents in ITEMS.items())
    return _CART.format(lines=_lines(session.get("cart", {})), buttons=buttons)


def session(session: Session, worker: int) -> Markup:
    """What the session says of itself."""
    return _SESSION.format(
        id=session.id,
        created=written(session.created_at),
        seen=written(session.last_seen_at),
        expires=written(session.expires_at),
        worker=worker,
    )


def cookie(set_cookie: str | None) -> Markup:
    """The attributes of the cookie."""
    return _COOKIE_SECTION.format(cookie=last_set(set_cookie) if set_cookie else _NO_COOKIE)


def last_set(set_cookie: str | None) -> Markup:
    """What was said of the cookie last, if anything was."""
    return _COOKIE.format(header=set_cookie) if set_cookie else Markup()


def _lines(cart: dict[str, int]) -> Markup:
    if not cart:
        return _EMPTY
    prices = {item: number * ITEMS[item] for item, number in cart.items()}
    lines = [_LINE.format(item=item, number=cart[item], price=_price(prices[item])) for item in cart]
    return Markup().join([*lines, _TOTAL.format(price=_price(sum(prices.values())))])


def _price(cents: int) -> str:
    return f"{cents / 100:.2f} €"
