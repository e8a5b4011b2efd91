"""Puts together the carrier that a configuration asks for."""

from __future__ import annotations

from sessionware.backends.contract import Carrier
from sessionware.backends.cookie import CookieCarrier
from sessionware.backends.store import StoreCarrier
from sessionware.config.settings import Settings
from sessionware.crypto.sealing import SealedRecord
from sessionware.events import Events
from sessionware.protocol.rotate import Transitions
from sessionware.protocol.vault import Vault
from sessionware.session.formats import Formats


def make_carrier(settings: Settings, events: Events) -> Carrier:
    """All of the session in its cookie, or, where there is a store, a token in the cookie and a record in the store."""
    formats = Formats(settings.serializer)
    if settings.store is None:
        return CookieCarrier(settings.keyring, formats, events, lifetimes=settings.lifetimes, clock=settings.clock)
    sealed = SealedRecord(settings.keyring)
    vault = Vault(settings.store, sealed, formats, lifetimes=settings.lifetimes, clock=settings.clock)
    transitions = Transitions(vault, events, grace=settings.regenerate_grace, clock=settings.clock)
    return StoreCarrier(settings.keyring, vault, transitions, events, lifetimes=settings.lifetimes)
