"""The contract between the manager and a store."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from sessionware.conversions import duration
from sessionware.exceptions import ConfigError

#: What a store uses to tell two writes of one key apart. Only the store looks into it.
Version = Hashable

#: Seconds, as the annotation of a store's own option: from a configuration it may come as "5s" or a timedelta as well.
Duration = Annotated[float, "duration"]


class Entry(NamedTuple):
    """What a store holds under a key."""

    payload: bytes
    version: Version


@runtime_checkable
class Store(Protocol):
    """Where server-side sessions live.

    A key is 43 characters of ``[0-9A-Za-z_-]``; a payload is opaque bytes; ``ttl`` is in seconds, ``None`` for no end.

    A missing, expired or deleted entry is an answer, never an error; :exc:`StoreUnavailable` is for a store that
    cannot answer, or does not know whether a write took effect. A store never re-sends a write. An entry past its
    ttl may still be there, but the calls agree: what ``load`` returns, ``replace`` can replace; where it returns
    nothing, ``create`` succeeds. A version never comes back for one key, not after ``delete`` and ``create`` either.

    A store is thread-safe, and safe to make before a fork: it opens connections on first use, per process.
    ``atomic = False`` says that it cannot compare and swap between processes; absent means ``True``.
    """

    def load(self, key: str) -> Entry | None:
        """The entry under *key*, or ``None``."""

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*; raise :exc:`AlreadyExists`, never overwrite.

        An upsert would let a collision of ids hand one visitor's session to another.
        """
        ...

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none.

        It never creates: a session that was ended meanwhile must not come back.
        """
        ...

    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one. Of nothing it is nothing."""
        ...


@runtime_checkable
class Purgeable(Protocol):
    """A store whose expired entries stay until somebody removes them."""

    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most, in batches that block nobody; how many went. Only its own."""
        ...


@runtime_checkable
class Closable(Protocol):
    """A store that holds connections."""

    def close(self) -> None:
        """Close what this process has opened; the next call opens it again."""
        ...


class Configurable(Protocol):
    """What a store's class may say of itself, so that the option ``backend`` finds it by name or URL.

    A package of its own announces its class as an entry point of the group ``sessionware.stores``, under the name or
    the scheme by which a configuration names it.
    """

    #: The word for it in the option ``backend``.
    backend_name: ClassVar[str]
    #: The schemes of its URLs; a ``*`` stands for any driver.
    url_schemes: ClassVar[tuple[str, ...]]
    #: What each of its options means, without the default, which stands in the signature.
    option_help: ClassVar[Mapping[str, str]]

    @classmethod
    def options_from_url(cls, url: str) -> Mapping[str, Any]:
        """The options that *url* stands for, not yet converted; ValueError, which repeats no part of a secret."""
        ...


def seconds(timeout: object) -> float:
    """A store's option *timeout* as seconds; raises :exc:`ConfigError` for what is no duration."""
    try:
        return float(duration(timeout))
    except ValueError as error:
        raise ConfigError(f"timeout: {error}") from None


def is_atomic(store: Store) -> bool:
    """Whether *store* compares and swaps between processes, as it says itself."""
    return bool(getattr(store, "atomic", True))
