"""The list of events, in a frame that loads itself again, so that the page needs no script."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from event_log import Line
from markupsafe import Markup

from pages.signing import why_signed_out

REFRESH_SECONDS = 3

_SECTION = Markup("""
<section class="wide">
  <h2>What happens to your sessions</h2>
  <iframe src="/events" title="The last events of your sessions"></iframe>
  <p><small>The list loads itself again every {seconds} seconds. Those requests are passive: they do not keep the
  session alive, so the time above the list runs down until you reload the page. The session of a request that was
  refused is not even looked for, so all users see that event.</small></p>
</section>
""")
_FRAME = Markup("""<!doctype html>
<html lang="en" class="frame">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh}
<title>events</title>
<link rel="stylesheet" href="/style.css">
{body}
</html>
""")
_REFRESH = Markup('<meta http-equiv="refresh" content="{seconds}">').format(seconds=REFRESH_SECONDS)
_TABLE = Markup("""
<p>This session ends in <strong>{left}</strong>.</p>
<table class="events"><tr><th>UTC</th><th>What</th><th>Why</th><th>Session</th><th>By</th></tr>{lines}</table>
""")
_LINE = Markup(
    "<tr><td>{at}</td><td>{name}</td><td>{reason}</td><td><code>{session}</code>{this}</td><td>{device}</td></tr>"
)
_THIS = Markup(' <span class="tag">this one</span>')
_OVER = Markup('<p>{why}</p><p><a href="/" target="_top">Reload the page</a></p>')
_SHOWN_CHARACTERS = 6


def around_frame() -> Markup:
    """The part of the page that holds the frame."""
    return _SECTION.format(seconds=REFRESH_SECONDS)


def recent(lines: Iterable[Line], this: str, left: str) -> str:
    """The content of the frame: the events, and how long the session of the id *this* has *left*."""
    rows = [
        _LINE.format(
            at=line.at,
            name=line.name,
            reason=line.reason or "",
            session=(line.session_id or "")[:_SHOWN_CHARACTERS],
            this=_THIS if line.session_id == this else "",
            device=line.device or "",
        )
        for line in lines
    ]
    return str(_FRAME.format(refresh=_REFRESH, body=_TABLE.format(lines=Markup().join(rows), left=left)))


def over(rejected: str | None) -> str:
    """The content of the frame when the session is over. It asks no more, since each look would be a rejection."""
    why = [text for _, text in why_signed_out(rejected)] or ["You are not signed in."]
    return str(_FRAME.format(refresh="", body=_OVER.format(why=why[0])))


def left_until(end: datetime | None, now: datetime) -> str:
    """The time from *now* to *end* in words of a clock."""
    if end is None:
        return "no time that is known"
    minutes, seconds = divmod(max(int((end - now).total_seconds()), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} days, " * (days > 0) + f"{hours}:{minutes:02}:{seconds:02}"
