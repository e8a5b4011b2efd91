"""A dict in, settings out."""

from __future__ import annotations

from sessionware.config.settings import Config

__all__ = ["Config"]
