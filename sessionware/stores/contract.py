"""The contract of a store: the calls by which the manager keeps sessions, and what else a store may offer.

A store is any object with the four methods of :class:`Store`; it inherits nothing. It sees keys and sealed bytes, never
a session. ``sessionware.testing.StoreConformance`` is a pytest suite that proves the contract: a subclass says how to
make the store, and every promise below becomes a test.

::

    class TestMyStore(StoreConformance):
        def make_store(self, clock):
            return MyStore("the same place at each call")
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from sessionware.conversions import duration
from sessionware.exceptions import ConfigError

#: Tells two writes of one key apart. Only the store that made it looks into it; 16 random bytes per write will do.
Version = Hashable

#: The annotation of a store's option in seconds: a configuration may then give it as ``"5s"`` or a timedelta as well.
Duration = Annotated[float, "duration"]


class Entry(NamedTuple):
    """What a store holds under a key."""

    payload: bytes
    version: Version


@runtime_checkable
class Store(Protocol):
    """Keeps the sessions of one application on the server.

    A *key* is 43 characters of ``[0-9A-Za-z_-]``, a *payload* is bytes. *ttl* is the number of seconds after which the
    entry may be removed; ``None`` means never.

    **Answers and errors.** That an entry is missing is an answer: ``None``, ``False`` or :exc:`Gone`. Raise
    :exc:`StoreUnavailable` if the store cannot answer, or if it is unknown whether a write took effect, and
    :exc:`RecordTooLarge` for a payload that it cannot hold. Neither may show a key, a payload or a password, not in its
    cause either. Wait for a busy server, but no longer than a timeout.

    **Writes.** A write takes effect as a whole or not at all, and is sent once: a driver that sends it again after an
    error must have that switched off, because the first one may have taken effect.

    **Expiry.** An entry past its ttl may be removed or may still be there, the manager refuses it in either case. But
    the calls must agree: what ``load`` returns, ``replace`` can replace; where ``load`` returns nothing, ``create``
    succeeds.

    **Versions.** Every write gives its key a version that the key never had before, also after ``delete`` and
    ``create``. A number that is counted up from the entry itself would begin again; a random one does not.

    **Threads and processes.** All methods may be called by several threads at once. A server may make the store and
    then fork its workers, so open connections at the first use in each process, and none in ``__init__``. A store that
    cannot compare and swap between processes says ``atomic = False``; without this attribute it counts as atomic.
    """

    def load(self, key: str) -> Entry | None:
        """Return the entry under *key*, or ``None``."""

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under *key* and return its version; raise :exc:`AlreadyExists` if the key has an entry.

        It never overwrites: if two session ids collided, an upsert would hand one visitor's session to another.
        """
        ...

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry that has *version* and return the new version.

        Raise :exc:`Conflict` if the entry has another version, :exc:`Gone` if the key has none. Comparing and replacing
        are one step, which no other write can come between. It never creates: a session that was ended while this
        request ran must not come back.
        """
        ...

    def delete(self, key: str) -> bool:
        """Remove the entry and return whether there was one; deleting a missing key does nothing."""
        ...


@runtime_checkable
class Purgeable(Protocol):
    """A store whose expired entries stay until something removes them; ``SessionManager.purge`` calls this."""

    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most, and return how many.

        It removes no entry that another program has put into the same place, and it works in batches so short that
        requests need not wait for it.
        """
        ...


@runtime_checkable
class Closable(Protocol):
    """A store that holds connections."""

    def close(self) -> None:
        """Close the connections that this process has opened and is not using; the next call opens one again."""
        ...


class Configurable(Protocol):
    """What a store's class may say of itself, so that the option ``backend`` can name it by a word or a URL.

    The parameters of its ``__init__`` are its options; a configuration gives them as ``backend.<name>`` and they are
    converted by their annotations. A package announces its class as an entry point of the group
    ``sessionware.stores``, under the word or the scheme.
    """

    #: The word that stands for this store in the option ``backend``.
    backend_name: ClassVar[str]
    #: The schemes of its URLs; in ``postgresql+*`` the ``*`` stands for any driver.
    url_schemes: ClassVar[tuple[str, ...]]
    #: What each option means, for the command line and the docs. The default is read from the signature.
    option_help: ClassVar[Mapping[str, str]]

    @classmethod
    def options_from_url(cls, url: str) -> Mapping[str, Any]:
        """Return the options that *url* stands for, not yet converted.

        Raise ValueError for a URL that cannot be read, without repeating any part that may be a password.
        """
        ...


def seconds(timeout: object) -> float:
    """Convert the option *timeout* of a store to seconds; raise :exc:`ConfigError` if it is not a duration."""
    try:
        return float(duration(timeout))
    except ValueError as error:
        raise ConfigError(f"timeout: {error}") from None


def is_atomic(store: Store) -> bool:
    """Whether *store* says that it can compare and swap between processes."""
    return bool(getattr(store, "atomic", True))
