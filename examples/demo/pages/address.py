"""The form for an address, and the page that asks for the password before it is changed."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup
from password import PASSWORD

from pages.document import document
from sessionware import Session

_ADDRESS = Markup("""
<section>
  <h2>Your address</h2>
  <form method="post" action="/address">
    <input type="hidden" name="csrf_token" value="{token}">
    <label>Where tea is sent to
      <input name="address" required maxlength="120" value="{address}" autocomplete="off"></label>
    <button>Change it</button>
  </form>
  <p>{confirmed}</p>
  <form method="post" action="/address">
    <input type="hidden" name="address" value="a forger's house">
    <button class="quiet">Send the form without its token</button>
  </form>
  <p><small>The form has a token that only a page of this session can have, another text at each look.</small></p>
</section>
""")
_CONFIRMED = "You have given your password less than {duration} ago, so you are not asked for it again."
_NOT_CONFIRMED = "You have given your password more than {duration} ago, so you are asked for it before the change."

_ASKED_AGAIN = Markup("""
<section>
  <h2>Confirm your password</h2>
  <p>Your address is to be <strong>{address}</strong>. You have given your password more than {duration} ago, so please
  give it once more. It is <code>{password}</code>.</p>
  <form method="post" action="/address/confirm">
    <input type="hidden" name="csrf_token" value="{token}">
    <input type="hidden" name="address" value="{address}">
    <label>Password <input name="password" type="password" required autocomplete="off" autofocus></label>
    <button>Confirm</button>
  </form>
  <p><a href="/">Leave the address as it is</a></p>
</section>
""")

_NO_FORM_OF_OURS = Markup("""
<section>
  <h2>Nothing was changed</h2>
  <p>This form has no token of your session, so it did not come from a page of it.</p>
  <p><a href="/">Back to the beginning</a></p>
</section>
""")


def address(token: str, address: str, confirmed: str) -> Markup:
    """The form, with the token of the session in it, and what it will ask for."""
    return _ADDRESS.format(token=token, address=address, confirmed=confirmed)


def confirmed(session: Session, duration: str) -> str:
    """Whether the password must be given again."""
    return (_CONFIRMED if session.authenticated_within(duration) else _NOT_CONFIRMED).format(duration=duration)


def asked_again(token: str, address: str, duration: str, messages: Iterable[tuple[str, str]] = ()) -> str:
    """The page between the form and the change."""
    body = _ASKED_AGAIN.format(token=token, address=address, duration=duration, password=PASSWORD)
    return document(body, messages)


def no_form_of_ours() -> str:
    """The answer to a form without a good token."""
    return document(_NO_FORM_OF_OURS)
