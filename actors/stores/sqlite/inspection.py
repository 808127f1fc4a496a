"""What has to be true of a store's file, and what of it is not: the rules that no constraint can hold.

It reads everything, session by session, and writes nothing.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from greenroom.actors.entries import AssistantEntry, SummaryEntry, ToolEntry, UserEntry
from greenroom.actors.stores.records import StoredEntry, TurnState
from greenroom.actors.stores.sqlite import parts, reads
from greenroom.actors.stores.sqlite.reads import TurnRow
from greenroom.actors.stores.store import StoreFailed

_ORPHANS = {
    "turns": "SELECT count(*) FROM turn WHERE session NOT IN (SELECT id FROM session)",
    "errands": "SELECT count(*) FROM errand WHERE session NOT IN (SELECT id FROM session)",
    "events": "SELECT count(*) FROM replay WHERE turn NOT IN (SELECT id FROM turn)",
    "loans": "SELECT count(*) FROM borrowed WHERE session NOT IN (SELECT id FROM session)",
    "entries": "SELECT count(*) FROM entry WHERE session NOT IN (SELECT id FROM session) "
    f"AND NOT {parts.IS_BORROWED}",
}
_SESSIONS = "SELECT id, agent, key, epoch, head, began, base, turns, live, size FROM session"
_ENDS = {state.value for state in TurnState} - {TurnState.ACCEPTED.value}
_AT_ONCE = 500


def problems(db: sqlite3.Connection) -> Iterator[str]:
    """Yield what is wrong with a file, one line each."""
    for (verdict,) in db.execute("PRAGMA integrity_check"):
        if verdict != "ok":
            yield f"the file is damaged: {verdict}"
    for what, query in _ORPHANS.items():
        (many,) = db.execute(query).fetchone()
        if many:
            yield f"{many} {what} belong to nothing"
    for id_, agent, key, *columns in db.execute(_SESSIONS):
        try:
            for problem in _of_session(db, id_, *columns):
                yield f"session {key!r} of agent {agent!r}: {problem}"
        except StoreFailed as error:
            yield f"session {key!r} of agent {agent!r}: {error}"


def _of_session(
    db: sqlite3.Connection,
    id_: int,
    epoch: int,
    head: int,
    began: int,
    base: int,
    turns: int,
    live: int,
    size: int,
) -> Iterator[str]:
    if epoch < 1 or head < 1:
        yield f"its fence is {epoch}, {head}, and both count from 1"
    counted, turned = 0, 0
    for row in _turns(db, id_):
        turned += 1
        blobs = (row.accepted, row.added, row.ending, row.request, row.steps)
        counted += sum(len(blob) for blob in blobs if blob is not None)
        yield from _of_turn(db, row, began, head)
    if turned != turns:
        yield f"it counts {turns} turns and has {turned}"
    (entries,) = db.execute(
        "SELECT coalesce(sum(length(body)), 0) FROM entry WHERE session = ?", (id_,)
    ).fetchone()
    (replays,) = db.execute(
        "SELECT coalesce(sum(length(r.body)), 0) FROM turn t JOIN replay r ON r.turn = t.id "
        "WHERE t.session = ?",
        (id_,),
    ).fetchone()
    if counted + entries + replays != size:
        yield f"it counts {size} bytes and has {counted + entries + replays}"
    yield from _of_entries(db, id_, began, head, base)
    found = parts.live(db, [*parts.borrowed(db, id_), parts.own(id_)])
    if len(found) != live:
        yield f"it counts {live} live entries and has {len(found)}"
    yield from broken_calls([reads.stored(row) for row in found])


def _turns(db: sqlite3.Connection, session: int) -> Iterator[TurnRow]:
    after = 0
    while rows := reads.turns_of(db, session, after, _AT_ONCE):
        yield from rows
        after = rows[-1].seq


def _of_turn(db: sqlite3.Connection, row: TurnRow, began: int, head: int) -> Iterator[str]:
    if not began < row.seq <= head:
        yield f"turn {row.turn!r} has the number {row.seq}, outside of {began + 1} to {head}"
    if row.end_seq is not None:
        if row.state not in _ENDS:
            yield f"turn {row.turn!r} has ended as {row.state!r}"
            return
        if not row.seq < row.end_seq <= head - row.end_entries:
            yield f"turn {row.turn!r} ends with the number {row.end_seq}, head is {head}"
    stored = reads.stored_turn(db, row)
    if stored.end is not None and len(stored.end.entries) != row.end_entries:
        yield f"turn {row.turn!r} has lost entries: {len(stored.end.entries)} of {row.end_entries}"


def _of_entries(
    db: sqlite3.Connection, session: int, began: int, head: int, base: int
) -> Iterator[str]:
    rows = db.execute("SELECT seq, upto, cut FROM entry WHERE session = ?", (session,))
    for seq, upto, cut in rows:
        if not began < seq <= head:
            yield f"entry {seq} is outside of {began + 1} to {head}"
        if upto is not None and not 1 <= upto < seq:
            yield f"summary {seq} stands for what is up to {upto}"
        if cut is not None and not seq < cut <= head:
            yield f"entry {seq} was cut at {cut}, head is {head}"
        if cut is None and seq <= base:
            yield f"entry {seq} is live, and none is up to {base}"


def broken_calls(entries: Sequence[StoredEntry]) -> Iterator[str]:
    """Yield where a transcript's tool calls and results do not fit; calls may be open at its end."""
    waiting: list[str] = []
    for stored in entries:
        match stored.entry:
            case ToolEntry(call_id=call):
                if call in waiting:
                    waiting.remove(call)
                else:
                    yield f"entry {stored.seq} is the result of {call!r}, which waits for none"
            case UserEntry() | AssistantEntry() as entry:
                if waiting:
                    yield f"entry {stored.seq} follows calls without results: {', '.join(waiting)}"
                calls = entry.tool_calls if isinstance(entry, AssistantEntry) else ()
                waiting = [call.id for call in calls]
            case SummaryEntry():
                continue
