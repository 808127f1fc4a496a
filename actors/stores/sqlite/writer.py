"""Who writes: one thread that takes all that waits and commits it together, or the caller itself.

Tasks hand their operations over and wait. The thread does what has gathered while it was busy in one
transaction, so an fsync is shared by all who waited for it, and wakes them with one hop into trio. Who
is cancelled leaves at once: an operation that has not begun is then not done; what has begun is finished,
and what came of it dropped.
"""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

import trio

from greenroom.actors.stores.sqlite.failures import CLOSED
from greenroom.actors.stores.sqlite.transactions import Operation, Point, Transactions, Work
from greenroom.actors.stores.store import StoreFailed

T = TypeVar("T")

CHECKPOINT_AFTER = 200
"""Operations after which what was committed is moved from the log into the file. That takes milliseconds,
so it comes after those who waited have been told."""

_PAUSE = 0.02
"""Seconds between two interrupts."""
_AGAIN = 0.2
"""Seconds after which the log is emptied that could not be, because somebody read."""


class Writer(Protocol):
    """How operations are done: each in a transaction, alone or with others."""

    async def run(self, work: Work[T], *, erases: Callable[[T], bool] | None = None) -> T:
        """Do `work` durably and return what it does; raises `StoreFailed`, and what `work` raises.

        `erases` says of that whether something was deleted, which is soon in no file of the store then.
        """
        ...


async def insist(interrupt: Callable[[], None]) -> None:
    """Interrupt a connection again and again: between two statements it is deaf."""
    while True:
        # A connection that has been closed since is what was wanted.
        with suppress(sqlite3.ProgrammingError):
            interrupt()
        await trio.sleep(_PAUSE)


class HereWriter:
    """Writes in the task that asks, for a database in memory: nothing there waits for a disk."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def run(self, work: Work[T], *, erases: Callable[[T], bool] | None = None) -> T:
        del erases  # there is no log
        await trio.lowlevel.checkpoint()
        operation = Operation(work)
        self._transactions.run((operation,))
        self._transactions.at(Point.BEFORE_WAKE)
        return operation.result()


class _Handed(Operation[T]):
    """An operation on its way; `task` is who waits for it, None once nobody does."""

    __slots__ = ("_erases", "task")

    def __init__(
        self, work: Work[T], erases: Callable[[T], bool] | None, task: trio.lowlevel.Task
    ) -> None:
        super().__init__(work)
        self._erases = erases
        self.task: trio.lowlevel.Task | None = task

    @property
    def has_erased(self) -> bool:
        """Whether it was done, and something was deleted by it."""
        return self._erases is not None and self.is_done and self._erases(self.result())


class ThreadWriter:
    """Writes in a thread of its own; `room` is how many operations may be on their way."""

    def __init__(self, transactions: Transactions, *, batch: int, room: int) -> None:
        self._transactions = transactions
        self._batch = batch
        self._room = trio.Semaphore(room)
        self._inbox: SimpleQueue[_Handed[Any] | None] = SimpleQueue()
        self._trio = trio.lowlevel.current_trio_token()
        self._is_open = True
        self._is_late = False
        self._ended = trio.Event()
        self._thread = threading.Thread(target=self._work, name="greenroom-store", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def run(self, work: Work[T], *, erases: Callable[[T], bool] | None = None) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            self._room.acquire_nowait()
        except trio.WouldBlock:
            await self._room.acquire()
        if not self._is_open:
            self._room.release()
            raise StoreFailed(CLOSED)
        handed = _Handed(work, erases, trio.lowlevel.current_task())

        def leave(_: object) -> trio.lowlevel.Abort:
            handed.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        self._inbox.put(handed)
        await trio.lowlevel.wait_task_rescheduled(leave)
        return handed.result()

    async def close(self, seconds: float, interrupt: Callable[[], None]) -> None:
        """Do what was handed over, and end the thread, with which the connection is closed.

        After `seconds` what has not begun fails, and `interrupt` is called to cut short what has; the
        wait for that is the caller's to bound.
        """
        self._is_open = False
        self._inbox.put(None)
        with trio.move_on_after(seconds):
            await self._ended.wait()
        if not self._ended.is_set():
            self._is_late = True
            async with trio.open_nursery() as nursery:
                nursery.start_soon(insist, interrupt)
                await self._ended.wait()
                nursery.cancel_scope.cancel()
        self._thread.join()

    # In the thread

    def _work(self) -> None:
        try:
            self._serve()
        finally:
            self._transactions.close()
            self._in_trio(self._ended.set)

    def _serve(self) -> None:
        since_checkpoint, erased, more = 0, False, True
        while more:
            batch, more = self._take(_AGAIN if erased else None)
            if batch:
                self._do([handed for handed in batch if handed.task is not None])
                self._in_trio(partial(self._wake, batch))
            since_checkpoint += len(batch)
            erased = erased or any(handed.has_erased for handed in batch)
            if erased:
                erased = not self._transactions.checkpoint(truncate=True)
                since_checkpoint = 0
            elif since_checkpoint >= CHECKPOINT_AFTER:
                self._transactions.checkpoint()
                since_checkpoint = 0

    def _take(self, seconds: float | None) -> tuple[list[_Handed[Any]], bool]:
        """Wait for operations, for some `seconds` at most, and take all there are.

        With False once no more will come.
        """
        batch: list[_Handed[Any]] = []
        try:
            handed = self._inbox.get(timeout=seconds)
            while handed is not None:
                batch.append(handed)
                if len(batch) == self._batch:
                    return batch, True
                handed = self._inbox.get_nowait()
        except Empty:
            return batch, True
        return batch, False

    def _do(self, batch: list[_Handed[Any]]) -> None:
        if self._is_late:
            for handed in batch:
                handed.fail(StoreFailed(CLOSED))
            return
        try:
            if batch:
                self._transactions.run(batch)
                self._transactions.at(Point.BEFORE_WAKE)
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            for handed in batch:
                handed.fail(StoreFailed(f"the store's writer has failed: {error!r}"))

    def _in_trio(self, call: Callable[[], None]) -> None:
        try:
            self._trio.run_sync_soon(call)
        except trio.RunFinishedError:
            # Nobody is left to be told.
            return

    # In trio

    def _wake(self, batch: list[_Handed[Any]]) -> None:
        for handed in batch:
            self._room.release()
            if handed.task is not None:
                trio.lowlevel.reschedule(handed.task)
