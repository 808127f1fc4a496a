"""What SQLite raises, said in words: the one place where its error codes are known.

A failure is either the database's, and then whatever was under way was undone, or that of one operation,
which then fails alone.
"""

import sqlite3

from greenroom.actors.stores.store import CannotOpen, StoreFailed

_FULL, _LOCKED = "the disk, or the store's own limit, is full", "another program has it locked"
_REASONS = {
    "SQLITE_FULL": _FULL,
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_CORRUPT": "the file is damaged; 'greenroom store check' says where",
    "SQLITE_NOTADB": "the file is not a database, or is damaged",
    "SQLITE_READONLY": "the file may not be written",
    "SQLITE_CANTOPEN": "the file cannot be opened",
    "SQLITE_PERM": "the file may not be used",
    "SQLITE_AUTH": "the file may not be used",
    "SQLITE_NOMEM": "there is no memory left",
    "SQLITE_TOOBIG": "it is larger than a database takes",
    "SQLITE_INTERRUPT": "it is closing",
}
_REMEDIES = {
    "SQLITE_FULL": "make room on the disk",
    "SQLITE_BUSY": "stop that program",
    "SQLITE_LOCKED": "stop that program",
    "SQLITE_CORRUPT": "restore a backup, or move it away to begin anew",
    "SQLITE_NOTADB": "name another file for the store, or restore a backup",
}
_ONES_OWN = (
    "",  # what the standard library's module finds wrong by itself, such as a value of no known type
    "SQLITE_CONSTRAINT",
    "SQLITE_ERROR",
    "SQLITE_FULL",
    "SQLITE_MISMATCH",
    "SQLITE_NOMEM",
    "SQLITE_TOOBIG",
)
"""Codes for which one operation alone can be to blame: the others of its batch may well do without it."""

CLOSED = "the store is closed"


class Damaged(StoreFailed):
    """What was read from the store is not what was written."""


def told(error: Exception) -> Exception:
    """Return the error that a caller gets for `error`: `StoreFailed` if it is SQLite's.

    A number that is too large is a mistake of the caller's; others stay as they are.
    """
    match error:
        case sqlite3.Error():
            failure: Exception = StoreFailed(f"the store failed: {reason(error)}")
        case OverflowError():
            failure = ValueError(f"a number is too large to be kept: {error}")
        case _:
            return error
    failure.__cause__ = error
    return failure


def may_be_ones_own(error: Exception) -> bool:
    """Say whether one operation may be to blame for `error`, rather than the database."""
    return not isinstance(error, sqlite3.Error) or _code(error) in _ONES_OWN


def reason(error: sqlite3.Error) -> str:
    """Return what is wrong, in half a sentence."""
    code = _code(error)
    if code == "SQLITE_IOERR":
        return f"the disk cannot be read or written ({error.sqlite_errorname})"
    return _REASONS.get(code, str(error))


def cannot_open(name: str, error: sqlite3.Error | OSError) -> CannotOpen:
    """Return why the file called `name` cannot be had, with what to do about it."""
    if isinstance(error, sqlite3.Error):
        remedy = _REMEDIES.get(_code(error), "see to the permissions of its folder and of the disk")
        return CannotOpen(f"{name}: {reason(error)}; {remedy}")
    why = (error.strerror or str(error)).lower()
    return CannotOpen(f"{name}: {why}; see to it, or name another file for the store")


def _code(error: sqlite3.Error) -> str:
    """Return the primary code's name: an extended one's first two words, "" if it has none."""
    name: str = getattr(error, "sqlite_errorname", "")
    return "_".join(name.split("_")[:2])
