"""PasteDeploy wraps an application in a middleware that an INI file configures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import webtest
from paste.deploy import loadapp  # type: ignore[import-untyped]
from support.constants import NEW_SECRET, SECRET

from sessionware import ConfigError, SessionMiddleware

APP = """
[app:counter]
use = call:integrations.served_paste:make
"""
PIPELINE = """
[pipeline:main]
pipeline = session counter

[filter:session]
use = egg:sessionware
"""


def load(directory: Path, text: str) -> Any:
    path = directory / "production.ini"
    path.write_text(text + APP)
    return loadapp(f"config:{path}")


@pytest.mark.parametrize("prefix", ["", "session."])
def test_a_filter_is_configured_by_its_section(tmp_path: Path, prefix: str) -> None:
    app = load(tmp_path, f"{PIPELINE}\n{prefix}secret = {SECRET}\n{prefix}cookie.name = visits\n")
    browser = webtest.TestApp(app)

    visits = [browser.get("/").text for _ in range(2)]

    assert isinstance(app, SessionMiddleware)
    assert visits == ["1", "2"]
    assert set(browser.cookies) == {"visits"}


@pytest.mark.parametrize("used", ["egg:sessionware#main", "egg:sessionware#session"])
def test_the_filter_has_a_name_of_its_own_too(tmp_path: Path, used: str) -> None:
    app = load(tmp_path, f"{PIPELINE.replace('egg:sessionware', used)}\nsecret = {SECRET}\n")

    assert webtest.TestApp(app).get("/").text == "1"


def test_an_application_names_its_filter(tmp_path: Path) -> None:
    app = load(
        tmp_path,
        f"""
[filter-app:main]
use = egg:sessionware
next = counter
secret = {SECRET}
""",
    )

    assert webtest.TestApp(app).get("/").text == "1"


def test_a_store_lies_beside_the_file(tmp_path: Path) -> None:
    app = load(tmp_path, f"{PIPELINE}\nsecret = {SECRET}\nbackend = sqlite\nbackend.path = %(here)s/sessions.db\n")

    webtest.TestApp(app).get("/")

    assert (tmp_path / "sessions.db").exists()


def test_the_defaults_of_the_file_stand_behind_the_section(tmp_path: Path) -> None:
    defaults = f"[DEFAULT]\ndebug = true\nsession.secret = {SECRET}\nsession.cookie.name = common\n"
    app = load(tmp_path, f"{defaults}{PIPELINE}\ncookie.name = own\n")
    browser = webtest.TestApp(app)

    browser.get("/")

    assert set(browser.cookies) == {"own"}


def test_a_name_under_the_prefix_of_variables_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sessionware\.cookie\.name: unknown option; write session\.cookie\.name"):
        load(tmp_path, f"{PIPELINE}\nsecret = {SECRET}\nsessionware.cookie.name = shop\n")


def test_a_fault_is_told_by_the_name_that_the_file_has_and_without_the_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"session\.cookie\.secuer") as raised:
        load(tmp_path, f"{PIPELINE}\nsecret = {NEW_SECRET}\ncookie.secuer = true\n")

    assert NEW_SECRET not in str(raised.value)
