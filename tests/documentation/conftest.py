"""An example, loaded in an empty directory and with secrets of its own."""

from __future__ import annotations

import importlib.util
import secrets
import sys
from pathlib import Path

import pytest
import webtest
from documentation.examples import EXAMPLES, Load


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """A function that loads an example by the name of its module and of its application."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SESSION_SECRET", secrets.token_urlsafe(32))
    monkeypatch.setenv("FLASK_SECRET", secrets.token_urlsafe(32))

    def load(name: str, app: str) -> webtest.TestApp:
        specification = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        # Pyramid looks there for the module that makes a configurator.
        monkeypatch.setitem(sys.modules, module.__name__, module)
        specification.loader.exec_module(module)
        return webtest.TestApp(getattr(module, app))

    return load
