"""Cutting a transcript: what is cut is marked with the number of what cut it, and stays.

Only the session's own view changes: what its forks have borrowed of it was there before that number.
"""

import sqlite3

from greenroom.actors.stores.sqlite import parts


def cut(db: sqlite3.Connection, session: int, first: int, at: int) -> None:
    """Cut what is live and stands at `first` or behind, with the number `at`."""
    ((base,),) = db.execute("SELECT base FROM session WHERE id = ?", (session,)).fetchall()
    lost = db.execute(
        "UPDATE entry SET cut = ? WHERE session = ? AND seq >= ? AND cut IS NULL AND upto IS NULL",
        (at, session, max(first, base + 1)),
    ).rowcount
    lost += db.execute(
        "UPDATE entry SET cut = ? "
        "WHERE session = ? AND upto >= ? AND upto IS NOT NULL AND cut IS NULL",
        (at, session, first),
    ).rowcount
    for part in parts.borrowed(db, session):
        if part.cut is None and part.upper >= first:
            lost += _cut_borrowed(db, session, part, first, at)
    db.execute(
        "UPDATE session SET live = live - ?, base = CASE WHEN live = ? THEN ? ELSE base END "
        "WHERE id = ?",
        (lost, lost, at, session),
    )


def _cut_borrowed(
    db: sqlite3.Connection, session: int, part: parts.Part, first: int, at: int
) -> int:
    """Cut a borrowed part, or the end of it that begins at `first`; return how many entries that has."""
    lost = part._replace(lower=max(part.lower, first - 1))
    if lost.lower == part.lower:
        db.execute(
            "UPDATE borrowed SET cut = ? WHERE session = ? AND source = ? AND lower = ?",
            (at, session, part.source, part.lower),
        )
    else:
        db.execute(
            "UPDATE borrowed SET upper = ? WHERE session = ? AND source = ? AND lower = ?",
            (lost.lower, session, part.source, part.lower),
        )
        db.execute(
            "INSERT INTO borrowed (session, source, lower, upper, at, cut) VALUES (?, ?, ?, ?, ?, ?)",
            (session, lost.source, lost.lower, lost.upper, lost.at, at),
        )
    return parts.count(db, lost)
