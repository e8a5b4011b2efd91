"""What an error of SQLAlchemy or of its driver means to a store, without the values that it quotes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sessionware.exceptions import Conflict, RecordTooLarge, SessionwareError, StoreUnavailable

#: The statement was undone, because it met another one: SQLSTATE of serialization failures and deadlocks.
_MET_ANOTHER = {"40001", "40P01"}
#: The same in MySQL and MariaDB: a deadlock, and a row that changed since the snapshot was taken.
_MET_ANOTHER_MYSQL = {1213, 1020}
_TOO_LARGE = {"54000", "22001"}
#: A packet, a column or a row that is too small for the data.
_TOO_LARGE_MYSQL = {1153, 1406, 1118}
_DUPLICATE_MYSQL = 1062


class DriverError(Exception):
    """The driver's error as far as it can be shown: its class and code, never what it says of a statement's values."""


class DriverFailed(Exception):
    """Carries the driver's error and the statement whose values it may quote, as an error of SQLAlchemy does."""

    def __init__(self, original: Exception, statement: str | None = None) -> None:
        super().__init__()
        self.orig = original
        self.statement = statement


def is_duplicate(error: Exception) -> bool:
    """Whether MySQL says that the key is there already. Elsewhere that is no error, but a row that is not inserted."""
    return _code(_original(error)) == _DUPLICATE_MYSQL


def translated(error: Exception, hidden: Sequence[str | None]) -> SessionwareError:
    """What a caller sees; *hidden* are the credentials that no message may repeat."""
    code = _code(_original(error))
    if code in _TOO_LARGE | _TOO_LARGE_MYSQL or _is_too_large_for_sqlite(_original(error)):
        return RecordTooLarge("the record is larger than the database takes")
    failure = StoreUnavailable("the SQL store failed")
    failure.__cause__ = DriverError(_shown(error, hidden))
    return failure


def conflict_or(error: Exception, hidden: Sequence[str | None]) -> SessionwareError:
    """The same for a compare-and-swap, where being undone for the sake of another writer is an answer."""
    if _code(_original(error)) in _MET_ANOTHER | _MET_ANOTHER_MYSQL:
        return Conflict()
    return translated(error, hidden)


def _original(error: Exception) -> BaseException:
    """The driver's error in that of SQLAlchemy."""
    original = getattr(error, "orig", None)
    return original if isinstance(original, BaseException) else error


def _code(original: BaseException) -> str | int | None:
    """The number of MySQL, which says more than its SQLSTATE, or SQLSTATE."""
    first = original.args[0] if original.args else None
    if isinstance(first, int):
        return first
    state = getattr(original, "sqlstate", None)
    return state if isinstance(state, str) else None


def _is_too_large_for_sqlite(original: BaseException) -> bool:
    kind = type(original)
    return isinstance(original, OverflowError) or (
        kind.__module__ == "sqlite3" and kind.__name__ in ("DataError", "InterfaceError")
    )


def _shown(error: Exception, hidden: Sequence[str | None]) -> str:
    """Drivers quote the values of a statement: PyMySQL where it cannot be read, PostgreSQL in its details.

    What is said while connecting is kept, for no value was sent then, and it is what an operator needs.
    """
    original = _original(error)
    code = _code(original)
    kind = f"{type(original).__module__}.{type(original).__qualname__}" + (f" ({code})" if code is not None else "")
    if original is not error and getattr(error, "statement", None) is not None:
        return kind
    text = str(original)
    for word in filter(None, hidden):
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "***", text)
    return f"{kind}: {text}"
