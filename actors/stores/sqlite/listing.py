"""Sessions in pages, latest first, and one session's line.

A page goes on where the one before ended, by activity and row, so the last page costs what the first did.
With a prefix there are two ways to it, and which is cheap depends on how many keys begin so: few are all
looked up and sorted; of many, enough turn up among the latest of all.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any

from greenroom.actors.stores.records import (
    Page,
    Query,
    SessionInfo,
    SessionName,
)
from greenroom.actors.stores.sqlite.parts import END
from greenroom.actors.stores.sqlite.reads import fork_of

FEW = 2_000
"""Keys with a prefix that are looked up one by one rather than waited for."""

_COLUMNS = (
    "s.agent, s.key, s.created, s.active, s.head, s.turns, s.live, s.size, o.agent, o.key, s.fork_seq, "
    "s.began, s.attributes, s.id"
)
_FROM = "LEFT JOIN session o ON o.id = s.fork_source"


def info(db: sqlite3.Connection, name: SessionName) -> SessionInfo | None:
    """Read one session's line."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM session s {_FROM} WHERE s.agent = ? AND s.key = ?",
        (name.agent, name.key),
    ).fetchone()
    return None if row is None else _line(row)


def page(db: sqlite3.Connection, query: Query) -> Page:
    """Read a page of sessions; raises ValueError if its cursor is none, or its limit is below 1."""
    if query.limit < 1:
        raise ValueError("a page has one session at least")
    values: dict[str, Any] = {"limit": query.limit + 1}
    conditions = list(_conditions(query, values))
    index = _index(db, query, values)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM session s {index} {_FROM} {where} "
        "ORDER BY s.active DESC, s.id DESC LIMIT :limit",
        values,
    ).fetchall()
    lines = tuple(map(_line, rows[: query.limit]))
    more = len(rows) > query.limit
    return Page(lines, f"{lines[-1].active!r}-{rows[query.limit - 1][-1]}" if more else None)


def _conditions(query: Query, values: dict[str, Any]) -> Iterator[str]:
    """Yield the conditions of a query, and put their values into `values`."""
    if query.agent is not None:
        values["agent"] = query.agent
        yield "s.agent = :agent"
    if query.prefix:
        values["prefix"], values["beyond"] = query.prefix, _beyond(query.prefix)
        yield "s.key >= :prefix"
        if values["beyond"] is not None:
            yield "s.key < :beyond"
    if query.active_since is not None:
        values["since"] = query.active_since
        yield "s.active >= :since"
    if query.active_before is not None:
        values["before"] = query.active_before
        yield "s.active < :before"
    if query.after is not None:
        values["active"], values["id"] = _cursor(query.after)
        yield "(s.active, s.id) < (:active, :id)"


def _index(db: sqlite3.Connection, query: Query, values: dict[str, Any]) -> str:
    """Return which index the sessions are looked up by."""
    if query.prefix and _has_few(db, query, values):
        if query.agent is None:
            return "INDEXED BY session_by_key"
        return "INDEXED BY sqlite_autoindex_session_1"
    return (
        "INDEXED BY session_by_activity" if query.agent is None else "INDEXED BY session_by_agent"
    )


def _has_few(db: sqlite3.Connection, query: Query, values: dict[str, Any]) -> bool:
    agent = "" if query.agent is None else "agent = :agent AND "
    beyond = "" if values["beyond"] is None else " AND key < :beyond"
    (many,) = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM session WHERE {agent}key >= :prefix{beyond} LIMIT :few)",
        values | {"few": FEW + 1},
    ).fetchone()
    return bool(many <= FEW)


def _beyond(prefix: str) -> str | None:
    """Return the least text above all that begin with `prefix`, None if there is none."""
    prefix = prefix.rstrip(chr(0x10FFFF))
    if not prefix:
        return None
    after = ord(prefix[-1]) + 1
    # There are no characters in between.
    return prefix[:-1] + chr(0xE000 if after == 0xD800 else after)


def _cursor(text: str) -> tuple[float, int]:
    active, _, id_ = text.rpartition("-")
    try:
        cursor = float(active), int(id_)
    except ValueError:
        cursor = 0.0, END
    if cursor[1] >= END:
        raise ValueError(f"{text!r} is no cursor of a page of sessions")
    return cursor


def _line(row: tuple[Any, ...]) -> SessionInfo:
    agent, key, created, active, head, turns, live, size, of_agent, of_key, seq, began, kept, _ = (
        row
    )
    return SessionInfo(
        name=SessionName(agent, key),
        created=created,
        active=active,
        head=head,
        turns=turns,
        entries=live,
        size=size,
        fork=fork_of(of_agent, of_key, seq, began),
        attributes=kept,
    )
