"""The password of the demo: one for all, which each page that asks for it says."""

from __future__ import annotations

import hmac

PASSWORD = "tea"


def is_password(text: str) -> bool:
    """Whether *text* is it. A real application keeps a slow hash of a password for each user."""
    return hmac.compare_digest(text.encode(), PASSWORD.encode())
