"""Finished turns of all sessions, in pages, and what their clients note on them.

A page goes on behind the turn that the one before ended with. Where metadata are looked for, only turns
that have any are read.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from greenroom.actors.stores.answered import FoundTurn, TurnPage, TurnQuery
from greenroom.actors.stores.records import SessionName, TurnState
from greenroom.actors.stores.sqlite import codec, reads
from greenroom.actors.stores.sqlite.reads import TURN_COLUMNS, TurnRow


def page(db: sqlite3.Connection, query: TurnQuery) -> TurnPage:
    """Read a page of turns; raises ValueError if its `after` is no turn, or its limit is below 1."""
    if query.limit < 1:
        raise ValueError("a page has one turn at least")
    values: dict[str, Any] = {"limit": query.limit + 1, "state": TurnState.FINISHED.value}
    conditions = " AND ".join(_conditions(db, query, values))
    order = "DESC" if query.latest_first else "ASC"
    rows = db.execute(
        f"SELECT s.agent, s.key, {TURN_COLUMNS} FROM turn t JOIN session s ON s.id = t.session "
        f"WHERE {conditions} ORDER BY t.id {order} LIMIT :limit",
        values,
    ).fetchall()
    found = [
        FoundTurn(SessionName(agent, key), reads.stored_turn(db, TurnRow(*row)))
        for agent, key, *row in rows[: query.limit]
    ]
    return TurnPage(tuple(found), more=len(rows) > query.limit)


def label(
    db: sqlite3.Connection, name: SessionName, turn: str, metadata: Mapping[str, str]
) -> bool:
    """Give a turn other metadata; return whether there is such a turn."""
    changed = db.execute(
        "UPDATE turn SET metadata = ? "
        "WHERE turn = ? AND session = (SELECT id FROM session WHERE agent = ? AND key = ?)",
        (codec.encode_metadata(metadata), turn, name.agent, name.key),
    )
    return changed.rowcount > 0


def _conditions(db: sqlite3.Connection, query: TurnQuery, values: dict[str, Any]) -> Iterator[str]:
    """Yield the conditions of a query, and put their values into `values`."""
    yield "t.state = :state AND t.model IS NOT NULL"
    if query.turn is not None:
        values["turn"] = query.turn
        yield "t.turn = :turn"
    # Of a session and its restored copies, which have the same turns, the session itself counts.
    yield "NOT EXISTS (SELECT 1 FROM turn u WHERE u.turn = t.turn AND u.session < t.session)"
    if query.model is not None:
        values["model"] = query.model
        yield "t.model = :model"
    if query.metadata:
        yield "t.metadata IS NOT NULL"
    for index, (key, value) in enumerate(query.metadata.items()):
        values[f"key{index}"], values[f"value{index}"] = key, value
        yield (
            f"EXISTS (SELECT 1 FROM json_each(t.metadata) m "
            f"WHERE m.key = :key{index} AND m.value = :value{index})"
        )
    if query.after is not None:
        row = db.execute(
            "SELECT id FROM turn WHERE turn = ? ORDER BY session LIMIT 1", (query.after,)
        ).fetchone()
        if row is None:
            raise ValueError(f"{query.after!r} is no turn")
        (values["after"],) = row
        yield "t.id < :after" if query.latest_first else "t.id > :after"
