"""The command ``sessionware check --beaker`` tells what a move from Beaker changes, and what to write."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import pytest
from support.browser import Site
from support.constants import SECRET
from support.fleet import Jar
from support.former_beaker import BeakerWorker

from sessionware import SessionMiddleware
from sessionware.cli.main import main

TOKEN = "Ghp5Zq8Token"
PRODUCTION = f"""
[DEFAULT]
debug = true

[app:main]
use = egg:shop
beaker.session.type = file
beaker.session.data_dir = %(here)s/sessions
beaker.session.key = shop
beaker.session.timeout = 1800
beaker.session.auto = true
session.secret = {SECRET}
cache.type = memory
"""


class Checked:
    """What the command has printed of a file."""

    def __init__(self, path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        path.write_text(text)
        self.status = main(["check", "--beaker", str(path)])
        self.printed = capsys.readouterr().out
        self.words = " ".join(self.printed.split())

    @property
    def configuration(self) -> list[str]:
        """The lines of the new configuration of the first section."""
        return self.printed.partition("The new configuration:\n\n")[2].partition("\n\n")[0].splitlines()


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # What is longer than a line is not repeated, so the folder does not bear the test's name.
    return tmp_path_factory.mktemp("site") / "production.ini"


def test_it_tells_for_each_option_what_to_write(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked = Checked(path, PRODUCTION, capsys)

    assert checked.status == 0
    assert "[app:main]" in checked.printed
    assert "key: write session.cookie.name = shop." in checked.words
    assert "auto: leave it out: what was changed is saved by itself." in checked.words
    assert "cache" not in checked.printed


def test_it_prints_the_new_configuration(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Checked(path, PRODUCTION, capsys).configuration == [
        "session.backend = file",
        f"session.backend.path = {path.parent}/sessions",
        "session.cookie.name = shop",
        "session.idle_timeout = 1800",
        "session.secret = (its value)",
    ]


def test_the_printed_configuration_is_one_of_ours(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = Checked(path, PRODUCTION, capsys).configuration
    parser = configparser.ConfigParser()
    parser.read_string("\n".join(["[app:main]", *lines]))

    SessionMiddleware(lambda environ, start_response: [], {**parser["app:main"], "session.secret": SECRET})


def test_it_tells_what_is_new_where_nothing_was_said(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked = Checked(path, PRODUCTION, capsys)

    assert "A session ends a day after it began" in checked.words
    assert "after an hour" not in checked.words
    assert "as __Host-Http-shop." in checked.words
    assert "every user signs in once more" in checked.words


def test_it_tells_the_name_of_the_cookie_with_a_prefix_that_was_chosen(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked = Checked(path, PRODUCTION.replace("key = shop", "key = __Secure-shop"), capsys)

    assert "as __Secure-shop." in checked.words
    assert "session.cookie.prefix = __Secure-" in checked.configuration


def _importer(checked: Checked) -> Any:
    """What the lines of Python that were printed make, with a moment and with a secret in it."""
    head, _, lines = checked.printed.partition("session.import_from = your_module:sessions:\n")
    assert head
    lines = lines.replace(
        "(when the last old worker has gone, and the lifetime of a session after it)", "2030-01-01T00:00:00Z"
    )
    names: dict[str, Any] = {}
    exec(lines, names)
    return names["sessions"]


def test_it_prints_the_importer_that_takes_beakers_sessions_over(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker, jar = (
        BeakerWorker({"data_dir": str(path.parent / "sessions"), "key": "shop", "secret": "(its value)"}),
        Jar(),
    )
    worker.put(jar, cart=["tea"])

    importer = _importer(Checked(path, PRODUCTION, capsys))

    assert type(importer).__name__ == "PickledStoredBeakerSessions"
    assert Site("memory", import_from=importer).ask(dict, jar.cookies).result == {"cart": ["tea"]}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ("type = cookie\nvalidate_key = x\nencrypt_key = y\ncrypto_type = pycryptodome", "PickledBeakerCookieSessions"),
        ("type = cookie\nvalidate_key = x\ndata_serializer = json", "BeakerCookieSessions"),
        ("type = dbm\ndbm_dir = /srv/sessions\ndata_serializer = json\nsecret = x", "StoredBeakerSessions"),
        ("type = ext:redis\nurl = redis://cache/1\nsecret = x", "PickledStoredBeakerSessions"),
        ("type = ext:memcached\nurl = cache:11211", "PickledStoredBeakerSessions"),
        ("type = ext:database\nurl = sqlite://\ntable_name = t", "PickledStoredBeakerSessions"),
    ],
)
def test_for_each_kind_there_is_an_importer(
    path: Path, capsys: pytest.CaptureFixture[str], options: str, name: str
) -> None:
    lines = "\n".join(f"beaker.session.{line}" for line in options.splitlines())

    checked = Checked(path, f"[app:main]\n{lines}\n", capsys)
    checked.printed = checked.printed.replace('RedisRecords("(its value)")', 'RedisRecords("redis://")')
    checked.printed = checked.printed.replace('SQLRecords("(its value)"', 'SQLRecords("sqlite://"')

    assert type(_importer(checked)).__name__ == name


@pytest.mark.parametrize(
    ("crypto_type", "is_told"),
    [("pycrypto", True), ("pycryptodome", True), ("cryptography", False), ("default", False)],
)
def test_the_importer_is_told_what_has_encrypted(
    path: Path, capsys: pytest.CaptureFixture[str], crypto_type: str, *, is_told: bool
) -> None:
    options = f"type = cookie\nvalidate_key = x\nencrypt_key = y\ncrypto_type = {crypto_type}"
    lines = "\n".join(f"beaker.session.{line}" for line in options.splitlines())

    printed = Checked(path, f"[app:main]\n{lines}\n", capsys).printed

    assert ('crypto_type="pycryptodome",' in printed) is is_told


def test_of_sessions_in_memory_there_is_nothing_to_take_over(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked = Checked(path, "[app:main]\nbeaker.session.type = memory\n", capsys)

    assert "import_from" not in checked.printed
    assert "are not read: every user signs in once more" in checked.words


def test_it_repeats_no_secret_and_no_credentials(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"""
[app:main]
beaker.session.type = ext:redis
beaker.session.url = redis://ada:{TOKEN}@cache:6379/1
beaker.session.encrypt_key = {TOKEN}
session.validate_key = {TOKEN}{TOKEN}
session.secret = {TOKEN}
"""

    checked = Checked(path, text, capsys)

    assert TOKEN not in checked.printed
    assert checked.configuration == [
        "session.backend = redis://***@cache:6379/1",
        "session.secret = (run: sessionware secret)",
    ]
    assert "secret: write session.secret = (run: sessionware secret): a new one" in checked.words


def test_options_of_ours_that_stand_there_already_stay(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"[app:main]\nsession.type = memory\nsession.cookie.samesite = Strict\nsession.secret = {SECRET}\n"

    assert Checked(path, text, capsys).configuration == [
        "session.backend = memory",
        "session.cookie.samesite = Strict",
        "session.secret = (its value)",
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("data_serializer = pickle", "data_serializer: there is one format"),
        ("type = ext:mongodb", "type: there is no store for mongodb"),
        ("tiemout = 30", "tiemout: unknown option; did you mean timeout?"),
        ("cookie_expire = true", "cookie_expire: unknown option; did you mean cookie_expires?"),
        ("idle_timout = 30m", "idle_timout: unknown option; did you mean idle_timeout?"),
        ("protocol = 2", "protocol: unknown option; Beaker hands it to its backend."),
    ],
)
def test_what_cannot_be_kept_is_told_and_is_a_failure(
    line: str, told: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked = Checked(path, f"[app:main]\nsession.key = shop\nsession.{line}\nsession.secret = {SECRET}\n", capsys)

    assert checked.status == 1
    assert told in checked.words.partition("What cannot be kept:")[2]


def test_a_filter_of_paste_needs_no_prefix(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "[filter:sessions]\nuse = egg:Beaker#beaker_session\ntype = cookie\nuse_cookies = true\n"

    checked = Checked(path, text, capsys)

    assert checked.status == 0
    assert checked.configuration == ["session.backend = cookie", "session.secret = (run: sessionware secret)"]


def test_each_section_is_told_by_itself(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "[app:one]\nsession.type = memory\n[app:two]\nsession.type = cookie\n[server:main]\nuse = egg:waitress\n"

    checked = Checked(path, text, capsys)

    assert [line for line in checked.printed.splitlines() if line.startswith("[")] == ["[app:one]", "[app:two]"]


def test_options_that_all_sections_share_are_told_once(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked = Checked(path, "[DEFAULT]\nsession.type = memory\n[app:one]\n[app:two]\n", capsys)

    assert checked.printed.count("The new configuration:") == 1


def test_a_file_may_begin_with_a_byte_order_mark(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked = Checked(path, "\ufeff[app:main]\nsession.type = memory\n", capsys)

    assert checked.status == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "No such file"),
        ("[app:main]\nuse = egg:shop\n", "no section with options of Beaker's sessions"),
        (f"session.secret = {TOKEN}\n", "cannot be read: MissingSectionHeaderError: write a line such as [app:main]"),
    ],
)
def test_a_file_that_tells_nothing_is_a_mistake_of_the_command_line(
    text: str | None, told: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        path.write_text(text)

    with pytest.raises(SystemExit) as caught:
        main(["check", "--beaker", str(path)])

    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert told in message
    assert TOKEN not in message
