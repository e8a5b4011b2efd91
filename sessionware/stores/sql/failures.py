"""What an error of SQLAlchemy or of its driver means to a store."""

from __future__ import annotations

from collections.abc import Sequence

from sessionware.exceptions import RecordTooLarge
from sessionware.stores.failures import DriverError, told

#: The database undid the statement in favour of another one: SQLSTATE of serialization failures and of deadlocks, and
#: the numbers of MySQL and MariaDB for a deadlock and for a row that changed after the snapshot was taken.
_UNDONE = {"40001", "40P01", 1213, 1020}
#: A limit of PostgreSQL; in MySQL a packet, a column or a row that is too small for the data.
_TOO_LARGE = {"54000", 1153, 1406, 1118}
_DUPLICATE_MYSQL = 1062
#: The server takes no write: SQLSTATE, and the numbers of MySQL and MariaDB for the server, the session and the mode.
_READ_ONLY = {"25006", 1290, 1792, 1836}

#: Classes of SQLSTATE whose messages name objects, settings and limits, but no value of a statement.
_WORDS_BY_CLASS = ("08", "0A", "25", "28", "3D", "3F", "42", "53", "55", "57", "58")
_WORDS_BY_STATE = ("23502",)
#: It quotes the statement, in which some drivers put the values.
_SYNTAX_ERROR = "42601"
#: The same by the numbers of MySQL and MariaDB: rights, objects that are missing, what is full, read-only, or over.
_WORDS_BY_NUMBER = {
    1021, 1030, 1036, 1040, 1041, 1044, 1045, 1049, 1053, 1054, 1114, 1142, 1143, 1146, 1158, 1159, 1160, 1161, 1203,
    1205, 1226, 1227, 1290, 1317, 1364, 1792, 1836, 1927, 1969, 2003, 2006, 2013, 2014, 3024, 4031,
}  # fmt: skip


class DriverFailed(Exception):
    """A driver's error and the statement, if one was sent; its attributes are those of SQLAlchemy's DBAPIError."""

    def __init__(self, original: Exception, statement: str | None = None) -> None:
        super().__init__()
        self.orig = original
        self.statement = statement


class WrongTable(Exception):
    """The table is not there, or has other columns than a store needs; its message holds nothing that is secret."""


def cause_of(error: Exception, hidden: Sequence[str | None]) -> Exception:
    """What may be shown of *error*; *hidden* are the credentials, which are not repeated."""
    if isinstance(error, WrongTable):
        return DriverError(str(error))
    original = _original(error)
    code = _code(original)
    if code in _TOO_LARGE or _is_too_large_for_sqlite(original):
        return RecordTooLarge("the record is larger than the database takes")
    # While a connection is opened no value is sent.
    is_sent = original is not error and getattr(error, "statement", None) is not None
    words = _words_without_values(original, code) if is_sent else str(original)
    return told(original, words=words, code=code, hidden=hidden)


def is_undone(error: Exception) -> bool:
    """Whether the database undid the statement in favour of another one: to a compare-and-swap that is an answer."""
    return _code(_original(error)) in _UNDONE


def is_duplicate(error: Exception) -> bool:
    """Whether the key exists. MySQL alone reports that as an error; elsewhere no row is inserted."""
    return _code(_original(error)) == _DUPLICATE_MYSQL


def is_read_only(error: Exception) -> bool:
    """Whether the server that this connection leads to takes no write, as one that is no longer the primary."""
    return _code(_original(error)) in _READ_ONLY


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


def _words_without_values(original: BaseException, code: str | int | None) -> str:
    """What the database said, where such a message is known to quote no value.

    PyMySQL quotes values where a statement cannot be parsed, and PostgreSQL in its details.
    """
    if isinstance(code, int):
        return str(original.args[-1]) if code in _WORDS_BY_NUMBER else ""
    if isinstance(code, str):
        has_words = code.startswith(_WORDS_BY_CLASS) or code in _WORDS_BY_STATE
        return str(_primary_message(original)) if has_words and code != _SYNTAX_ERROR else ""
    kind = type(original)
    # psycopg's own words about a connection, and SQLite's, which have no parameters in them.
    is_known = kind.__module__ == "sqlite3" or kind.__name__ in ("OperationalError", "AnswerTimeout")
    return str(original) if is_known else ""


def _primary_message(original: BaseException) -> object:
    """The message of PostgreSQL without its details."""
    return getattr(getattr(original, "diag", None), "message_primary", None) or ""


def _is_too_large_for_sqlite(original: BaseException) -> bool:
    kind = type(original)
    return isinstance(original, OverflowError) or (
        kind.__module__ == "sqlite3" and kind.__name__ in ("DataError", "InterfaceError")
    )
