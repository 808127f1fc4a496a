"""A store for tests: in memory, in the task that asks, closed when its test has ended."""

import sqlite3

from greenroom.actors.stores.sqlite import opening
from greenroom.actors.stores.sqlite.readers import HereReader
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.sqlite.transactions import Point, Transactions, Watch
from greenroom.actors.stores.sqlite.writer import HereWriter

_OPEN: list[sqlite3.Connection] = []


def a_store(watch: Watch | None = None, made: type[SqliteStore] = SqliteStore) -> SqliteStore:
    """An empty store; it takes no time, not even a virtual one's."""
    db = opening.open_in_memory()
    _OPEN.append(db)
    return made(HereWriter(Transactions(db, watch)), HereReader(db))


def close_stores() -> None:
    """Close all that were made."""
    while _OPEN:
        _OPEN.pop().close()


class Disk:
    """A store's disk, which may be full; or have no room for one append, after so many others."""

    def __init__(self) -> None:
        self.is_full = False
        self.fails_after: int | None = None

    def watch(self, point: Point) -> None:
        if point is not Point.BEFORE_COMMIT:
            return
        fails = self.is_full
        if self.fails_after is not None:
            fails = fails or not self.fails_after
            self.fails_after = self.fails_after - 1 if self.fails_after else None
        if fails:
            raise sqlite3.OperationalError("database or disk is full")
