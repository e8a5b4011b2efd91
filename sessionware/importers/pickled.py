"""Importers of pickled sessions: only of types that our sessions hold, and without running code of theirs."""

from __future__ import annotations

from sessionware.importers import pickled_types
from sessionware.importers.beaker import BeakerCookieSessions, Decoded, StoredBeakerSessions


class PickledStoredBeakerSessions(StoredBeakerSessions):
    """The same as :class:`~sessionware.importers.beaker.StoredBeakerSessions`, for Beaker's default serializer."""

    def _decode(self, payload: bytes) -> Decoded:
        return pickled_types.read(payload)


class PickledBeakerCookieSessions(BeakerCookieSessions):
    """The same as :class:`~sessionware.importers.beaker.BeakerCookieSessions`, for Beaker's default serializer."""

    def _decode(self, payload: bytes) -> Decoded:
        return pickled_types.read(payload)
