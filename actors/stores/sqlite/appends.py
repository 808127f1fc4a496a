"""The appends: each proves its fence in its first write, and does the rest only if that counted.

They run inside the writer's transaction. One that raises before it has changed anything fails alone. The
numbers that an append takes, and the counters that it moves, are decided here and nowhere else.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from greenroom.actors.entries import SummaryEntry, TranscriptEntry
from greenroom.actors.stores.records import (
    AcceptedTurn,
    Fence,
    Fork,
    SessionName,
    StoredEntry,
    TurnEnd,
    TurnState,
)
from greenroom.actors.stores.sqlite import codec, parts
from greenroom.actors.stores.sqlite.cutting import cut
from greenroom.actors.stores.store import Fenced, SourceMissing


class _Place(NamedTuple):
    """Where an append lands: the session, the first number that it takes, the fence that it leaves."""

    session: int
    first: int
    fence: Fence


def accept(
    db: sqlite3.Connection,
    name: SessionName,
    fence: Fence,
    turn: AcceptedTurn,
    *,
    fork: Fork | None = None,
    lasts: float | None = None,
) -> Fence:
    """Append a turn's acceptance."""
    accepted = codec.encode_accepted(turn)
    added = b"".join(map(codec.encode_entry, turn.added)) if turn.added else None
    size = len(accepted) + len(added or b"") + len(turn.request or b"")
    if fence.epoch == 0:
        place = _create(db, name, turn.accepted, fork, lasts=lasts, turns=1, size=size)
    elif fork is None:
        place = _claim(db, name, fence, 1, at=turn.accepted, turns=1, size=size)
    else:
        raise ValueError("only a session that does not exist yet can be forked")
    try:
        db.execute(
            "INSERT INTO turn (session, seq, turn, idempotency, accepted, added, adds, request, model, "
            "metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                place.session,
                place.first,
                turn.id,
                turn.idempotency,
                accepted,
                added,
                len(turn.added),
                turn.request,
                codec.listed_model(turn),
                codec.encode_metadata(turn.metadata),
            ),
        )
    except sqlite3.IntegrityError:
        raise ValueError(f"the session has had a turn {turn.id!r} already") from None
    return place.fence


def step(
    db: sqlite3.Connection, name: SessionName, turn: str, entries: Sequence[TranscriptEntry]
) -> None:
    """Keep what an open turn has done."""
    session = row_of(db, name)
    row = db.execute(
        "SELECT id, steps FROM turn WHERE turn = ? AND session = ? AND end_seq IS NULL",
        (turn, session),
    ).fetchone()
    if row is None:
        raise ValueError(f"the session has no open turn {turn!r}")
    id_, before = row
    steps = b"".join(map(codec.encode_entry, entries))
    db.execute(
        "UPDATE turn SET steps = ?, did = did + ? WHERE id = ?",
        ((before or b"") + steps, len(entries), id_),
    )
    db.execute("UPDATE session SET size = size + ? WHERE id = ?", (len(steps), session))


def end(
    db: sqlite3.Connection, name: SessionName, fence: Fence, ends: Sequence[TurnEnd]
) -> tuple[Fence, tuple[StoredEntry, ...]]:
    """Append the ends of turns."""
    if not ends or any(one.state is TurnState.ACCEPTED for one in ends):
        raise ValueError("an end is that of a turn, and says how it ended")
    numbers = sum(1 + len(one.entries) for one in ends)
    place = _claim(db, name, fence, numbers, at=max(one.ended for one in ends))
    seq = place.first
    stored: list[StoredEntry] = []
    for one in ends:
        if one.cut_from is not None:
            cut(db, place.session, one.cut_from, seq)
        entries = _numbered(one, seq)
        bodies = [codec.encode_entry(entry.entry) for entry in entries]
        size = _close(db, place.session, one, seq, bodies)
        _insert(db, place.session, entries, bodies, size)
        stored += entries
        seq += 1 + len(entries)
    return place.fence, tuple(stored)


def compact(
    db: sqlite3.Connection,
    name: SessionName,
    fence: Fence,
    turn: str,
    summary: SummaryEntry,
    upto: int,
) -> tuple[Fence, StoredEntry]:
    """Append a summary."""
    if not 1 <= upto <= fence.head:
        raise ValueError(f"there is nothing numbered {upto} to be summed up")
    place = _claim(db, name, fence, 1)
    entry = StoredEntry(place.first, turn, summary, upto=upto)
    body = codec.encode_entry(summary)
    _insert(db, place.session, (entry,), (body,), len(body))
    return place.fence, entry


def reset(db: sqlite3.Connection, name: SessionName, fence: Fence, at: float) -> Fence:
    """Cut the whole transcript."""
    place = _claim(db, name, fence, 1, at=at)
    cut(db, place.session, 0, place.first)
    db.execute("UPDATE session SET reset = ? WHERE id = ?", (at, place.session))
    return place.fence


def annotate(
    db: sqlite3.Connection, name: SessionName, fence: Fence, attributes: bytes, at: float
) -> Fence:
    """Keep attributes with a session, which is created if it is new."""
    is_new = fence.epoch == 0
    place = _create(db, name, at, None) if is_new else _claim(db, name, fence, 1, at=at)
    db.execute("UPDATE session SET attributes = ? WHERE id = ?", (attributes, place.session))
    return place.fence


def erase(db: sqlite3.Connection, name: SessionName, fence: Fence, seq: int) -> Fence:
    """Cut one entry out of the transcript."""
    live = db.execute(
        "SELECT 1 FROM entry WHERE session = ? AND seq = ? AND cut IS NULL AND upto IS NULL",
        (row_of(db, name), seq),
    ).fetchone()
    if live is None:
        raise ValueError(f"the session has no live entry {seq} of its own")
    place = _claim(db, name, fence, 1)
    db.execute(
        "UPDATE entry SET cut = ? WHERE session = ? AND seq = ?", (place.first, place.session, seq)
    )
    db.execute("UPDATE session SET live = live - 1 WHERE id = ?", (place.session,))
    return place.fence


