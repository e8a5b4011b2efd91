"""Importers of pickled sessions: only of types that our sessions hold, and without running code of theirs."""

from __future__ import annotations

from sessionware.backends.imported import Unreadable
from sessionware.importers import pickled_types
from sessionware.importers.beaker import BeakerCookieSessions, Decoded, StoredBeakerSessions
from sessionware.importers.flask_session import StoredFlaskSessions
from sessionware.importers.kvsession import KVSessions
from sessionware.importers.pickle_format import Pairs, is_pickle

#: What the Redis cache of cachelib writes before a pickle.
_MARK_OF_CACHELIB = b"!"


class PickledStoredBeakerSessions(StoredBeakerSessions):
    """The same as :class:`~sessionware.importers.beaker.StoredBeakerSessions`, for Beaker's default serializer.

    Before 1.12 Beaker has pickled what it did not encrypt with any serializer.
    """

    def _decode(self, payload: bytes) -> Decoded:
        return pickled_types.read(payload) if is_pickle(payload) else super()._decode(payload)

    def _unserialized(self, found: Pairs, size: int) -> Decoded:
        return pickled_types.build(found, size)


class PickledBeakerCookieSessions(BeakerCookieSessions):
    """The same as :class:`~sessionware.importers.beaker.BeakerCookieSessions`, for Beaker's default serializer."""

    def _decode(self, payload: bytes) -> Decoded:
        return pickled_types.read(payload) if is_pickle(payload) else super()._decode(payload)


class PickledStoredFlaskSessions(StoredFlaskSessions):
    """The same as :class:`~sessionware.importers.flask_session.StoredFlaskSessions`, for pickled records, too.

    Such are all in files and in cachelib, and those that a release before 0.7 has written.
    """

    def _decode(self, payload: bytes) -> Decoded:
        pickled = payload.removeprefix(_MARK_OF_CACHELIB)
        return _read(pickled) if is_pickle(pickled) else super()._decode(payload)


class PickledKVSessions(KVSessions):
    """The same as :class:`~sessionware.importers.kvsession.KVSessions`, for Flask-KVSession's default serialization."""

    def _decode(self, payload: bytes) -> Decoded:
        return _read(payload) if is_pickle(payload) else super()._decode(payload)


def _read(payload: bytes) -> Decoded:
    try:
        return pickled_types.read(payload)
    except ValueError as error:
        raise Unreadable("malformed") from error
