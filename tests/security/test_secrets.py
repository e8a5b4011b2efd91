"""Nothing secret is seen from outside, in whatever way a request goes wrong: one table of the ways, one of the places.

The places are log lines with all that a handler is given, events, what ``repr`` shows, and what a crash report shows of
an error: its text, its chain, and the locals of each frame of this package and of its store.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from itsdangerous.encoding import base64_decode
from itsdangerous.exc import BadData
from pyramid.config import Configurator  # type: ignore[import-untyped]
from security.tokens import key_of, token_in
from support.actions import Action, call, login, member, put, read, then
from support.browser import Answer, Site, SiteMaker
from support.constants import COOKIE, KEY, NEW_SECRET, PLAIN, SECRET
from support.frames import walked
from support.stores import RecordingStore

from sessionware import Config, ConfigError, Session, SessionManager, SessionMiddleware, StoreUnavailable
from sessionware.crypto.csrf import SECRET_BYTES
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.importers.beaker import BeakerCookieSessions, StoredBeakerSessions
from sessionware.importers.django import DjangoSessions
from sessionware.importers.flask import FlaskSessions
from sessionware.importers.flask_session import StoredFlaskSessions
from sessionware.importers.kvsession import KVRecords, KVSessions
from sessionware.importers.records import MemcachedRecords, RedisRecords, SQLRecords
from sessionware.integrations.beaker import SessionMiddleware as BeakerMiddleware
from sessionware.integrations.bottle import SessionPlugin
from sessionware.integrations.paste import filter_factory
from sessionware.stores import MemcachedStore, RedisStore, SQLAlchemyStore

#: What the session holds. A value that is handed to a member just now is its caller's, whose own frame shows it.
DATA = "data-that-is-secret"
NEW = "just-handed-in"
#: What a key of the session is called, and a user, is no secret: errors and the log name them.
USER = "ada"


class DriverError(Exception):
    """What a driver raises within a store."""


class Opaque:
    """A type of the application's own that cannot be stored, or made again."""


def to_plain(value: Opaque) -> str:
    raise ZeroDivisionError


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """*error* and what it is chained to, each once."""
    pending, seen = [error], set()
    while pending:
        one = pending.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            pending += [one.__cause__, one.__context__]


def is_shown(module: str) -> bool:
    """Whether the frames of *module* are looked at: not those of the tests, which hold what they ask with."""
    return module.startswith("support.stores") or not module.startswith(("tests.", "support.", "security.", "_pytest"))


def in_report(error: BaseException) -> Iterator[str]:
    """What a crash report has: texts, and all locals but ``environ``, which the server's own frames show too."""
    yield "".join(traceback.format_exception(error))
    for one in chain(error):
        yield f"{one!r} {one} {walked(vars(one))}"
        for frame, _ in traceback.walk_tb(one.__traceback__):
            module = frame.f_globals["__name__"]
            if is_shown(module):
                for name, value in frame.f_locals.items():
                    if name != "environ":
                        yield f"{module} {frame.f_code.co_name} {name}={walked(value)}"


