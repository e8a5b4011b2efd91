"""A change of the address: only from a form of this session, and only soon after the password was given."""

from __future__ import annotations

import os

import database
import pages.address
from pages.signing import WRONG_PASSWORD
from password import is_password
from werkzeug.wrappers import Request, Response

from sessionware import Session
from views.answers import page, to_home

CONFIRMED_FOR = os.environ.get("DEMO_CONFIRMED_FOR", "1m")
MOST_ADDRESS_CHARACTERS = 120


def change(request: Request, session: Session) -> Response:
    """Change the address, or ask for the password first if it was given too long ago."""
    if not session.verify_csrf(request.form.get("csrf_token")):
        return page(pages.address.no_form_of_ours(), 400)
    if not session.authenticated_within(CONFIRMED_FOR):
        return page(pages.address.asked_again(session.csrf_token, address_in(request), CONFIRMED_FOR))
    return changed(request, session)


def confirm(request: Request, session: Session) -> Response:
    """The user has given the password once more, and the address is changed."""
    if session.user_id is None or not session.verify_csrf(request.form.get("csrf_token")):
        return page(pages.address.no_form_of_ours(), 400)
    if not is_password(request.form.get("password", "")):
        asked = pages.address.asked_again(session.csrf_token, address_in(request), CONFIRMED_FOR, [WRONG_PASSWORD])
        return page(asked, 403)
    session.confirm()
    return changed(request, session)


def changed(request: Request, session: Session) -> Response:
    database.set_address(str(session.user_id), address_in(request))
    session.flash("Your address is changed.")
    return to_home()


def address_in(request: Request) -> str:
    return request.form.get("address", "").strip()[:MOST_ADDRESS_CHARACTERS]
