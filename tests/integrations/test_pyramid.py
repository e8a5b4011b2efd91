"""Pyramid's sessions, flash queues and CSRF tokens over ours, by settings, and within a middleware."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import webtest
from pyramid.authentication import SessionAuthenticationHelper  # type: ignore[import-untyped]
from pyramid.config import Configurator  # type: ignore[import-untyped]
from pyramid.csrf import (  # type: ignore[import-untyped]
    SessionCSRFStoragePolicy,
    check_csrf_token,
    get_csrf_token,
    new_csrf_token,
)
from pyramid.events import NewResponse  # type: ignore[import-untyped]
from pyramid.i18n import TranslationString  # type: ignore[import-untyped]
from pyramid.interfaces import ICSRFStoragePolicy, ISession  # type: ignore[import-untyped]
from pyramid.response import Response  # type: ignore[import-untyped]
from pyramid.testing import DummyRequest  # type: ignore[import-untyped]
from support.constants import SECRET
from support.stores import RecordingStore
from zope.interface.verify import verifyObject  # type: ignore[import-untyped]

from sessionware import ConfigError, HeadersSent, SessionDataError, SessionMiddleware, StoreUnavailable, get_session
from sessionware.integrations.pyramid import TRANSLATION_STRING, CSRFPolicy, SessionFactory
from sessionware.testing import FakeClock, SessionClient

Action = Callable[[Any], Any]


class Site:
    """An application of Pyramid that does what the test wants with its request; the errors of views are its own."""

    def __init__(self, settings: Any = None, *, is_wrapped: bool = False) -> None:
        self.action: Action = lambda request: None
        self.result: Any = None
        options = {"session.secret": SECRET, "session.clock": FakeClock(), **(settings or {})}
        config = Configurator(settings={} if is_wrapped else options)
        config.include("sessionware.integrations.pyramid")
        config.add_route("all", "/*path")
        config.add_view(self._view, route_name="all")
        self.config = config
        self.options = options if is_wrapped else None
        self._browser: webtest.TestApp | None = None

    def _view(self, request: Any) -> Response:
        self.result = self.action(request)
        return self.result if isinstance(self.result, Response) else Response("ok")

    @property
    def browser(self) -> webtest.TestApp:
        if self._browser is None:
            app = self.config.make_wsgi_app()
            self._browser = webtest.TestApp(app if self.options is None else SessionMiddleware(app, self.options))
        return self._browser

    def ask(self, action: Action, **named: Any) -> webtest.TestResponse:
        self.action = action
        return self.browser.get("/", **named)

    def of(self, action: Action) -> Any:
        """What *action* gives in a request."""
        self.ask(action)
        return self.result


def set_theme(request: Any) -> None:
    request.session["theme"] = "dark"


def data(request: Any) -> dict[str, Any]:
    return dict(request.session)


@pytest.fixture(params=["by the factory", "by a middleware"])
def site(request: pytest.FixtureRequest) -> Site:
    return Site(is_wrapped=request.param == "by a middleware")


# The interface


def test_the_session_keeps_pyramids_interface(site: Site) -> None:
    assert site.of(lambda request: verifyObject(ISession, request.session))


def test_what_is_set_is_there_in_the_next_request(site: Site) -> None:
    site.ask(set_theme)

    assert site.of(data) == {"theme": "dark"}


def test_a_change_within_a_value_is_kept(site: Site) -> None:
    site.ask(lambda request: request.session.update(cart=["tea"]))
    site.ask(lambda request: request.session["cart"].append("honey"))

    assert site.of(data) == {"cart": ["tea", "honey"]}


def test_a_request_that_does_not_touch_its_session_gets_no_header(site: Site) -> None:
    answer = site.ask(lambda request: repr(request.session))

    assert not {"Set-Cookie", "Vary"} & set(answer.headers)


def test_a_crash_report_of_sentry_loads_nothing(site: Site) -> None:
    answer = site.ask(lambda request: type(request.session).__sentry_repr__(request.session))

    assert not {"Set-Cookie", "Vary"} & set(answer.headers)


def test_a_read_is_told_to_caches(site: Site) -> None:
    assert site.ask(data).headers["Vary"] == "Cookie"


def test_a_session_says_when_it_began_and_whether_it_is_new(site: Site) -> None:
    def told(request: Any) -> Any:
        return request.session.created, request.session.new

    site.ask(set_theme)
    created, is_new = site.of(told)

    assert (created, is_new) == (1_700_000_000, False)
    assert type(created) is int


def test_an_invalidated_session_ends_and_may_be_used(site: Site) -> None:
    def start_again(request: Any) -> Any:
        request.session.invalidate()
        request.session["fresh"] = True
        return request.session.new

    site.ask(set_theme)

    assert site.of(start_again) is True
    assert site.of(data) == {"fresh": True}


def test_changed_forces_a_write() -> None:
    store = RecordingStore()
    site = Site({"session.backend": store})
    site.ask(set_theme)
    store.reset()

    site.ask(lambda request: request.session.changed())

    assert "replace" in store.calls


@pytest.mark.parametrize(
    ("action", "result", "left"),
    [
        (lambda session: session.pop("a"), 1, {"b": [2]}),
        (lambda session: session.pop("none", 3), 3, {"a": 1, "b": [2]}),
        (lambda session: session.popitem(), ("b", [2]), {"a": 1}),
        (lambda session: session.setdefault("c", 3), 3, {"a": 1, "b": [2], "c": 3}),
        (lambda session: session.get("none"), None, {"a": 1, "b": [2]}),
        (lambda session: list(session.items()), [("a", 1), ("b", [2])], {"a": 1, "b": [2]}),
        (lambda session: session.__delitem__("a"), None, {"b": [2]}),
        (lambda session: session == {"a": 1, "b": [2]}, True, {"a": 1, "b": [2]}),
        (lambda session: session | {"c": 3}, {"a": 1, "b": [2], "c": 3}, {"a": 1, "b": [2]}),
        (lambda session: {"c": 3} | session, {"c": 3, "a": 1, "b": [2]}, {"a": 1, "b": [2]}),
        (lambda session: ("a" in session, len(session), bool(session)), (True, 2, True), {"a": 1, "b": [2]}),
        (lambda session: session.__ior__({"c": 3}) is session, True, {"a": 1, "b": [2], "c": 3}),
        (lambda session: session.clear(), None, {}),
    ],
)
def test_it_is_a_dict(site: Site, action: Action, result: Any, left: dict[str, Any]) -> None:
    site.ask(lambda request: request.session.update(a=1, b=[2]))

    given = site.of(lambda request: [action(request.session)])

    assert given == [result]
    assert site.of(data) == left


def test_a_key_that_is_missing_is_a_key_error_for_pop_too(site: Site) -> None:
    with pytest.raises(KeyError):
        site.ask(lambda request: request.session.pop("none"))


def test_all_other_members_are_the_sessions(site: Site) -> None:
    def sign_in(request: Any) -> None:
        request.session.login("ada")
        request.session.alter("visits", lambda n: n + 1, default=0)

    site.ask(sign_in)

    assert site.of(lambda request: (request.session.user_id, request.session["visits"])) == ("ada", 1)
    with pytest.raises(AttributeError):
        site.ask(lambda request: setattr(request.session, "cart", []))
    with pytest.raises(AttributeError, match="regenerate"):
        site.ask(lambda request: request.session.regenerate_id)


def test_the_session_stands_in_environ_too(site: Site) -> None:
    def both(request: Any) -> bool:
        request.session["theme"] = "dark"
        return bool(get_session(request.environ)["theme"] == request.session["theme"])

    assert site.of(both) is True


def test_a_setting_under_the_prefix_of_variables_is_not_dropped_without_a_word() -> None:
    with pytest.raises(ConfigError, match=r"sessionware\.cookie\.name: unknown option; write session\.cookie\.name"):
        Site({"sessionware.cookie.name": "shop"})


# Flash queues


def test_flash_queues_are_peeked_at_and_popped(site: Site) -> None:
    def fill(request: Any) -> None:
        session = request.session
        session.flash("one")
        session.flash("two", "errors")
        session.flash("one", allow_duplicate=False)
        session.flash("one")

    site.ask(fill)

    assert site.of(lambda request: request.session.peek_flash()) == ["one", "one"]
    assert site.of(lambda request: request.session.pop_flash("errors")) == ["two"]
    assert site.of(lambda request: request.session.pop_flash()) == ["one", "one"]
    assert site.of(lambda request: (request.session.pop_flash(), request.session.peek_flash("errors"))) == ([], [])


def test_a_peek_writes_nothing() -> None:
    store = RecordingStore()
    site = Site({"session.backend": store})
    site.ask(lambda request: request.session.flash("one"))
    store.reset()

    site.ask(lambda request: request.session.peek_flash())

    assert store.calls == ["load"]


def test_a_translation_string_keeps_its_mapping_and_its_default() -> None:
    site = Site()
    text = TranslationString("hello", domain="shop", default="Hello ${name}", mapping={"name": "Ada"}, context="page")
    site.ask(lambda request: request.session.flash(text))

    (found,) = site.of(lambda request: request.session.pop_flash())

    assert type(found) is TranslationString
    assert (found, found.domain, found.default, found.mapping, found.context) == (
        "hello",
        "shop",
        "Hello ${name}",
        {"name": "Ada"},
        "page",
    )


# CSRF tokens


def test_the_token_of_a_session_stays_the_same(site: Site) -> None:
    tokens = {site.of(lambda request: request.session.get_csrf_token()) for _ in range(3)}

    assert len(tokens) == 1


def test_two_sessions_have_different_tokens() -> None:
    first, second = (Site().of(lambda request: request.session.get_csrf_token()) for _ in range(2))

    assert first != second


def test_the_tokens_of_the_policy_are_another_text_each_time_and_all_good(site: Site) -> None:
    tokens = [site.of(get_csrf_token) for _ in range(2)]
    fixed = site.of(lambda request: request.session.get_csrf_token())

    def check(token: str) -> Action:
        return lambda request: check_csrf_token(request, token="none", header="X-CSRF-Token", raises=False)

    assert len({*tokens, fixed}) == 3
    for token in [*tokens, fixed]:
        site.action = check(token)
        site.browser.get("/", headers={"X-CSRF-Token": token})
        assert site.result is True
    site.browser.get("/", headers={"X-CSRF-Token": "A" * 86})
    assert site.result is False


@pytest.mark.parametrize("ask", [new_csrf_token, lambda request: request.session.new_csrf_token()])
def test_after_a_new_token_the_old_ones_are_good_no_more(site: Site, ask: Action) -> None:
    old = site.of(lambda request: request.session.get_csrf_token())

    new = site.of(ask)

    assert site.of(lambda request: [request.session.verify_csrf(token) for token in (old, new)]) == [False, True]
    assert site.of(lambda request: request.session.get_csrf_token()) != old


def test_a_login_leaves_no_token_from_before(site: Site) -> None:
    old = site.of(lambda request: request.session.get_csrf_token())
    site.ask(lambda request: request.session.login("ada"))

    assert site.of(lambda request: request.session.verify_csrf(old)) is False


def test_pyramid_refuses_a_form_without_a_token_by_itself() -> None:
    site = Site()
    site.config.set_default_csrf_options(require_csrf=True)
    token = site.of(get_csrf_token)

    site.action = lambda request: None
    site.browser.post("/", {"csrf_token": ""}, status=400)

    assert site.browser.post("/", {"csrf_token": token}).status_int == 200


def test_the_policy_keeps_pyramids_interface() -> None:
    assert verifyObject(ICSRFStoragePolicy, CSRFPolicy())


# Saving


def test_a_callback_that_was_added_later_may_change_the_session(site: Site) -> None:
    def add(request: Any) -> None:
        request.session["first"] = 1
        request.add_response_callback(lambda request, response: request.session.update(second=2))

    site.ask(add)

    assert site.of(data) == {"first": 1, "second": 2}


def test_an_error_view_may_use_the_session(site: Site) -> None:
    def not_found(error: Exception, request: Any) -> Response:
        request.session["by"] = "error view"
        return Response("sorry", status=500)

    site.config.add_exception_view(not_found, context=ZeroDivisionError)

    site.ask(lambda request: request.session.update(a=1 / 0), status=500)

    assert site.of(data) == {"by": "error view"}


def test_of_a_view_that_raises_nothing_is_saved(site: Site) -> None:
    def fail(request: Any) -> None:
        request.session["half"] = True
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        site.ask(fail)

    assert site.of(data) == {}


def test_a_discarded_change_is_told() -> None:
    events: list[Any] = []
    site = Site({"session.on_event": events.append})

    def fail(request: Any) -> None:
        request.session["half"] = True
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        site.ask(fail)

    assert [(event.name, event.reason) for event in events] == [("discarded", "app_raised")]


@pytest.mark.parametrize("is_wrapped", [False, True])
@pytest.mark.parametrize("operation", ["load", "create", "replace"])
def test_a_store_that_is_down_is_a_503(operation: str, is_wrapped: bool) -> None:
    store = RecordingStore()
    site = Site({"session.backend": store}, is_wrapped=is_wrapped)
    if operation != "create":
        site.ask(set_theme)

    with store.down(operation):
        answer = site.ask(lambda request: request.session.alter("n", lambda n: n + 1, 0), status=503)

    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Please try again" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_the_answer_whose_place_a_503_takes_is_closed() -> None:
    store, closed = RecordingStore(), []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"never sent"])

        def close(self) -> None:
            closed.append(True)

    def answer(request: Any) -> Response:
        request.session["theme"] = "dark"
        return Response(app_iter=Body(), headerlist=[("Access-Control-Allow-Origin", "https://shop.example")])

    site = Site({"session.backend": store})
    with store.down("create"):
        found = site.ask(answer, status=503)

    assert closed == [True]
    assert found.headers["Access-Control-Allow-Origin"] == "https://shop.example"


def test_an_application_that_wants_the_error_gets_it() -> None:
    store = RecordingStore()
    site = Site({"session.backend": store, "session.on_store_failure": "raise"})

    site.ask(set_theme)

    with store.down("load"), pytest.raises(StoreUnavailable, match="switched off"):
        site.ask(data)


def test_a_value_that_cannot_be_stored_is_no_answer(site: Site) -> None:
    def nest(request: Any) -> None:
        request.session["cart"] = []
        request.session["cart"].append(object())

    with pytest.raises(SessionDataError, match="cart"):
        site.ask(nest)


def test_what_a_stream_changes_is_an_error_without_a_middleware_and_saved_with_one() -> None:
    def stream(request: Any) -> Response:
        session = request.session

        def body() -> Iterator[bytes]:
            session["late"] = True
            yield b"late"

        session["theme"] = "dark"
        return Response(app_iter=body())

    alone, wrapped = Site(), Site(is_wrapped=True)

    with pytest.raises(HeadersSent):
        alone.ask(stream)
    wrapped.ask(stream)

    assert wrapped.of(data) == {"theme": "dark", "late": True}


def test_a_stream_that_first_uses_its_session_late_cannot_change_it() -> None:
    def stream(request: Any) -> Response:
        def body() -> Iterator[bytes]:
            yield b"first"
            set_theme(request)

        return Response(app_iter=body())

    site = Site({"session.backend": "memory"})
    site.ask(lambda request: request.session.update(cart=["tea"]))

    with pytest.raises(HeadersSent):
        site.ask(stream)

    assert site.of(data) == {"cart": ["tea"]}


def change_when_the_response_is_made(site: Site, way: str, *, first: Action) -> None:
    """Let a subscriber or a finished callback set the theme of a request whose view has done *first*."""
    if way == "subscriber":
        site.config.add_subscriber(lambda event: set_theme(event.request), NewResponse)
        site.config.commit()
        site.ask(first)
    else:
        site.ask(lambda request: [first(request), request.add_finished_callback(set_theme)])


@pytest.mark.parametrize("way", ["subscriber", "finished callback"])
def test_a_stored_session_that_is_changed_when_the_response_is_made_is_saved(way: str) -> None:
    site = Site({"session.backend": "memory"})
    site.ask(lambda request: request.session.update(cart=["tea"]))

    change_when_the_response_is_made(site, way, first=data)

    assert site.of(data) == {"cart": ["tea"], "theme": "dark"}


@pytest.mark.parametrize("way", ["subscriber", "finished callback"])
def test_a_session_that_is_first_used_when_the_response_is_made_cannot_be_changed(way: str) -> None:
    site = Site({"session.backend": "memory"})

    with pytest.raises(HeadersSent, match="use it in the view"):
        change_when_the_response_is_made(site, way, first=lambda request: None)


# The configuration


def test_the_settings_of_an_ini_file_are_read() -> None:
    site = Site({"session.cookie.name": "shop", "session.cookie.samesite": "Strict", "pyramid.debug_all": "false"})

    answer = site.ask(set_theme)

    assert answer.headers["Set-Cookie"].startswith("shop=")
    assert "SameSite=Strict" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"session.cookie.secuer": "true"}, r"session\.cookie\.secuer"),
        ({"session.secret": "short"}, "secret"),
        ({"session.types": "nowhere:TYPES"}, "types"),
        ({"session.types": 42}, "types"),
    ],
)
def test_a_fault_of_the_settings_is_told_at_the_start(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Site(settings)


def test_the_settings_of_pyramid_beaker_are_told_with_what_takes_their_place() -> None:
    settings = {
        "session.type": "file",
        "session.data_dir": "/var/sessions",
        "session.key": "shop",
        "session.cookie_on_exception": "true",
        "session.constant_csrf_token": "false",
    }

    with pytest.raises(ConfigError) as raised:
        Site(settings)

    lines = "session.backend = file\nsession.backend.path = /var/sessions\nsession.cookie.name = shop\n"
    assert lines in str(raised.value)
    assert str(raised.value).count("leave it out") == 2


def test_pyramids_helper_for_authentication_signs_in_and_out_by_the_users_key() -> None:
    helper, site = SessionAuthenticationHelper(), Site({"session.user_key": "auth.userid"})
    site.ask(set_theme)
    visitor = site.browser.cookies["sid"]

    site.ask(lambda request: helper.remember(request, "ada"))
    signed_in = site.browser.cookies["sid"]
    user_ids = site.of(lambda request: (helper.authenticated_userid(request), request.session.user_id))
    site.ask(helper.forget)

    assert user_ids == ("ada", "ada")
    assert visitor != signed_in
    assert site.of(lambda request: (helper.authenticated_userid(request), request.session.user_id)) == (None, None)


def test_without_settings_and_without_a_middleware_the_error_names_the_cure() -> None:
    site = Site(is_wrapped=True)
    browser = webtest.TestApp(site.config.make_wsgi_app())
    site.action = data

    with pytest.raises(ConfigError, match=r"wrap the application.*settings that begin with 'session\.'"):
        browser.get("/")


def test_types_of_the_application_stand_beside_the_translation_strings() -> None:
    types = {complex: ("complex", lambda value: [value.real, value.imag], lambda plain: complex(*plain))}
    site = Site({"session.types": types})

    site.ask(lambda request: request.session.update(point=1 + 2j, text=TranslationString("hello")))

    assert site.of(data) == {"point": 1 + 2j, "text": "hello"}


def test_values_of_related_types_are_kept_unless_the_settings_are_strict() -> None:
    def fill(request: Any) -> None:
        request.session["cart"] = OrderedDict(tea=1)

    lenient, strict = Site(), Site({"session.values": "strict"})
    lenient.ask(fill)

    assert lenient.of(data) == {"cart": {"tea": 1}}
    with pytest.raises(SessionDataError):
        strict.ask(fill)


def test_a_session_factory_is_set_by_hand() -> None:
    assert "sid" in by_hand(SessionFactory(secret=SECRET)).get("/").headers["Set-Cookie"]


def by_hand(factory: SessionFactory) -> webtest.TestApp:
    """A site that shows its session and fills it."""

    def view(request: Any) -> Response:
        shown = repr({key: (type(value).__name__, value) for key, value in request.session.items()})
        request.session.update(cart=OrderedDict(tea=1), text=TranslationString("hello", default="Hello"))
        return Response(shown)

    config = Configurator(session_factory=factory)
    config.add_route("all", "/")
    config.add_view(view, route_name="all")
    return webtest.TestApp(config.make_wsgi_app())


@pytest.mark.parametrize("named", [{}, {"types": {complex: ("complex", str, complex)}}])
def test_a_factory_that_is_set_by_hand_keeps_related_types_and_translation_strings(named: dict[str, Any]) -> None:
    browser = by_hand(SessionFactory({"session.secret": SECRET}, **named))
    browser.get("/")

    assert browser.get("/").text == "{'cart': ('dict', {'tea': 1}), 'text': ('TranslationString', 'hello')}"


def test_a_factory_that_is_set_by_hand_may_be_strict() -> None:
    with pytest.raises(SessionDataError):
        by_hand(SessionFactory({"secret": SECRET, "values": "strict"})).get("/")


def test_a_fault_of_a_factory_that_is_set_by_hand_is_told_with_all_others() -> None:
    with pytest.raises(ConfigError, match=r"(?s)typo.*secret"):
        SessionFactory({"typo": 1}, types={})


def test_a_middleware_around_is_told_of_translation_strings() -> None:
    options = {"session.types": {TranslationString: TRANSLATION_STRING}}
    site = Site(options, is_wrapped=True)

    site.ask(lambda request: request.session.flash(TranslationString("hello", default="Hello")))

    assert site.of(lambda request: request.session.pop_flash()[0].default) == "Hello"


def test_the_helper_for_tests_finds_the_manager(site: Site) -> None:
    client = SessionClient(site.browser)

    client.log_in("ada", theme="dark")

    assert site.of(data) == {"theme": "dark"}
    client.advance("2h")
    assert site.of(data) == {}


# The keys of Pyramid's own sessions


def test_the_messages_can_be_read_under_the_key_of_their_queue_and_are_no_key_of_the_data(site: Site) -> None:
    site.ask(lambda request: request.session.flash("one", "errors"))

    assert site.of(lambda request: request.session["_f_errors"]) == ["one"]
    assert site.of(lambda request: request.session.get("_f_")) is None
    assert site.of(lambda request: ("_f_errors" in request.session, "_f_" in request.session)) == (True, False)
    assert site.of(data) == {}


def test_messages_that_are_written_under_the_key_of_their_queue_take_the_place_of_those_there(site: Site) -> None:
    def fill(request: Any) -> None:
        request.session.flash("former")
        request.session["_f_"] = ["one"]
        request.session.setdefault("_f_", []).append("two")
        request.session.flash("three")
        request.session.flash("two", allow_duplicate=False)
        request.session.update(_f_errors=["four"])

    site.ask(fill)

    assert site.of(lambda request: request.session.peek_flash()) == ["one", "two", "three"]
    assert site.of(lambda request: request.session["_f_"]) == ["one", "two", "three"]
    assert site.of(lambda request: request.session.pop_flash()) == ["one", "two", "three"]
    assert site.of(lambda request: (request.session.peek_flash(), request.session.pop("_f_", None))) == ([], None)
    assert site.of(lambda request: request.session.pop("_f_errors")) == ["four"]


def test_a_queue_is_deleted_under_its_key(site: Site) -> None:
    site.ask(lambda request: request.session.flash("one"))
    site.ask(lambda request: request.session.__delitem__("_f_"))

    assert site.of(lambda request: request.session.peek_flash()) == []
    with pytest.raises(KeyError):
        site.ask(lambda request: request.session.__delitem__("_f_"))


def test_the_token_can_be_read_under_its_key_when_there_is_one(site: Site) -> None:
    assert site.of(lambda request: "_csrft_" in request.session) is False
    token = site.of(lambda request: request.session.get_csrf_token())

    assert site.of(lambda request: request.session["_csrft_"]) == token
    assert site.of(data) == {}


def test_a_token_that_is_deleted_under_its_key_is_good_no_more(site: Site) -> None:
    token = site.of(lambda request: request.session.get_csrf_token())

    assert site.of(lambda request: request.session.pop("_csrft_")) == token
    assert site.of(lambda request: request.session.verify_csrf(token)) is False


def test_a_token_that_is_written_under_its_key_is_the_sessions_until_a_new_one_or_a_login(site: Site) -> None:
    def write(request: Any) -> None:
        request.session.get_csrf_token()
        request.session["_csrft_"] = "of a policy"

    def told(request: Any) -> Any:
        return request.session.get_csrf_token() == "of a policy", request.session.verify_csrf("of a policy")

    former = site.of(lambda request: request.session.get_csrf_token())
    site.ask(write)

    assert site.of(told) == (True, True)
    assert site.of(lambda request: request.session.verify_csrf(former)) is False
    assert site.of(lambda request: request.session.verify_csrf("\N{GRINNING FACE}")) is False
    site.ask(lambda request: request.session.new_csrf_token())
    assert site.of(told) == (False, False)
    site.ask(write)
    site.ask(lambda request: request.session.login("ada"))
    assert site.of(told) == (False, False)


def test_pyramids_own_policy_and_the_session_agree_on_the_token(site: Site) -> None:
    site.config.set_csrf_storage_policy(SessionCSRFStoragePolicy())
    token = site.of(get_csrf_token)

    def check(request: Any) -> Any:
        return check_csrf_token(request, token="none", header="X-CSRF-Token", raises=False)

    assert site.of(lambda request: request.session.get_csrf_token()) == token
    site.action = check
    site.browser.get("/", headers={"X-CSRF-Token": token})
    assert site.result is True
    site.browser.get("/", headers={"X-CSRF-Token": "another"})
    assert site.result is False


def test_a_callback_that_is_called_by_hand_saves_at_once() -> None:
    factory = SessionFactory(secret=SECRET)
    request, response = DummyRequest(), Response()

    factory(request)["theme"] = "dark"
    request.response_callbacks[0](request, response)

    assert "Set-Cookie" in response.headers


# What packages and applications of Pyramid do with a session


def test_data_that_is_copied_over_an_end_has_a_new_session_and_a_new_token(site: Site) -> None:
    def sign_in(request: Any) -> str:
        copied = dict(request.session.items())
        request.session.invalidate()
        request.session.update(copied)
        return str(request.session.new_csrf_token())

    site.ask(set_theme)
    former, token = site.browser.cookies["sid"], site.of(lambda request: request.session.get_csrf_token())

    new_token = site.of(sign_in)

    assert site.browser.cookies["sid"] != former
    assert site.of(data) == {"theme": "dark"}
    assert site.of(lambda request: request.session.get_csrf_token()) == new_token != token


def test_what_setdefault_gives_is_what_the_session_keeps() -> None:
    def step(request: Any) -> None:
        wizards = request.session.setdefault("wizards", OrderedDict())
        states = wizards.setdefault("name", {}).setdefault("states", {})
        states[1] = states["first"] = {"title": "Tea"}
        request.session.changed()

    site = Site()
    site.ask(step)
    site.ask(lambda request: request.session.setdefault("wizards", {})["name"]["states"][1].update(price=3))

    states = {1: {"title": "Tea", "price": 3}, "first": {"title": "Tea"}}
    assert site.of(data) == {"wizards": {"name": {"states": states}}}


def test_an_upload_of_megabytes_waits_in_the_session_for_the_next_form() -> None:
    site, upload = Site({"session.backend": "memory"}), bytes(range(256)) * 12_000
    site.ask(lambda request: request.session.update(upload={"filename": "tea.pdf", "contents": upload}))

    def take(request: Any) -> Any:
        found = request.session["upload"].copy()
        contents = found.pop("contents")
        del request.session["upload"]
        return contents == upload, found

    assert site.of(take) == (True, {"filename": "tea.pdf"})
    assert site.of(data) == {}


def test_a_toolbar_may_ask_for_the_session_of_a_request_again(site: Site) -> None:
    def ask_twice(request: Any) -> None:
        request.session["first"] = 1
        del request.__dict__["session"]
        request.session["second"] = 2

    site.ask(ask_twice)

    assert site.of(data) == {"first": 1, "second": 2}