class Witness(logging.Handler):
    """Keeps whatever can be seen from outside, as text, when it is seen."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(self.format(record))
        self.seen.append(walked({name: value for name, value in vars(record).items() if name != "exc_info"}))
        if record.exc_info and record.exc_info[1] is not None:
            self.seen += in_report(record.exc_info[1])

    def note(self, what: object) -> None:
        if isinstance(what, BaseException):
            self.seen += in_report(what)
        else:
            self.seen.append(f"{walked(what)} {what!r} {what}")


@contextmanager
def watching(witness: Witness) -> Iterator[None]:
    logger = logging.getLogger("sessionware")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(witness)
    try:
        yield
    finally:
        logger.removeHandler(witness)
        logger.setLevel(level)


def unmasked(token: str) -> str:
    """The secret that a CSRF token masks, as a report would show it."""
    decoded = base64_decode(token)
    pad, masked = decoded[:SECRET_BYTES], decoded[SECRET_BYTES:]
    return repr(bytes(one ^ other for one, other in zip(pad, masked, strict=True)))[2:-1]


@dataclass
class Scene:
    """A user's browser and its session, which holds secrets, at a site that is watched."""

    make: SiteMaker
    witness: Witness = field(default_factory=Witness)
    cookies: list[str] = field(default_factory=list)
    csrf_tokens: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.site = self.make(on_event=[self.witness.note], types={Opaque: ("opaque", to_plain, str)})
        self.begin(login(USER, data=DATA, cart=[DATA], nested={"deep": {DATA: 1}}))
        self.begin(then(login(USER, data=DATA, cart=[DATA]), call("flash", DATA)))

    def begin(self, action: Action) -> None:
        """A new session of the browser."""
        answer = self.site.ask(then(action, lambda session: self.csrf_tokens.append(session.csrf_token)))
        self._keep(answer)

    def ask(self, action: Action, cookie: str | None = None, **more: Any) -> Answer | None:
        """A request; what it raises to the server is looked at, and so is its session at the end."""

        def looked_at(session: Session) -> Any:
            try:
                return action(session)
            finally:
                for one in (session, session._request, getattr(session._request, "changes", None)):
                    self.witness.note(repr(one))

        try:
            answer = self.site.ask(looked_at, {COOKIE: cookie or self.cookie}, **more)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
            self.witness.note(error)
            return None
        self._keep(answer)
        self.witness.note(answer.body)
        return answer

    def caught(self, action: Action) -> Action:
        """*action*, whose error the application catches and reports, and goes on."""

        def run(session: Session) -> None:
            try:
                action(session)
            except Exception as error:  # noqa: BLE001
                self.witness.note(error)

        return run

    def _keep(self, answer: Answer) -> None:
        self.cookies += [value for value in answer.cookies.values() if value]

    @property
    def cookie(self) -> str:
        return self.cookies[-1]

    @contextmanager
    def down(self, *operations: str, failure: BaseException | None = None) -> Iterator[None]:
        """The store fails; over the cookie backend there is none."""
        if not self.site.is_stored:
            yield
            return
        self.site.store.failure = failure or StoreUnavailable("sql at db: refused")
        with self.site.store.down(*operations):
            yield

    def secrets(self) -> dict[str, str]:
        """All that may be seen nowhere, with a name for each."""
        found = {"data": DATA, "secret": SECRET, "new secret": NEW_SECRET}
        for secret in (SECRET, NEW_SECRET):
            keyring = Keyring([secret.encode()])
            found |= {f"key {purpose}": repr(keyring.derive(purpose, COOKIE)[0])[2:-1] for purpose in Purpose}
        for number, csrf_token in enumerate(self.csrf_tokens):
            found |= {f"CSRF token {number}": csrf_token, f"bytes of CSRF token {number}": unmasked(csrf_token)}
        for number, cookie in enumerate(self.cookies):
            found[f"cookie {number}"] = cookie
            with suppress(BadData):
                head, _, signature = cookie.rpartition(".")
                found[f"signature {number}"] = signature
                found[f"signed {number}"] = head[8:]
                token = token_in(cookie)
                found[f"token {number}"] = repr(token)[2:-1]
                if self.site.is_stored:
                    found[f"key {number}"] = key_of(cookie)
        if self.site.is_stored:
            found |= {f"asked key {number}": key for number, key in enumerate(self.site.store.keys)}
            found |= {f"payload {n}": repr(held)[2:-1] for n, held in enumerate(self.site.store.held().values())}
        return {name: text for name, text in found.items() if len(text) > 7}

    def leaks(self) -> list[str]:
        """What was seen, with the places."""
        secrets = self.secrets().items()
        return sorted({f"{name}: {seen[:300]}" for seen in self.witness.seen for name, text in secrets if text in seen})


# The ways in which a request goes wrong.

Way = Callable[[Scene], object]
WAYS: dict[str, Way] = {}


def way(function: Way) -> Way:
    WAYS[function.__name__.replace("_", " ")] = function
    return function


def failing(value: Any) -> Any:
    raise ZeroDivisionError


def overtaken(scene: Scene, action: Action) -> Action:
    """Another request does *action* in the middle of this one."""
    return lambda session: scene.ask(action)


def appended(value: Any) -> Action:
    """A change deep inside, which only the commit sees."""
    return lambda session: session["cart"].append(value)