def row_of(db: sqlite3.Connection, name: SessionName) -> int | None:
    """Return the row of a session, None if there is none."""
    row = db.execute(
        "SELECT id FROM session WHERE agent = ? AND key = ?", (name.agent, name.key)
    ).fetchone()
    return None if row is None else int(row[0])


def _claim(
    db: sqlite3.Connection,
    name: SessionName,
    fence: Fence,
    numbers: int,
    *,
    at: float = 0.0,
    turns: int = 0,
    size: int = 0,
) -> _Place:
    """Prove the fence and take `numbers` numbers; raises Fenced, with nothing changed."""
    rows = db.execute(
        "UPDATE session SET epoch = epoch + ?, head = head + ?, active = max(active, ?), "
        "turns = turns + ?, size = size + ? "
        "WHERE agent = ? AND key = ? AND epoch = ? AND head = ? RETURNING id, epoch, head",
        (
            0 if fence.claimed else 1,
            numbers,
            at,
            turns,
            size,
            name.agent,
            name.key,
            fence.epoch,
            fence.head,
        ),
    ).fetchall()
    return _place(rows, numbers)


def _create(
    db: sqlite3.Connection,
    name: SessionName,
    at: float,
    fork: Fork | None,
    *,
    lasts: float | None = None,
    turns: int = 0,
    size: int = 0,
) -> _Place:
    """Create the session of a first append; raises Fenced or SourceMissing, with nothing changed."""
    source, lent = None, list[parts.Part]()
    if fork is not None:
        source = row_of(db, fork.source)
        if source is None:
            raise SourceMissing(f"there is no session {fork.source.key!r} to fork from")
        lent = parts.lent(db, source, fork)
    began = 0 if fork is None else fork.head
    rows = db.execute(
        "INSERT INTO session (agent, key, epoch, head, created, active, began, base, turns, live, size,"
        " fork_source, fork_seq, lasts) SELECT ?, ?, epoch_floor + 1, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ? "
        "FROM store "
        "WHERE true ON CONFLICT (agent, key) DO NOTHING RETURNING id, epoch, head",
        (
            name.agent,
            name.key,
            began + 1,
            at,
            at,
            began,
            turns,
            sum(parts.count(db, part) for part in lent),
            size,
            source,
            None if fork is None else fork.seq,
            lasts,
        ),
    ).fetchall()
    place = _place(rows, 1)
    for part in lent:
        db.execute(
            "INSERT INTO borrowed (session, source, lower, upper, at) VALUES (?, ?, ?, ?, ?)",
            (place.session, part.source, part.lower, part.upper, part.at),
        )
    return place


def _place(rows: Sequence[tuple[int, int, int]], numbers: int) -> _Place:
    if not rows:
        raise Fenced("the session was appended to by another owner, or is gone")
    ((session, epoch, head),) = rows
    return _Place(session, head - numbers + 1, Fence(epoch, head, claimed=True))


def _numbered(one: TurnEnd, seq: int) -> list[StoredEntry]:
    """Return the entries of an end that has the number `seq`."""
    return [
        StoredEntry(
            number, one.id, entry, upto=number - 1 if isinstance(entry, SummaryEntry) else None
        )
        for number, entry in enumerate(one.entries, seq + 1)
    ]


def _insert(
    db: sqlite3.Connection,
    session: int,
    entries: Sequence[StoredEntry],
    bodies: Sequence[bytes],
    size: int,
) -> None:
    """Insert entries, and count them and the `size` by which the journal grows."""
    for entry, body in zip(entries, bodies, strict=True):
        db.execute(
            "INSERT INTO entry (session, seq, turn, upto, body) VALUES (?, ?, ?, ?, ?)",
            (session, entry.seq, entry.turn, entry.upto, body),
        )
    db.execute(
        "UPDATE session SET live = live + ?, size = size + ? WHERE id = ?",
        (len(entries), size, session),
    )


def _close(
    db: sqlite3.Connection, session: int, one: TurnEnd, seq: int, bodies: Sequence[bytes]
) -> int:
    """End a turn and return by how many bytes the journal grows; raises ValueError if it is not open.

    What a turn added is most often how its entries begin, and then it is kept as these alone.
    """
    row = db.execute(
        "SELECT id, length(added), length(steps) FROM turn "
        "WHERE turn = ? AND session = ? AND end_seq IS NULL",
        (one.id, session),
    ).fetchone()
    if row is None:
        raise ValueError(f"the session has no open turn {one.id!r}")
    turn, added, steps = row
    ending, entries = codec.encode_ending(one), b"".join(bodies)
    ((is_shared,),) = db.execute(
        "UPDATE turn SET end_seq = ?, end_entries = ?, state = ?, ended = ?, ending = ?, "
        "replayable = ?, steps = NULL, did = 0, "
        "added = CASE WHEN substr(?, 1, length(added)) = added THEN NULL ELSE added END "
        "WHERE id = ? RETURNING added IS NULL",
        (
            seq,
            len(bodies),
            one.state.value,
            one.ended,
            ending,
            bool(one.deltas),
            entries,
            turn,
        ),
    ).fetchall()
    size = len(ending) + len(entries) - (added or 0) * int(is_shared) - (steps or 0)
    if one.deltas:
        body = codec.encode_deltas(one.deltas)
        db.execute(
            "INSERT INTO replay (turn, ended, body) VALUES (?, ?, ?)", (turn, one.ended, body)
        )
        size += len(body)
    return size
