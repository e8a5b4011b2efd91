"""What all pages have in common: the document around them, messages, and how a time is written."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from markupsafe import Markup

_PAGE = Markup("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>sessionware demo</title>
<link rel="stylesheet" href="/style.css">
<header><h1><a href="/">sessionware</a></h1><p>a session, seen from all sides</p></header>
<main>
{messages}
{body}
</main>
</html>
""")
_MESSAGE = Markup('<p class="flash {category}" role="status">{text}</p>')


def document(body: Markup, messages: Iterable[tuple[str, object]] = ()) -> str:
    """A page with *body*, and above it the *messages*, pairs of a category and a text as ``pop_flashes`` gives them."""
    shown = Markup("\n").join(_MESSAGE.format(category=category, text=text) for category, text in messages)
    return str(_PAGE.format(messages=shown, body=body))


def written(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
