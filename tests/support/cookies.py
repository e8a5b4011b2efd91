"""Settings of a cookie that differ from the defaults in a few options, and what the grammar finds in a header."""

from __future__ import annotations

import re
from typing import Any

from sessionware.config.table import OPTIONS
from sessionware.cookies.header import CookieSettings

_GROUP = "cookie."


def cookie_settings(**options: Any) -> CookieSettings:
    """The default settings with *options* in their place, even where a configuration would refuse them."""
    defaults = {
        name.removeprefix(_GROUP): option.default for name, option in OPTIONS.items() if name.startswith(_GROUP)
    }
    return CookieSettings(**{**defaults, **options})


def cookies_by_grammar(header: str, name: str) -> list[str]:
    """The first eight distinct values of *name* in *header*, by the grammar of cookies."""
    ours = re.compile(rf"(?:^|(?<=;))[ \t]*{re.escape(name)}[ \t]*=[ \t]*([^;]*?)[ \t]*(?=;|\Z)")
    bare = [re.sub(r'\A"(.*)"\Z', r"\1", value, flags=re.DOTALL) for value in ours.findall(header)]
    return list(dict.fromkeys(bare))[:8]
