"""A store for tests: in memory, in the task that asks, closed when its test has ended."""

import sqlite3

from greenroom.actors.stores.sqlite import opening
from greenroom.actors.stores.sqlite.readers import HereReader
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.sqlite.transactions import Point, Transactions, Watch
from greenroom.actors.stores.sqlite.writer import HereWriter

_OPEN: list[sqlite3.Connection] = []


def a_store(watch: Watch | None = None) -> SqliteStore:
    """An empty store; it takes no time, not even a virtual one's."""
    db = opening.open_in_memory()
    _OPEN.append(db)
    return SqliteStore(HereWriter(Transactions(db, watch)), HereReader(db))


def close_stores() -> None:
    """Close all that were made."""
    while _OPEN:
        _OPEN.pop().close()


class Disk:
    """A store's disk, which may be full."""

    def __init__(self) -> None:
        self.is_full = False

    def watch(self, point: Point) -> None:
        if self.is_full and point is Point.BEFORE_COMMIT:
            raise sqlite3.OperationalError("database or disk is full")
