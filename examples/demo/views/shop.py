"""The page that shows a session from all sides, and its cart."""

from __future__ import annotations

import os
from pathlib import Path

import database
import pages.address
import pages.devices
import pages.events
import pages.neighbour
import pages.shop
import pages.signing
from cookie_mirror import last_set_cookie
from neighbour import NEIGHBOUR_PORT, beside
from werkzeug.wrappers import Request, Response

from sessionware import Session
from views.address import CONFIRMED_FOR
from views.answers import PAGE_HEADERS, page, to_home
from views.devices import devices_of

STYLE = Path(__file__).parents[1] / "style.css"


def home(request: Request, session: Session) -> Response:
    """A user who is signed in sees the session from all sides; another visitor has none, and leaves nothing behind."""
    if session.user_id is None:
        return page(pages.signing.welcome(last_set_cookie(request), pages.signing.why_signed_out(session.rejected)))
    session.alter("visits", lambda visits: visits + 1, default=0)
    confirmed = pages.address.confirmed(session, CONFIRMED_FOR)
    sections = [
        pages.shop.hello(session),
        pages.devices.devices(devices_of(request, session), session.id),
        pages.events.around_frame(),
        pages.address.address(session.csrf_token, database.address_of(str(session.user_id)), confirmed),
        pages.shop.cart(session),
        pages.neighbour.invitation(beside(request, NEIGHBOUR_PORT)) if NEIGHBOUR_PORT else "",
        pages.shop.session(session, os.getpid()),
        pages.shop.cookie(last_set_cookie(request)),
    ]
    return page(pages.shop.home(session.pop_flashes(), sections))


def add_to_cart(request: Request, session: Session) -> Response:
    """One more of an item. Two tabs that do so at once both get theirs in, because both alter what is there."""
    item = request.form.get("item")
    if session.user_id is not None and item in pages.shop.ITEMS:
        session.alter("cart", lambda cart: {**cart, item: cart.get(item, 0) + 1}, default={})
        session.flash(f"{item} is in your cart.")
    return to_home()


def empty_cart(request: Request, session: Session) -> Response:
    """Nothing in the cart any more; the rest of the session stays."""
    if session.pop("cart", None):
        session.flash("Your cart is empty.")
    return to_home()


def new_id(request: Request, session: Session) -> Response:
    """The same session under a new id, with a new cookie."""
    if session.user_id is not None:
        former = session.id
        session.regenerate()
        session.flash(f"Your session has a new id, and your browser a new cookie. It was {former} before.")
    return to_home()


def who_am_i(request: Request, session: Session) -> Response:
    """The same in a line of text, for curl."""
    return Response(f"{pages.signing.found(session)}\n", headers=PAGE_HEADERS, mimetype="text/plain")


def style(request: Request, session: Session) -> Response:
    """The style sheet. The session is not touched here, so this costs no look into the store."""
    return Response(STYLE.read_bytes(), mimetype="text/css")
