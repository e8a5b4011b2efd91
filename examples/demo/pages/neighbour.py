"""The page of the other site, which forges a form, and the part of the shop's page that leads there."""

from __future__ import annotations

from markupsafe import Markup

_INVITATION = Markup("""
<section class="wide">
  <h2>A forged form</h2>
  <p>Another site stands on this machine, and has a form that changes your address in this shop:
  <a href="{origin}/">{origin}</a>. Go there while you are signed in, and claim your prize.</p>
</section>
""")

_PRIZE = Markup("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>You have won!</title>
<link rel="stylesheet" href="{shop}/style.css">
<header><h1>You have won!</h1><p>another site, at {origin}</p></header>
<main>
<section>
  <h2>Claim your prize</h2>
  <p>This button sends a form to the shop at {shop}. It says that your tea is to be sent to a forger's house.</p>
  <form method="post" action="{shop}/address" target="answer">
    <input type="hidden" name="address" value="a forger's house">
    <button>Claim it</button>
  </form>
  <iframe class="short" name="answer" title="What the shop answers"></iframe>
  <p><small>Above is what the shop answers.</small></p>
</section>
<section>
  <h2>What was seen</h2>
  <p>Your browser sends the cookie of your session with this form: cookies know no ports, and for SameSite both
  sites are one, since the host is the same.</p>
  <p>But it also says who has caused the request: <code>Origin: {origin}</code> and, where it can,
  <code>Sec-Fetch-Site: same-site</code>. A page cannot change these. So the shop's session is refused to this form, by
  a 403, before any view of the shop has changed anything.</p>
  <p>A form without a token of the session would be refused too. That is the second lock, and the form on the shop's own
  page shows it.</p>
  <p><a href="{shop}/">Back to the shop</a>, whose list of events has one more: <code>refused</code>.</p>
</section>
</main>
</html>
""")


def invitation(origin: str) -> Markup:
    """The way to the other site."""
    return _INVITATION.format(origin=origin)


def prize(shop: str, origin: str) -> str:
    """The page of the site at *origin*, whose form goes to *shop*."""
    return str(_PRIZE.format(shop=shop, origin=origin))
