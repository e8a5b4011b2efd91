"""What makes stores over the databases of these tests."""

from __future__ import annotations

from collections.abc import Callable

from sessionware.stores import SQLAlchemyStore

StoreMaker = Callable[..., SQLAlchemyStore]
