"""What is kept of a session of Beaker's is what save() was called for; an end is one without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.beaker import BeakerSite, Options, Visitor, set_to
from support.constants import KEY, PLAIN

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def test_what_was_saved_is_there_in_the_next_request(visitor: Visitor) -> None:
    assert visitor.data() == {"value": 1}


def test_without_save_nothing_is_kept_and_an_event_tells_it(visitor: Visitor) -> None:
    visitor.ask(lambda session: session.update(value=2, more=3))

    assert visitor.cookies == []
    assert visitor.site.told() == ["discarded not_saved"]
    assert visitor.data() == {"value": 1}


def test_a_visitor_whose_session_is_not_saved_gets_no_cookie(site: BeakerSite) -> None:
    visitor = site.visitor()

    visitor.ask(lambda session: session.update(value=1))

    assert visitor.cookies == []
    assert visitor.data() == {}


def test_a_nested_change_that_is_not_saved_is_not_kept(site: BeakerSite) -> None:
    """Beaker stores it all the same, by a copy that is too shallow."""
    visitor = site.visitor()
    visitor.ask(set_to(cart=["book"]))

    visitor.ask(lambda session: session["cart"].append("pen"))

    assert visitor.data() == {"cart": ["book"]}


def test_a_value_that_cannot_be_stored_harms_nothing_unless_it_is_saved(site: BeakerSite) -> None:
    visitor = site.visitor()
    visitor.ask(set_to(cart=["book"]))

    visitor.ask(lambda session: session["cart"].append(object()))

    assert visitor.data() == {"cart": ["book"]}


def test_save_keeps_what_is_written_after_it(visitor: Visitor) -> None:
    def action(session: Any) -> None:
        session.save()
        session["value"] = 2

    visitor.ask(action)

    assert visitor.data() == {"value": 2}


def test_save_before_the_session_is_used_keeps_what_is_written_then(site: BeakerSite) -> None:
    visitor = site.visitor()

    def action(session: Any) -> None:
        session.save()
        assert not session.accessed()
        session["value"] = 1

    visitor.ask(action)

    assert visitor.data() == {"value": 1}


def test_save_alone_uses_no_session(site: BeakerSite) -> None:
    visitor = site.visitor()

    visitor.ask(lambda session: session.save())

    assert "Vary" not in visitor.answer.headers
    assert visitor.cookies == []


def test_with_auto_all_is_kept(options: Options) -> None:
    visitor = BeakerSite({**options, "session.auto": "true"}).visitor()

    visitor.ask(lambda session: session.update(value=1))

    assert visitor.data() == {"value": 1}


def test_persist_writes_at_once_what_is_saved(memory: Options) -> None:
    site = BeakerSite(memory)

    def action(session: Any) -> list[str]:
        session["value"] = 1
        session.persist()
        before = site.told()
        session.save()
        session.persist()
        return [*before, *site.told()]

    assert site.visitor().ask(action) == ["created"]


def test_a_generator_that_saves_before_its_first_chunk_is_saved(site: BeakerSite) -> None:
    visitor = site.visitor()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        environ["beaker.session"]["streamed"] = 1
        environ["beaker.session"].save()
        yield b"ok"

    visitor.send(app)

    assert visitor.data() == {"streamed": 1}


@pytest.mark.parametrize(("saves", "kept"), [(True, {"value": 1, "late": 2}), (False, {"value": 1})])
def test_what_is_written_after_the_headers_needs_save_too(memory: Options, saves: bool, kept: dict[str, int]) -> None:
    visitor = BeakerSite(memory).visitor()
    visitor.ask(set_to(value=1))

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        session = environ["beaker.session"]
        assert session["value"] == 1
        start_response("200 OK", PLAIN)
        yield b"one"
        session["late"] = 2
        if saves:
            session.save()
        yield b"two"

    visitor.send(app)

    assert visitor.data() == kept


def test_an_application_that_raises_keeps_nothing(visitor: Visitor) -> None:
    def action(session: Any) -> None:
        session["value"] = 2
        session.save()
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it is the application's own
        visitor.ask(action)

    assert visitor.data() == {"value": 1}


def test_a_login_and_a_csrf_token_of_ours_need_no_save(visitor: Visitor) -> None:
    token = visitor.ask(lambda session: session.csrf_token)
    assert visitor.ask(lambda session: session.verify_csrf(token))

    visitor.ask(lambda session: session.login("ada"))

    assert visitor.ask(lambda session: session.user_id) == "ada"


def test_what_is_written_beside_a_login_of_ours_is_kept_with_it(site: BeakerSite) -> None:
    visitor = site.visitor()

    def action(session: Any) -> None:
        session["theme"] = "dark"
        session.login("ada")

    visitor.ask(action)

    assert visitor.data() == {"theme": "dark"}
    assert visitor.ask(lambda session: session.user_id) == "ada"


def test_our_session_stands_beside_it_and_is_the_same(visitor: Visitor) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ[KEY]["ours"] = 2
        environ[KEY].save()
        environ["beaker.session"]["theirs"] = 3
        start_response("200 OK", PLAIN)
        return [b""]

    visitor.send(app)

    assert visitor.data() == {"value": 1, "ours": 2, "theirs": 3}


def test_revert_undoes_what_is_not_saved_yet(visitor: Visitor) -> None:
    def action(session: Any) -> dict[str, Any]:
        session["value"] = 2
        del session["value"]
        session["more"] = 3
        session.revert()
        session.save()
        return dict(session.copy())

    assert visitor.ask(action) == {"value": 1}
    assert visitor.data() == {"value": 1}


def test_delete_ends_the_session_in_the_store_and_in_the_browser(visitor: Visitor) -> None:
    stolen = visitor.client.cookies.copy()

    visitor.ask(lambda session: session.delete())

    assert visitor.cookies[-1].startswith("sid=;")
    assert visitor.site.told() == ["ended invalidated"]
    if visitor.site.middleware.options.get("type") != "cookie":
        visitor.client.set_cookie("sid", stolen["sid"])
        assert visitor.data() == {}


def test_what_is_written_after_delete_is_a_new_session(visitor: Visitor) -> None:
    former = visitor.ask(lambda session: session.id)

    def action(session: Any) -> None:
        session.delete()
        session["after"] = 1

    visitor.ask(action)

    assert visitor.data() == {"after": 1}
    assert visitor.ask(lambda session: session.id) != former


def test_invalidate_gives_an_empty_new_session(visitor: Visitor) -> None:
    former = visitor.ask(lambda session: (session.id, session.created))
    visitor.site.clock.advance(1)

    def action(session: Any) -> tuple[Any, ...]:
        session.invalidate()
        session["after"] = 1
        session.save()
        return session.is_new, session.was_invalidated, "value" in session

    assert visitor.ask(action) == (True, True, False)
    assert visitor.data() == {"after": 1}
    now = visitor.ask(lambda session: (session.id, session.created))
    assert now[0] != former[0]
    assert now[1] > former[1]


def test_invalidate_without_save_ends_the_session_all_the_same(visitor: Visitor) -> None:
    def action(session: Any) -> None:
        session.invalidate()
        session["after"] = 1

    visitor.ask(action)

    assert visitor.site.told() == ["ended invalidated", "discarded not_saved"]
    assert visitor.data() == {}


def test_clear_and_save_end_the_session(visitor: Visitor) -> None:
    def action(session: Any) -> None:
        session.clear()
        session.save()

    visitor.ask(action)

    assert visitor.site.told() == ["ended emptied"]
    assert visitor.data() == {}


def test_clear_without_save_changes_nothing(visitor: Visitor) -> None:
    former = visitor.ask(lambda session: session.id)

    visitor.ask(lambda session: session.clear())

    assert visitor.data() == {"value": 1}
    assert visitor.ask(lambda session: session.id) == former


def test_a_login_by_clear_gets_a_new_id(visitor: Visitor) -> None:
    former = visitor.ask(lambda session: session.id)

    def action(session: Any) -> None:
        session.clear()
        session["user"] = "ada"
        session.save()

    visitor.ask(action)

    assert visitor.data() == {"user": "ada"}
    assert visitor.ask(lambda session: session.id) != former


def test_clear_of_a_user_who_has_signed_in_by_login_signs_them_out(visitor: Visitor) -> None:
    visitor.ask(lambda session: session.login("ada"))

    visitor.ask(lambda session: session.clear())

    assert visitor.ask(lambda session: session.user_id) is None


@pytest.mark.parametrize("saves", [True, False])
def test_regenerate_id_gives_a_new_id_and_keeps_the_data(visitor: Visitor, saves: bool) -> None:
    former = visitor.ask(lambda session: session.id)

    def action(session: Any) -> None:
        session["more"] = 2
        session.regenerate_id()
        if saves:
            session.save()

    visitor.ask(action)

    assert visitor.ask(lambda session: session.id) != former
    assert visitor.data() == ({"value": 1, "more": 2} if saves else {"value": 1})


def test_an_unknown_id_is_not_adopted(site: BeakerSite) -> None:
    visitor = site.visitor()
    planted = "0123456789abcdef0123456789abcdef"
    visitor.client.set_cookie("sid", planted)

    visitor.ask(set_to(value=1))

    assert planted not in visitor.cookies[0]
    assert visitor.data() == {"value": 1}
