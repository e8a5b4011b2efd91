"""What an error of SQLAlchemy or of its driver means to a store."""

from __future__ import annotations

from collections.abc import Sequence

from sessionware.exceptions import AlreadyExists, Conflict, RecordTooLarge, SessionwareError
from sessionware.stores.failures import told, unavailable

#: The database undid the statement in favour of another one: SQLSTATE of serialization failures and of deadlocks.
_UNDONE = {"40001", "40P01"}
#: The same in MySQL and MariaDB: a deadlock, and a row that changed after the snapshot was taken.
_UNDONE_MYSQL = {1213, 1020}
_TOO_LARGE = {"54000", "22001"}
#: A packet, a column or a row that is too small for the data.
_TOO_LARGE_MYSQL = {1153, 1406, 1118}
_DUPLICATE_MYSQL = 1062


class DriverFailed(Exception):
    """A driver's error and the statement, if one was sent; its attributes are those of SQLAlchemy's DBAPIError."""

    def __init__(self, original: Exception, statement: str | None = None) -> None:
        super().__init__()
        self.orig = original
        self.statement = statement


def translated(error: Exception, hidden: Sequence[str | None]) -> SessionwareError:
    """The error for the caller of the store; *hidden* are the credentials that its message must not repeat."""
    original = _original(error)
    code = _code(original)
    if code in _TOO_LARGE | _TOO_LARGE_MYSQL or _is_too_large_for_sqlite(original):
        return RecordTooLarge("the record is larger than the database takes")
    # Drivers quote the values of a statement: PyMySQL where it cannot be parsed, PostgreSQL in its details. While a
    # connection is opened no value is sent, and there the driver's words are what an operator needs.
    sent = original is not error and getattr(error, "statement", None) is not None
    words = "" if sent else str(original)
    return unavailable("the SQL store failed", told(original, words=words, code=code, hidden=hidden))


def conflict_or_translated(error: Exception, hidden: Sequence[str | None]) -> SessionwareError:
    """The same for a compare-and-swap, where a statement that was undone in favour of another is an answer."""
    if _code(_original(error)) in _UNDONE | _UNDONE_MYSQL:
        return Conflict()
    return translated(error, hidden)


def already_exists_or_translated(error: Exception, hidden: Sequence[str | None]) -> SessionwareError:
    """The same for an insert. MySQL alone reports a duplicate key as an error; elsewhere no row is inserted."""
    if _code(_original(error)) == _DUPLICATE_MYSQL:
        return AlreadyExists()
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
