"""Errands in their table: whole blobs, with their session and their time beside them."""

import sqlite3
from collections.abc import Sequence

import msgspec

from greenroom.actors.stores.errands import MOST_OF_A_SESSION, Errand
from greenroom.actors.stores.records import SessionName
from greenroom.actors.stores.sqlite.appends import row_of
from greenroom.actors.stores.sqlite.failures import Damaged
from greenroom.actors.stores.sqlite.readers import Readers
from greenroom.actors.stores.sqlite.writer import Writer

_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Errand)


class SqliteErrands:
    """The errands of a `SqliteStore`, whose writer and readers these are."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def add(self, errand: Errand) -> None:
        await self._writer.run(lambda db: _add(db, errand))

    async def get(self, id_: str) -> Errand | None:
        return await self._readers.run(lambda db: _get(db, id_))

    async def list(
        self, session: SessionName | None = None, *, after: str = "", limit: int = 100
    ) -> Sequence[Errand]:
        return await self._readers.run(lambda db: _list(db, session, after, limit))

    async def due(self, now: float, *, limit: int = 100) -> Sequence[Errand]:
        return await self._readers.run(
            lambda db: _all(
                db, "SELECT body FROM errand WHERE due <= ? ORDER BY due LIMIT ?", (now, limit)
            )
        )

    async def next_due(self, after: float) -> float | None:
        return await self._readers.run(lambda db: _next_due(db, after))

    async def replace(self, before: Errand, after: Errand | None) -> bool:
        return await self._writer.run(
            lambda db: _replace(db, before, after), erases=lambda done: done and after is None
        )


def _add(db: sqlite3.Connection, errand: Errand) -> None:
    session = row_of(db, errand.session)
    if session is None:
        raise ValueError(f"there is no session {errand.session.key!r}")
    (many,) = db.execute("SELECT count(*) FROM errand WHERE session = ?", (session,)).fetchone()
    if many >= MOST_OF_A_SESSION:
        raise ValueError(
            f"session {errand.session.key!r} waits for {many} things, which is its limit"
        )
    try:
        db.execute(
            "INSERT INTO errand (id, session, due, body) VALUES (?, ?, ?, ?)",
            (errand.id, session, errand.due, _encode(errand)),
        )
    except sqlite3.IntegrityError:
        raise ValueError(f"there is an errand {errand.id!r} already") from None


def _get(db: sqlite3.Connection, id_: str) -> Errand | None:
    found = _all(db, "SELECT body FROM errand WHERE id = ?", (id_,))
    return found[0] if found else None


def _list(
    db: sqlite3.Connection, session: SessionName | None, after: str, limit: int
) -> Sequence[Errand]:
    if session is None:
        query = "SELECT body FROM errand WHERE id > ? ORDER BY id LIMIT ?"
        return _all(db, query, (after, limit))
    return _all(
        db,
        "SELECT body FROM errand WHERE session = ? AND id > ? ORDER BY id LIMIT ?",
        (row_of(db, session), after, limit),
    )


def _next_due(db: sqlite3.Connection, after: float) -> float | None:
    row = db.execute("SELECT min(due) FROM errand WHERE due > ?", (after,)).fetchone()
    return None if row is None else row[0]


def _replace(db: sqlite3.Connection, before: Errand, after: Errand | None) -> bool:
    query, values = "DELETE FROM errand", list[object]()
    if after is not None:
        query, values = "UPDATE errand SET due = ?, body = ?", [after.due, _encode(after)]
    done = db.execute(
        f"{query} WHERE id = ? AND body = ? RETURNING id", (*values, before.id, _encode(before))
    ).fetchall()
    return bool(done)


def _all(db: sqlite3.Connection, query: str, values: Sequence[object]) -> Sequence[Errand]:
    try:
        return [_decoder.decode(body) for (body,) in db.execute(query, values).fetchall()]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"an errand is damaged: {error}") from error
