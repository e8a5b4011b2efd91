"""Where the examples are, and what loads one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import webtest

EXAMPLES = Path(__file__).parents[2] / "examples"
Load = Callable[[str, str], webtest.TestApp]
