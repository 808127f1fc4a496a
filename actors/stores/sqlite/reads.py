"""What is read of one session: what waking needs, its turns, its transcript.

Each of these runs in a transaction of its own, so what it reads is of one moment. It knows the tables and
nothing of threads.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from greenroom.actors.stores.records import (
    AcceptedTurn,
    Fence,
    Fork,
    SessionName,
    SessionState,
    StoredEntry,
    StoredTurn,
)
from greenroom.actors.stores.sqlite import codec, parts
from greenroom.actors.stores.sqlite.appends import row_of
from greenroom.actors.stores.sqlite.parts import Part, Row
from greenroom.actors.stores.store import SourceMissing


class TurnRow(NamedTuple):
    """A turn as it is kept."""

    id: int
    session: int
    seq: int
    turn: str
    idempotency: str | None
    accepted: bytes
    added: bytes | None
    adds: int
    end_seq: int | None
    end_entries: int
    state: str
    ended: float
    ending: bytes
    replayable: bool
    request: bytes | None
    steps: bytes | None
    did: int
    metadata: str | None


LAST_TURNS = 64
"""How many turns one that is tried again is looked for in."""

TURN_COLUMNS = ", ".join(f"t.{name}" for name in TurnRow._fields)
_TURN = f"SELECT {', '.join(TurnRow._fields)} FROM turn "


def load(db: sqlite3.Connection, name: SessionName) -> SessionState | None:
    """Read what waking a session needs."""
    row = db.execute(
        "SELECT s.id, s.epoch, s.head, s.created, s.active, s.reset, s.began, s.base, "
        "o.agent, o.key, s.fork_seq FROM session s LEFT JOIN session o ON o.id = s.fork_source "
        "WHERE s.agent = ? AND s.key = ?",
        (name.agent, name.key),
    ).fetchone()
    if row is None:
        return None
    id_, epoch, head, created, active, reset, began, base, agent, key, seq = row
    entries, earlier = _prompt(db, _live_parts(db, id_, began, base))
    return SessionState(
        name=name,
        fence=Fence(epoch, head),
        created=created,
        active=active,
        entries=entries,
        earlier=earlier,
        open_turns=tuple(
            _open(TurnRow(*found))
            for found in db.execute(
                _TURN + "WHERE session = ? AND end_seq IS NULL ORDER BY seq", (id_,)
            ).fetchall()
        ),
        reset=reset,
        fork=fork_of(agent, key, seq, began),
    )


def foresee(db: sqlite3.Connection, fork: Fork) -> SessionState:
    """Read what a session that is forked so would wake to."""
    id_, created, active = _source(db, fork)
    entries, earlier = _prompt(db, parts.lent(db, id_, fork))
    return SessionState(
        name=fork.source,
        fence=Fence(),
        created=created,
        active=active,
        entries=entries,
        earlier=earlier,
        open_turns=(),
        fork=fork,
    )


def earlier(db: sqlite3.Connection, of: SessionName | Fork) -> tuple[StoredEntry, ...]:
    """Read the live entries that the last summary stands for."""
    live = parts.lent(db, _source(db, of)[0], of) if isinstance(of, Fork) else _parts_of(db, of)
    summary = parts.last_summary(db, live)
    if summary is None or summary.upto is None:
        return ()
    rows = parts.live(db, live, upto=summary.upto)
    return tuple(stored(row) for row in rows if row.upto is None)


def transcript(
    db: sqlite3.Connection,
    name: SessionName,
    after: int,
    before: int | None,
    limit: int,
    *,
    cut: bool,
) -> tuple[StoredEntry, ...]:
    """Read a page of a transcript."""
    if limit < 1:
        raise ValueError("a page has one entry at least")
    session = row_of(db, name)
    if session is None:
        return ()
    page = parts.Window(after, limit) if before is None else parts.Window(after, limit, before)
    rows = parts.all_of(db, parts.borrowed(db, session), parts.own(session), page, cut=cut)
    return tuple(map(stored, rows))


def until(db: sqlite3.Connection, name: SessionName, turn: str) -> int | None:
    """Return the last number of a turn's end."""
    row = db.execute(
        "SELECT end_seq + end_entries FROM turn WHERE turn = ? AND session = "
        "(SELECT id FROM session WHERE agent = ? AND key = ?)",
        (turn, name.agent, name.key),
    ).fetchone()
    return None if row is None else row[0]


def find(db: sqlite3.Connection, name: SessionName, idempotency: str) -> StoredTurn | None:
    """Read the latest turn that has a client's own key."""
    return _stored_turn(
        db,
        _TURN + "WHERE session = (SELECT id FROM session WHERE agent = ? AND key = ?) "
        "AND idempotency = ? ORDER BY seq DESC LIMIT 1",
        (name.agent, name.key, idempotency),
    )


def find_again(db: sqlite3.Connection, name: SessionName, fingerprint: bytes) -> StoredTurn | None:
    """Read the latest turn with that fingerprint and without a key, of the last turns."""
    session = row_of(db, name)
    if session is None:
        return None
    rows = db.execute(
        _TURN + "WHERE session = ? ORDER BY seq DESC LIMIT ?", (session, LAST_TURNS)
    ).fetchall()
    for row in map(TurnRow._make, rows):
        if row.idempotency is None and _open(row).fingerprint == fingerprint:
            return stored_turn(db, row)
    return None


