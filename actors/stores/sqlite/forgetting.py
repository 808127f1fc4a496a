"""Deleting and forgetting: what goes, goes wholly, and what a fork has of it stays.

Entries that a fork has borrowed outlive their session until the last such fork goes; nothing is copied.
Steps are small, each one operation of the writer among those of others, and decide inside its transaction
who goes: a session that was appended to meanwhile is not among them.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from greenroom.actors.stores.records import SessionName
from greenroom.actors.stores.sqlite.appends import row_of
from greenroom.actors.stores.sqlite.parts import IS_BORROWED

AT_ONCE = 16
"""Sessions that one operation deletes at most, ..."""
BYTES_AT_ONCE = 4 * 1024 * 1024
"""... and of their bytes, unless one has more by itself."""
ABANDONED = 86_400.0
"""Seconds without an append after which an open turn protects its session no more."""
IN_USE = 60.0
"""Seconds since its last append in which no session is deleted to make room."""
PAGES_AT_ONCE = 256
"""Free pages that one operation gives back to the disk."""

_WAITS = "EXISTS (SELECT 1 FROM errand WHERE errand.session = s.id)"
"""A session that waits for something is kept for it, unless the store is too large."""
_FREE_SHARE = 4
"""One free page in so many may stay: what is appended next takes them."""


class Swept(NamedTuple):
    """What one operation did, and whether there is more of the kind."""

    deleted: tuple[SessionName, ...] = ()
    forgotten: int = 0
    more: bool = False


def delete(db: sqlite3.Connection, name: SessionName) -> bool:
    """Delete a session with its whole journal; return whether there was one."""
    session = row_of(db, name)
    if session is not None:
        _delete(db, session)
    return session is not None


def delete_idle(db: sqlite3.Connection, before: float, now: float, most: int) -> Swept:
    """Delete some of the sessions without an append since `before`."""
    return _delete_some(db, before, now, most, None)


def delete_passed(db: sqlite3.Connection, now: float, most: int) -> Swept:
    """Delete some of the sessions that were not made to last longer."""
    rows = db.execute(
        "SELECT id, agent, key, size FROM session s WHERE lasts IS NOT NULL AND active + lasts < ? "
        f"AND NOT {_WAITS} ORDER BY active + lasts LIMIT ?",
        (now, min(most, AT_ONCE) + 1),
    ).fetchall()
    return _delete_rows(db, rows, min(most, AT_ONCE))


def delete_over(db: sqlite3.Connection, limit: int, now: float, most: int) -> Swept:
    """Delete some of the idlest sessions while the store is larger than `limit` bytes."""
    return _delete_some(db, now - IN_USE, now, most, limit)


def forget(db: sqlite3.Connection, before: float, most: int) -> Swept:
    """Drop the deltas of some turns that ended before `before`."""
    rows = db.execute(
        "SELECT r.turn, t.session, length(r.body) FROM replay r JOIN turn t ON t.id = r.turn "
        "WHERE r.ended < ? ORDER BY r.ended LIMIT ?",
        (before, most + 1),
    ).fetchall()
    for turn, session, bytes_ in rows[:most]:
        db.execute("DELETE FROM replay WHERE turn = ?", (turn,))
        db.execute("UPDATE session SET size = size - ? WHERE id = ?", (bytes_, session))
    return Swept(forgotten=len(rows[:most]), more=len(rows) > most)


def drop_request(db: sqlite3.Connection, name: SessionName, turn: str) -> int | None:
    """Drop what an API keeps with a turn that has ended, and its deltas."""
    session = row_of(db, name)
    row = db.execute(
        "SELECT t.id, length(t.request) + coalesce(length(r.body), 0) FROM turn t "
        "LEFT JOIN replay r ON r.turn = t.id "
        "WHERE t.turn = ? AND t.session = ? AND t.request IS NOT NULL AND t.end_seq IS NOT NULL",
        (turn, session),
    ).fetchone()
    if row is None:
        return None
    id_, bytes_ = row
    db.execute("UPDATE turn SET request = NULL WHERE id = ?", (id_,))
    db.execute("DELETE FROM replay WHERE turn = ?", (id_,))
    db.execute("UPDATE session SET size = size - ? WHERE id = ?", (bytes_, session))
    (left,) = db.execute(
        "SELECT count(*) FROM turn WHERE session = ? AND request IS NOT NULL", (session,)
    ).fetchone()
    return int(left)


def give_back(db: sqlite3.Connection) -> bool:
    """Give some free pages back to the disk, if many are free; return whether many still are."""
    if _is_hollow(db):
        db.execute(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})").fetchall()
    return _is_hollow(db)


def size(db: sqlite3.Connection) -> int:
    """Return how many bytes are in use."""
    pages, free, page = _pages(db)
    return (pages - free) * page


def _is_hollow(db: sqlite3.Connection) -> bool:
    pages, free, _ = _pages(db)
    return free > max(PAGES_AT_ONCE, pages // _FREE_SHARE)


def _pages(db: sqlite3.Connection) -> tuple[int, int, int]:
    pages, free, page = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return pages, free, page


def _delete_some(
    db: sqlite3.Connection, before: float, now: float, most: int, limit: int | None
) -> Swept:
    at_once = min(most, AT_ONCE)
    kept = f"AND NOT {_WAITS} " if limit is None else ""
    rows = db.execute(
        "SELECT id, agent, key, size FROM session s WHERE active < ? AND (active < ? OR NOT EXISTS "
        "(SELECT 1 FROM turn WHERE session = s.id AND end_seq IS NULL)) "
        f"{kept}ORDER BY active, id LIMIT ?",
        (before, now - ABANDONED, at_once + 1),
    ).fetchall()
    return _delete_rows(db, rows, at_once, limit)


def _delete_rows(
    db: sqlite3.Connection,
    rows: Sequence[tuple[int, str, str, int]],
    at_once: int,
    limit: int | None = None,
) -> Swept:
    """Delete `at_once` of the sessions at most, and only while the store is larger than `limit`."""
    deleted: list[SessionName] = []
    total = 0
    for session, agent, key, bytes_ in rows[:at_once]:
        if total >= BYTES_AT_ONCE or (limit is not None and size(db) <= limit):
            break
        _delete(db, session)
        deleted.append(SessionName(agent, key))
        total += bytes_
    more = len(deleted) < len(rows) and (limit is None or size(db) > limit)
    return Swept(tuple(deleted), more=more)


def _delete(db: sqlite3.Connection, session: int) -> None:
    """Delete a session, and what only it had of others that are gone."""
    db.execute(
        "UPDATE store SET epoch_floor = max(epoch_floor, (SELECT epoch FROM session WHERE id = ?))",
        (session,),
    )
    db.execute("DELETE FROM session WHERE id = ?", (session,))
    db.execute(
        "UPDATE session SET fork_source = NULL, fork_seq = NULL WHERE fork_source = ?", (session,)
    )
    db.execute(
        "DELETE FROM replay WHERE turn IN (SELECT id FROM turn WHERE session = ?)", (session,)
    )
    db.execute("DELETE FROM turn WHERE session = ?", (session,))
    db.execute("DELETE FROM errand WHERE session = ?", (session,))
    lenders = db.execute(
        "SELECT DISTINCT b.source FROM borrowed b LEFT JOIN session s ON s.id = b.source "
        "WHERE b.session = ? AND s.id IS NULL",
        (session,),
    ).fetchall()
    db.execute("DELETE FROM borrowed WHERE session = ?", (session,))
    for (gone,) in ((session,), *lenders):
        _delete_unborrowed(db, gone)


def _delete_unborrowed(db: sqlite3.Connection, gone: int) -> None:
    """Delete those entries of a session that is gone which no fork has."""
    db.execute(f"DELETE FROM entry WHERE session = ? AND NOT {IS_BORROWED}", (gone,))
