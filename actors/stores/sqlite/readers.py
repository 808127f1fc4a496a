"""Who reads: a few connections in threads, which never wait for the writer, or the caller itself."""

import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

import trio

from greenroom.actors.stores.sqlite.failures import CLOSED, told
from greenroom.actors.stores.sqlite.transactions import Work
from greenroom.actors.stores.sqlite.writer import insist
from greenroom.actors.stores.store import StoreFailed

T = TypeVar("T")


class Readers(Protocol):
    """How reads are done: each sees one moment."""

    async def run(self, work: Work[T]) -> T:
        """Return what `work` reads; raises `StoreFailed`, and what `work` raises."""
        ...


class HereReader:
    """Reads in the task that asks, for a database in memory, where nothing waits for a disk."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    async def run(self, work: Work[T]) -> T:
        await trio.lowlevel.checkpoint()
        return _read(self._db, work)


class ThreadReaders:
    """Reads in trio's threads, `most` at a time, each with a connection that `connect` opens."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], most: int) -> None:
        self._connect = connect
        self._limiter = trio.CapacityLimiter(most)
        self._idle: deque[sqlite3.Connection] = deque()
        self._all: list[sqlite3.Connection] = []
        self._is_open = True

    async def run(self, work: Work[T]) -> T:
        if not self._is_open:
            raise StoreFailed(CLOSED)
        # Whoever is cancelled leaves; the thread ends by itself and gives its connection back.
        return await trio.to_thread.run_sync(
            self._read, work, limiter=self._limiter, abandon_on_cancel=True
        )

    async def close(self) -> None:
        """Cut short what is being read, and close the connections."""
        self._is_open = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(insist, self._interrupt)
            for _ in range(int(self._limiter.total_tokens)):
                await self._limiter.acquire_on_behalf_of(object())
            nursery.cancel_scope.cancel()
        # The last to close moves the log into the file.
        await trio.to_thread.run_sync(self._close)

    def _close(self) -> None:
        for db in self._all:
            db.close()

    def _interrupt(self) -> None:
        for db in list(self._all):
            db.interrupt()

    def _read(self, work: Work[T]) -> T:
        try:
            db = self._idle.pop()
        except IndexError:
            db = self._open()
        try:
            return _read(db, work)
        finally:
            self._idle.append(db)

    def _open(self) -> sqlite3.Connection:
        if not self._is_open:
            raise StoreFailed(CLOSED)
        try:
            db = self._connect()
        except sqlite3.Error as error:
            raise told(error) from error
        self._all.append(db)
        return db


def _read(db: sqlite3.Connection, work: Work[T]) -> T:
    try:
        db.execute("BEGIN")
        try:
            return work(db)
        finally:
            if db.in_transaction:
                db.execute("COMMIT")
    except sqlite3.Error as error:
        raise told(error) from error