def outcome_of(function: Callable[[], object]) -> object:
    """What *function* gives or raises."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
        return error


STEPS: dict[str, Action] = {
    "read": read,
    "write": then(read, put(new=NEW)),
    "save": then(read, put(new=NEW), call("save")),
    "regenerate": call("regenerate"),
    "login": call("login", USER),
    "login of another": call("login", "grace"),
    "remember": call("remember", "30d"),
    "logout": call("clear"),
    "logout after a write": then(read, put(new=NEW), call("invalidate")),
    "confirm": call("confirm"),
    "flash": then(call("flash", NEW), call("pop_flashes")),
    "CSRF token": then(member("csrf_token"), call("verify_csrf", "x" * 86)),
    "passive": then(call("passive"), read, member("rejected")),
    "emptied": lambda session: [session.pop(key) for key in list(session)],
    "revert": then(read, put(new=NEW), call("revert")),
}
FAULTS: dict[str, tuple[str, ...]] = {"load": ("load",), "writes": ("create", "replace", "delete"), "all": ()}


def driver_failure() -> StoreUnavailable:
    failure = StoreUnavailable("sql at db: refused")
    failure.__cause__ = DriverError("timed out")
    return failure


@way
def nothing_goes_wrong(scene: Scene) -> None:
    for step in STEPS.values():
        scene.ask(step)
        scene.begin(login(USER, data=DATA))


@way
def another_site_has_caused_it(scene: Scene) -> None:
    headers = {"HTTP_ORIGIN": "https://evil.example", "HTTP_SEC_FETCH_SITE": "cross-site"}
    for step in STEPS.values():
        scene.ask(step, REQUEST_METHOD="POST", **headers)
        scene.ask(scene.caught(step), REQUEST_METHOD="POST", **headers)


@way
def a_key_of_the_data_is_the_user(scene: Scene) -> None:
    scene.site = scene.site.like(user_key="who")
    for value in (USER, "grace", None, [NEW]):
        scene.ask(put(who=value))
        scene.ask(scene.caught(put(who=value)))


@way
def the_sessions_of_a_user_are_listed_and_ended(scene: Scene) -> None:
    site = scene.site = scene.site.like(**({"max_sessions_per_user": 2} if scene.site.is_stored else {}))
    for broken in (None, *FAULTS.values()):
        for number in range(3):
            scene.begin(login(USER, data=DATA, number=number))
        answer = scene.ask(member("id"))
        calls: list[Callable[[], object]] = [
            partial(site.manager.sessions_of, USER),
            partial(site.manager.revoke, answer.result if answer else "x"),
            partial(site.manager.revoke_user, USER, keep="x"),
            partial(site.manager.sessions_of, [NEW]),  # type: ignore[arg-type]
        ]
        for one in calls:
            state = nullcontext() if broken is None else scene.down(*broken, failure=driver_failure())
            with state:
                scene.witness.note(outcome_of(one))
        scene.ask(put(new=NEW))


@way
def the_store_is_down(scene: Scene) -> None:
    for operations in FAULTS.values():
        for step in STEPS.values():
            with scene.down(*operations, failure=driver_failure()):
                scene.ask(step)


@way
def the_store_is_down_and_the_application_catches_it(scene: Scene) -> None:
    for operations in FAULTS.values():
        for step in STEPS.values():
            with scene.down(*operations, failure=driver_failure()):
                scene.ask(scene.caught(then(step, call("save"))))


@way
def the_store_is_down_and_the_error_is_raised(scene: Scene) -> None:
    scene.site = scene.site.like(on_store_failure="raise")
    the_store_is_down(scene)


@way
def the_store_is_down_and_sessions_become_anonymous(scene: Scene) -> None:
    scene.site = scene.site.like(on_store_failure="anonymous")
    the_store_is_down(scene)
    the_store_is_down_and_the_application_catches_it(scene)


@way
def the_store_has_a_fault_of_its_own(scene: Scene) -> None:
    for operations in FAULTS.values():
        for step in STEPS.values():
            with scene.down(*operations, failure=TypeError("a fault of the store's")):
                scene.ask(step)


@way
def a_request_comes_too_late(scene: Scene) -> None:
    former = scene.cookie
    for between in (call("regenerate"), login("grace", data=DATA), call("clear")):
        scene.ask(then(put(new=NEW), overtaken(scene, between)))
        for step in STEPS.values():
            scene.ask(step, former)
        scene.begin(login(USER, data=DATA))
        former = scene.cookie


@way
def two_requests_write_one_key(scene: Scene) -> None:
    scene.ask(then(put(data=DATA * 2), overtaken(scene, put(data=DATA * 3))))
    scene.ask(then(call("alter", "data", lambda value: value + DATA), overtaken(scene, put(data=DATA * 3))))


@way
def an_alter_fails_when_it_runs_again(scene: Scene) -> None:
    def fails_later(value: Any) -> Any:
        return failing(value) if "other" in value else DATA * 2

    action = call("alter", "data", fails_later)
    scene.ask(then(action, overtaken(scene, put(data="other " + DATA))))
    scene.ask(call("alter", "data", failing))
    scene.ask(call("alter", "cart", lambda cart: cart.append(DATA)))


@way
def a_value_cannot_be_stored(scene: Scene) -> None:
    bad: list[Any] = [object(), bytearray(NEW.encode()), memoryview(NEW.encode()), NEW + "\ud800", Opaque()]
    for value in [*bad, *([NEW, {NEW[:5]: one}] for one in bad)]:
        scene.ask(put(bad=value))
        scene.ask(appended(value))
        scene.ask(scene.caught(put(bad=value)))


@way
def an_argument_is_wrong(scene: Scene) -> None:
    calls: list[Action] = [
        call("login", None),
        call("login", [NEW]),
        call("login", USER, label=NEW * 100),
        call("remember", NEW),
        call("alter", "data", None),
        lambda session: session[NEW],
        lambda session: session.update({5: NEW}),
        lambda session: setattr(session, "cart", NEW),
        call("get_by_id", scene.cookie),
    ]
    for wrong in calls:
        scene.ask(wrong)
        scene.ask(scene.caught(wrong))


@way
def there_is_too_much_data(scene: Scene) -> None:
    if scene.site.is_stored:
        scene.site.store.limit = 3000
    scene.ask(put(large=DATA * 1000))
    scene.ask(scene.caught(then(put(large=DATA * 1000), call("save"))))


@way
def the_cookie_is_not_good(scene: Scene) -> None:
    good = scene.cookie
    for bad in (good[:-1], good[:-3] + "AAA", "x" + good[1:], good * 2, f'"{good}"', good[:20], "x", "."):
        scene.cookies.append(bad)
        scene.ask(read, bad)
        scene.ask(put(new=NEW), bad)
    scene.ask(read, f"{good[:-2]}; {COOKIE}={good}")
    scene.site = scene.site.like(secret=NEW_SECRET)
    scene.ask(read, good)
    scene.site = scene.site.like(secret=[NEW_SECRET, SECRET])
    scene.ask(then(read, put(new=NEW)), good)


@way
def the_record_is_not_good(scene: Scene) -> None:
    if not scene.site.is_stored:
        return
    store, good = scene.site.store, scene.cookie
    (key,) = {key_of(good)}
    payload = store.held()[key]
    for planted in (payload[:-1], b"", payload[:40], bytes(len(payload)), payload[::-1]):
        store.plant(key, planted)
        for step in (read, put(new=NEW), call("clear")):
            scene.ask(step, good)


@way
def the_session_has_expired(scene: Scene) -> None:
    for seconds in (3599, 3600, 86400, 40 * 86400):
        former = scene.cookie
        scene.site.clock.advance(seconds)
        for step in STEPS.values():
            scene.ask(step, former)
        scene.begin(login(USER, data=DATA))


@way
def the_application_raises(scene: Scene) -> None:
    for step in STEPS.values():
        scene.ask(then(step, failing))
        scene.ask(step, status="500 Internal Server Error")


@way
def the_headers_are_out(scene: Scene) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        session = environ[KEY]
        start_response("200 OK", PLAIN)
        session["early"] = NEW
        yield b"x"
        session["late"] = NEW
        for late in (call("login", USER), call("remember", "30d"), put(bad=object()), call("save")):
            scene.caught(late)(session)
        scene.witness.note(repr(session))
        yield b"y"

    for operations in ((), ("load",)):
        exchange = scene.site.exchange(app, {COOKIE: scene.cookie})
        with scene.down(*operations) if operations else nullcontext():
            try:
                exchange.run()
            except Exception as error:  # noqa: BLE001
                scene.witness.note(error)


@way
def a_listener_fails(scene: Scene) -> None:
    """At each event; those of a failure are told while it is handled."""
    reading: list[Session] = []

    def listen(event: object) -> None:
        for session in reading:
            dict(session)
        raise ZeroDivisionError(f"{event}")

    scene.site = scene.site.like(on_event=[scene.witness.note, listen])
    for wrong in (nothing_goes_wrong, the_store_is_down, a_request_comes_too_late, the_session_has_expired):
        wrong(scene)
    for step in STEPS.values():
        for operations in FAULTS.values():
            with scene.down(*operations, failure=driver_failure()):
                scene.ask(then(reading.append, step))
            reading.clear()


def raising_context(environ: Mapping[str, Any]) -> Mapping[str, Any]:
    raise ValueError(environ["HTTP_COOKIE"])


@way
def the_context_of_an_event_cannot_be_told(scene: Scene) -> None:
    contexts: list[Callable[[Mapping[str, Any]], Any]] = [raising_context, lambda environ: environ, list]
    for context in contexts:
        scene.site = scene.site.like(event_context=context)
        nothing_goes_wrong(scene)
        the_application_raises(scene)


@way
def a_filter_of_the_log_fails(scene: Scene) -> None:
    def fail(record: logging.LogRecord) -> bool:
        raise ZeroDivisionError

    logger = logging.getLogger("sessionware")
    logger.addFilter(fail)
    try:
        for wrong in (nothing_goes_wrong, the_store_is_down, the_application_raises):
            wrong(scene)
    finally:
        logger.removeFilter(fail)


@way
def the_manager_is_looked_at(scene: Scene) -> None:
    manager = scene.site.manager
    parts: list[Any] = [
        manager,
        scene.site.app,
        manager._settings,
        manager._lifecycle,
        manager._answers,
        scene.site.backend,
    ]
    for part in parts:
        scene.witness.note(repr(part))
        scene.witness.note(walked({name: getattr(part, name, None) for name in dir(part) if name[0] == "_" != name[1]}))
    if scene.site.is_stored:
        # What a probe asks for is no session's key.
        scene.site = Site(RecordingStore(), on_event=scene.witness.note)
        manager = scene.site.manager
    with scene.down(failure=driver_failure()):
        for probe in (lambda: manager.ping(write=True), manager.purge):
            scene.witness.note(outcome_of(probe))
    if scene.site.is_stored:
        scene.site.store.keys.clear()


@way
def a_value_cannot_be_made_again(scene: Scene) -> None:
    own = {Opaque: ("opaque", lambda value: [DATA], failing)}
    scene.site = scene.site.like(types=own)
    scene.begin(login(USER, data=DATA, own=Opaque()))
    for types in (own, {}):
        scene.site = scene.site.like(types=types)
        for step in STEPS.values():
            scene.ask(step)
            scene.ask(scene.caught(step))


@pytest.mark.parametrize("name", WAYS)
def test_nothing_secret_is_seen_when(name: str, make_any_site: SiteMaker) -> None:
    scene = Scene(make_any_site)
    with watching(scene.witness):
        WAYS[name](scene)

    assert scene.leaks() == []


def test_the_witness_sees_what_would_be_a_leak(make_any_site: SiteMaker) -> None:
    """Or else the table would prove nothing."""
    scene = Scene(make_any_site)
    with watching(scene.witness):
        logging.getLogger("sessionware").error("%s", {"cookie": scene.cookie})
        scene.witness.note(ValueError([DATA]))

    assert {"data", f"cookie {len(scene.cookies) - 1}"} <= {leak.partition(":")[0] for leak in scene.leaks()}


# A configuration with a fault.

PASSWORD = "pass-word-of-the-url"
URL = f"redis://ada:{PASSWORD}@127.0.0.1:1/x"
CONFIGS: dict[str, dict[str, Any]] = {
    "an unknown option": {"secret": SECRET, "secrue": DATA},
    "a bad value": {"secret": SECRET, "idle_timeout": "soon"},
    "a bad combination": {"secret": SECRET, "cookie.samesite": "None", "cookie.secure": False},
    "a weak secret": {"secret": [SECRET, "weak"]},
    "two equal secrets": {"secret": [SECRET, SECRET]},
    "a URL that is wrong": {"secret": SECRET, "backend": URL},
    "an unknown option of a store": {"secret": SECRET, "backend": "redis", "backend.url": URL, "backend.x": 1},
    "a URL of memcached that is wrong": {"secret": SECRET, "backend": f"memcached://ada:{PASSWORD}@127.0.0.1:x"},
    "a database that is none": {"secret": SECRET, "backend": f"postgresql+nodriver://ada:{PASSWORD}@localhost/x"},
    "in an INI file": {"session.secret": SECRET, "session.idle_timeout": "soon"},
}


MAKERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "middleware": lambda options: SessionMiddleware(lambda environ, start_response: [], options),
    "middleware, by keyword": lambda options: SessionMiddleware(lambda environ, start_response: [], **options),
    "manager": SessionManager,
    "config": lambda options: SessionManager(Config(options)),
    "Bottle": SessionPlugin,
    "Bottle, by keyword": lambda options: SessionPlugin(**options),
    "Pyramid": lambda options: Configurator(settings=prefixed(options)).include("sessionware.integrations.pyramid"),
    "PasteDeploy": lambda options: filter_factory({}, **options)(lambda environ, start_response: []),
}


def prefixed(options: dict[str, Any]) -> dict[str, Any]:
    return {name if name.startswith("session.") else f"session.{name}": value for name, value in options.items()}


def shown_of(make: Callable[[], object]) -> list[tuple[str, str]]:
    """What is secret in what is seen of a configuration that is refused, with the place."""
    witness = Witness()
    with watching(witness), pytest.raises(ConfigError) as caught:
        make()
    witness.note(caught.value)
    return [(text, seen[:300]) for seen in witness.seen for text in (SECRET, "weak'", DATA, PASSWORD) if text in seen]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("maker", MAKERS)
def test_nothing_secret_is_seen_of_a_configuration_with(name: str, maker: str) -> None:
    assert shown_of(lambda: MAKERS[maker](CONFIGS[name])) == []


@pytest.mark.parametrize(("name", "value"), [("IDLE_TIMEOUT", "soon"), ("SECRUE", DATA), ("BACKEND__X", DATA)])
def test_nothing_secret_is_seen_of_variables_with_a_fault(name: str, value: str) -> None:
    variables = {"SESSIONWARE_SECRET": SECRET, "SESSIONWARE_BACKEND": URL, f"SESSIONWARE_{name}": value}

    assert shown_of(lambda: Config.from_environ(variables)) == []


UNTIL = "2030-01-31T00:00:00Z"
BY_HAND: dict[str, Callable[[], object]] = {
    "Flask's": lambda: FlaskSessions(SECRET, until="soon"),
    "Flask-Session's": lambda: StoredFlaskSessions(KVRecords({}), until=UNTIL, secret_key=SECRET, cookie_name="a;b"),
    "Flask-Session's, by a URL": lambda: StoredFlaskSessions(f"redis://:{PASSWORD}@localhost", until=UNTIL),  # type: ignore[arg-type]
    "Flask-KVSession's": lambda: KVSessions({}, SECRET, until="soon"),
    "Django's": lambda: DjangoSessions(SECRET, until=UNTIL, cookie_path="app"),
    "Beaker's": lambda: StoredBeakerSessions(KVRecords({}), until="soon", user_key=None, secret=SECRET),
    "Beaker's, in cookies": lambda: BeakerCookieSessions(SECRET, until="soon", user_key=None, encrypt_key=SECRET),
    "Redis": lambda: RedisRecords(f"redis://:{PASSWORD}#more@localhost:6379/0"),
    "a database": lambda: SQLRecords(f"postgresql://ada:{PASSWORD}@localhost:port/shop"),
    "a database without a driver": lambda: SQLRecords(f"mysql+nodriver://ada:{PASSWORD}@localhost/shop"),
    "memcached": lambda: MemcachedRecords(f"ada:{PASSWORD}@localhost:11211"),
    "a store in Redis": lambda: RedisStore(f"redis://:{PASSWORD}#more@localhost:6379/0"),
    "a store in Redis, with a slash in its password": lambda: RedisStore(f"redis://ada:12/{PASSWORD}/x@localhost/0"),
    "a middleware of Beaker's without an application": lambda: BeakerMiddleware({"session.validate_key": SECRET}),  # type: ignore[arg-type]
    "a store in a database": lambda: SQLAlchemyStore(f"postgresql://ada:{PASSWORD}@localhost:port/shop"),
    "a store in memcached": lambda: MemcachedStore(f"memcached://ada:{PASSWORD}@localhost"),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_nothing_secret_is_seen_of_what_is_made_by_hand_and_refused(name: str) -> None:
    assert shown_of(BY_HAND[name]) == []
