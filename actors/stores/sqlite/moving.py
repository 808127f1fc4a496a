"""Reading a session out of the tables line by line, and writing one into them.

What is read is the session as it stood at the head of its first line, though it takes many short reads;
what is written is one operation.
"""

import sqlite3
from typing import NamedTuple

import msgspec

from greenroom.actors.stores.records import SessionName, StoredEntry
from greenroom.actors.stores.sqlite import codec, parts, portable, reads
from greenroom.actors.stores.store import StoreFailed

AT_ONCE = 200
"""Turns or entries that one read takes."""


class Begun(NamedTuple):
    """An export that has begun: of this row, as it stood at this head."""

    session: int
    head: int
    line: portable.SessionLine


def begin(db: sqlite3.Connection, name: SessionName) -> Begun:
    """Read the first line; raises ValueError if there is no such session."""
    row = db.execute(
        "SELECT id, head, created, active, reset, attributes FROM session WHERE agent = ? AND key = ?",
        (name.agent, name.key),
    ).fetchone()
    if row is None:
        raise ValueError(f"there is no session {name.key!r} of agent {name.agent!r}")
    session, head, created, active, reset, attributes = row
    line = portable.SessionLine(
        portable.VERSION, name.agent, name.key, head, created, active, reset, attributes
    )
    return Begun(session, head, line)


def turns(db: sqlite3.Connection, begun: Begun, after: int) -> list[portable.TurnLine]:
    """Read the next turns, those numbered above `after`."""
    _insist(db, begun)
    rows = reads.turns_of(db, begun.session, after, AT_ONCE)
    return [_turn_line(db, row, begun.head) for row in rows if row.seq <= begun.head]


def entries(db: sqlite3.Connection, begun: Begun, after: int) -> list[portable.EntryLine]:
    """Read the next entries, those numbered above `after`."""
    _insist(db, begun)
    rows = parts.all_of(
        db,
        parts.borrowed(db, begun.session),
        parts.own(begun.session, at=begun.head),
        parts.Window(after, AT_ONCE),
        cut=True,
    )
    return [_entry_line(reads.stored(row), begun.head) for row in rows]


def restore(db: sqlite3.Connection, session: portable.Session, name: SessionName) -> None:
    """Create a session; raises ValueError if there is one of that name, with nothing changed."""
    head = session.head
    live = [entry.seq for entry in portable.live(session.entries)]
    rows = db.execute(
        "INSERT INTO session (agent, key, epoch, head, created, active, reset, began, base, turns, live, "
        "size, attributes) SELECT ?, ?, epoch_floor + 1, ?, ?, ?, ?, 0, ?, ?, ?, 0, ? FROM store "
        "WHERE true ON CONFLICT (agent, key) DO NOTHING RETURNING id",
        (
            name.agent,
            name.key,
            head.head,
            head.created,
            head.active,
            head.reset,
            min(live, default=head.head + 1) - 1,
            len(session.turns),
            len(live),
            head.attributes,
        ),
    ).fetchall()
    if not rows:
        raise ValueError(f"there is a session {name.key!r} of agent {name.agent!r} already")
    ((id_,),) = rows
    size = sum(_insert_turn(db, id_, line) for line in session.turns)
    for line in session.entries:
        body = codec.encode_entry(line.entry)
        size += len(body)
        db.execute(
            "INSERT INTO entry (session, seq, turn, upto, cut, body) VALUES (?, ?, ?, ?, ?, ?)",
            (id_, line.seq, line.turn, line.upto, line.cut, body),
        )
    db.execute("UPDATE session SET size = ? WHERE id = ?", (size, id_))


def _insist(db: sqlite3.Connection, begun: Begun) -> None:
    if not db.execute("SELECT 1 FROM session WHERE id = ?", (begun.session,)).fetchall():
        raise StoreFailed(f"session {begun.line.key!r} was deleted while it was exported")


def _turn_line(db: sqlite3.Connection, row: reads.TurnRow, head: int) -> portable.TurnLine:
    stored = reads.stored_turn(db, row)
    if stored.end is None or row.end_seq is None or row.end_seq > head:
        return portable.TurnLine(row.seq, stored.accepted)
    is_shared = row.added is None
    return portable.TurnLine(
        seq=row.seq,
        accepted=msgspec.structs.replace(stored.accepted, added=())
        if is_shared
        else stored.accepted,
        adds=row.adds if is_shared else 0,
        end_seq=row.end_seq,
        end_entries=row.end_entries,
        end=msgspec.structs.replace(stored.end, entries=()),
        forgotten=stored.forgotten,
    )


def _entry_line(entry: StoredEntry, head: int) -> portable.EntryLine:
    cut = None if entry.cut is None or entry.cut > head else entry.cut
    return portable.EntryLine(entry.seq, entry.turn, entry.entry, cut, entry.upto)


def _insert_turn(db: sqlite3.Connection, session: int, line: portable.TurnLine) -> int:
    """Insert a turn and return its size in bytes."""
    turn, end = line.accepted, line.end
    accepted = codec.encode_accepted(turn)
    added = b"".join(map(codec.encode_entry, turn.added)) if turn.added else None
    ending = None if end is None else codec.encode_ending(end)
    steps = b"".join(map(codec.encode_entry, turn.steps)) if turn.steps else None
    replay = codec.encode_deltas(end.deltas) if end is not None and end.deltas else None
    (id_,) = db.execute(
        "INSERT INTO turn (session, seq, turn, idempotency, accepted, added, adds, end_seq, end_entries, "
        "state, ended, ending, replayable, request, model, metadata, steps, did) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            session,
            line.seq,
            turn.id,
            turn.idempotency,
            accepted,
            added,
            len(turn.added) or line.adds,
            line.end_seq,
            None if end is None else line.end_entries,
            None if end is None else end.state.value,
            None if end is None else end.ended,
            ending,
            None if end is None else replay is not None or line.forgotten,
            turn.request,
            codec.listed_model(turn),
            codec.encode_metadata(turn.metadata),
            steps,
            len(turn.steps),
        ),
    ).fetchone()
    if end is not None and replay is not None:
        db.execute(
            "INSERT INTO replay (turn, ended, body) VALUES (?, ?, ?)", (id_, end.ended, replay)
        )
    blobs = (accepted, added, ending, replay, turn.request, steps)
    return sum(len(blob) for blob in blobs if blob is not None)
