"""Settings of a cookie that differ from the defaults in a few options."""

from __future__ import annotations

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
