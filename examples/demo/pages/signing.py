"""The pages before a user is signed in, and after."""

from __future__ import annotations

import re
import shlex

from markupsafe import Markup
from password import PASSWORD

from pages.document import document
from pages.shop import last_set
from sessionware import Session

_WELCOME = Markup("""
<section>
  <h2>Sign in</h2>
  <p>Any name will do. The password is <code>{password}</code> for all names, since this is a demo.</p>
  <form method="post" action="/sign-in">
    <label>Your name <input name="name" required maxlength="40" autocomplete="off" autofocus></label>
    <label>Password <input name="password" type="password" required autocomplete="off"></label>
    <label class="check"><input name="remember" type="checkbox"> Stay signed in for 30 days</label>
    <button>Sign in</button>
  </form>
  <p><small>Sign in by the same name in a second browser, or in a private window: each is a device of its
  own.</small></p>
</section>
<section>
  <h2>You have no session</h2>
  <p>This page has looked for one and found none. So nothing was stored on the server, and no cookie was set: a thousand
  visitors like you leave nothing behind.</p>
  {cookie}
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

WRONG_PASSWORD = ("error", "That is not the password.")
#: What a page says to a browser whose cookie was not accepted, by the reason in ``session.rejected``.
_REASONS = {
    "idle": "You were away for too long. Please sign in again.",
    "too_old": "Your session has reached its end. Please sign in again.",
    "revoked": "This device was signed out, here or from another device.",
    "unknown_id": "Your session is over: it was signed out, or it ended a while ago.",
}
_OTHER_REASON = "Your browser has sent a cookie that this site does not accept."


def welcome(set_cookie: str | None, messages: list[tuple[str, str]]) -> str:
    """The page of a visitor who is not signed in."""
    return document(_WELCOME.format(password=PASSWORD, cookie=last_set(set_cookie)), messages)


def why_signed_out(rejected: str | None) -> list[tuple[str, str]]:
    """The message about a cookie that was not accepted; none where there was no such cookie."""
    return [("notice", _REASONS.get(rejected, _OTHER_REASON))] if rejected else []


def signed_out(cookie: str, before: str, after: str, address: str) -> str:
    """The page after signing out, with the cookie that is dead now."""
    return document(_SIGNED_OUT.format(cookie=cookie, before=before, after=after, again=_again(cookie, address)))


def replayed(cookie: str, answer: str, address: str) -> str:
    """The page that shows what an old cookie still opens."""
    return document(_REPLAYED.format(cookie=cookie, found=answer, again=_again(cookie, address)))


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
