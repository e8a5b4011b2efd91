"""The list of a user's devices."""

from __future__ import annotations

from markupsafe import Markup

from pages.document import written
from sessionware import SessionInfo

_DEVICES = Markup("""
<section>
  <h2>Your devices</h2>
  <ul class="devices">{devices}</ul>
  {others}
  <p><small>Five at most: a sixth sign-in ends the session of the oldest.</small></p>
</section>
""")
_DEVICE = Markup("""
<li><div><strong>{label}</strong>{this}<small>since {created}<br>last seen {seen}</small></div>{button}</li>
""")
_THIS = Markup(' <span class="tag">this one</span>')
_BUTTON = Markup("""
<form method="post" action="/devices/sign-out">
  <button class="quiet" name="session" value="{id}">Sign out</button></form>
""")
_OTHERS = Markup("""
<form method="post" action="/devices/sign-out-others"><button>Sign out all others</button></form>
""")
_ALONE = Markup("<p>Sign in by the same name in another browser, or in a private window, and reload this page.</p>")


def devices(infos: list[SessionInfo], this: str) -> Markup:
    """Each session of the user, with a button for all but *this* one."""
    lines = [
        _DEVICE.format(
            label=info.label,
            created=written(info.created_at),
            seen=written(info.last_seen_at),
            this=_THIS if info.id == this else "",
            button="" if info.id == this else _BUTTON.format(id=info.id),
        )
        for info in infos
    ]
    return _DEVICES.format(devices=Markup().join(lines), others=_OTHERS if len(infos) > 1 else _ALONE)