def turn(db: sqlite3.Connection, name: SessionName, turn: str) -> StoredTurn | None:
    """Read one turn."""
    return _stored_turn(
        db,
        _TURN + "WHERE turn = ? AND session = (SELECT id FROM session WHERE agent = ? AND key = ?)",
        (turn, name.agent, name.key),
    )


def find_turn(db: sqlite3.Connection, turn: str) -> tuple[SessionName, StoredTurn] | None:
    """Find a turn by its id alone."""
    row = db.execute(
        "SELECT s.agent, s.key FROM turn t JOIN session s ON s.id = t.session "
        "WHERE t.turn = ? ORDER BY t.session LIMIT 1",
        (turn,),
    ).fetchone()
    if row is None:
        return None
    name = SessionName(*row)
    found = _stored_turn(db, _TURN + "WHERE turn = ? ORDER BY session LIMIT 1", (turn,))
    return None if found is None else (name, found)


def stored(row: Row) -> StoredEntry:
    """Return the entry of a row."""
    return StoredEntry(row.seq, row.turn, codec.decode_entry(row.body), row.cut, row.upto)


def fork_of(agent: str | None, key: str | None, seq: int | None, began: int) -> Fork | None:
    """Return where a session was forked, from its source's name, which is None of what is no fork."""
    if agent is None or key is None or seq is None:
        return None
    return Fork(SessionName(agent, key), seq, began)


def stored_turn(db: sqlite3.Connection, row: TurnRow, *, whole: bool = True) -> StoredTurn:
    """Return the turn of a row; if not `whole`, without its deltas."""
    if row.end_seq is None:
        return StoredTurn(_open(row), None)
    bodies = db.execute(
        "SELECT body FROM entry WHERE session = ? AND seq > ? AND seq <= ? ORDER BY seq",
        (row.session, row.end_seq, row.end_seq + row.end_entries),
    ).fetchall()
    entries = tuple(codec.decode_entry(body) for (body,) in bodies)
    replay = None
    if row.replayable:
        column = "body" if whole else "1"
        replay = db.execute(
            f"SELECT {column} FROM replay WHERE turn = ?",
            (row.id,),
        ).fetchone()
    deltas = codec.decode_deltas(replay[0]) if whole and replay is not None else ()
    if row.added is None:
        row = row._replace(added=b"".join(body for (body,) in bodies[: row.adds]))
    return StoredTurn(
        _open(row),
        codec.decode_ending(row.ending, row.turn, row.state, row.ended, entries, deltas),
        forgotten=bool(row.replayable) and replay is None,
    )


def turns_of(db: sqlite3.Connection, session: int, after: int, limit: int) -> list[TurnRow]:
    """Read some of a session's turns, in order."""
    rows: Iterable[Sequence[object]] = db.execute(
        _TURN + "WHERE session = ? AND seq > ? ORDER BY seq LIMIT ?", (session, after, limit)
    )
    return list(map(TurnRow._make, rows))


def _stored_turn(
    db: sqlite3.Connection, query: str, values: Sequence[object], *, whole: bool = True
) -> StoredTurn | None:
    row = db.execute(query, values).fetchone()
    return None if row is None else stored_turn(db, TurnRow(*row), whole=whole)


def _open(row: TurnRow) -> AcceptedTurn:
    added = () if row.added is None else codec.decode_added(row.added, row.adds)
    steps = () if row.steps is None else codec.decode_added(row.steps, row.did)
    return codec.decode_accepted(
        row.accepted, row.turn, row.idempotency, added, row.request, row.metadata, steps
    )


def _source(db: sqlite3.Connection, fork: Fork) -> tuple[int, float, float]:
    """Return the row of a fork's source, and when that was created and active."""
    row = db.execute(
        "SELECT id, created, active FROM session WHERE agent = ? AND key = ?",
        (fork.source.agent, fork.source.key),
    ).fetchone()
    if row is None:
        raise SourceMissing(f"there is no session {fork.source.key!r} to fork from")
    id_, created, active = row
    return int(id_), created, active


def _live_parts(db: sqlite3.Connection, session: int, began: int, base: int) -> list[Part]:
    own = parts.own(session, base)
    return [*parts.borrowed(db, session), own] if began else [own]


def _parts_of(db: sqlite3.Connection, name: SessionName) -> list[Part]:
    row = db.execute(
        "SELECT id, began, base FROM session WHERE agent = ? AND key = ?", (name.agent, name.key)
    ).fetchone()
    return [] if row is None else _live_parts(db, *row)


def _prompt(db: sqlite3.Connection, live: Sequence[Part]) -> tuple[tuple[StoredEntry, ...], bool]:
    """Return the last summary and the entries behind it, and whether there are any before it."""
    summary = parts.last_summary(db, live)
    if summary is None or summary.upto is None:
        return tuple(stored(row) for row in parts.live(db, live)), False
    return (
        (stored(summary), *map(stored, parts.live(db, live, above=summary.upto))),
        parts.is_any_live(db, live, summary.upto),
    )
