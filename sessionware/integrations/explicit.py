"""Keeps of a session only what ``save()`` was called for, as Beaker does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sessionware.answer import Answers
from sessionware.exceptions import SessionwareError
from sessionware.lifecycle import Lifecycle
from sessionware.session.mapping import Session
from sessionware.session.request import SessionRequest

if TYPE_CHECKING:
    from sessionware.session.request import Persistence


class ExplicitSession(Session):
    """A session whose data is kept only if ``save()`` was called, at any time of the request."""

    __slots__ = ("is_kept", "is_new_id_asked_for")

    def __init__(self, persistence: Persistence, environ: Mapping[str, Any], cookie_header: str) -> None:
        super().__init__(persistence, environ, cookie_header)
        self.is_kept = self.is_new_id_asked_for = False

    def regenerate(self) -> None:
        super().regenerate()
        self.is_new_id_asked_for = True

    def save(self) -> bool:
        self.is_kept = True
        return super().save()


class ExplicitAnswers(Answers):
    """The answers of a manager without Beaker's option ``auto``."""

    def commit(self, session: Session, status: int) -> list[tuple[str, str]]:
        _discard_unsaved(self._lifecycle, session)
        return super().commit(session, status)

    def commit_after_headers(self, session: Session, *, status: int) -> None:
        _discard_unsaved(self._lifecycle, session)
        super().commit_after_headers(session, status=status)

    def hand_over(self, session: Session) -> None:
        _discard_unsaved(self._lifecycle, session)
        super().hand_over(session)


def _discard_unsaved(lifecycle: Lifecycle, session: Session) -> None:
    """Discard the data that was not saved. A login, a message or a CSRF token needs no save() here: all is kept."""
    request = session._request
    if not isinstance(session, ExplicitSession) or session.is_kept or request is None:
        return
    if request.load_failure is not None or request.changes.asked.is_more_than_new_id or not _has_new_data(request):
        return
    is_regenerated = request.changes.asked.is_regenerated and session.is_new_id_asked_for
    lifecycle.discard(request, "not_saved")
    if is_regenerated:
        request.changes.regenerate()


def _has_new_data(request: SessionRequest) -> bool:
    try:
        return request.changes.has_new_data()
    except SessionwareError:
        return True  # what cannot be stored is new


def keep(session: Session) -> None:
    """Let the commit keep what *session* holds then."""
    if isinstance(session, ExplicitSession):
        session.is_kept = True
