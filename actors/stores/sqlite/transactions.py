"""One batch of operations in one transaction: synchronous, and the same whoever runs it.

Operations are independent: one that fails alone changes nothing and fails no other, and if one has to be
undone, the others are done again without it. When the database itself fails, nothing of the batch is
done, and every operation of it says why.
"""

import sqlite3
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Generic, TypeVar

from greenroom.actors.stores.sqlite.failures import may_be_ones_own, told

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""What an operation does with the connection that it is given; it may be done more than once."""


class Point(StrEnum):
    """Where a test may look in on a batch, or end the process."""

    BEFORE_BEGIN = "before-begin"
    AFTER_OPERATION = "after-operation"
    BEFORE_COMMIT = "before-commit"
    AFTER_COMMIT = "after-commit"
    BEFORE_WAKE = "before-wake"
    AFTER_CHECKPOINT = "after-checkpoint"


Watch = Callable[[Point], None]
"""What is called at every point, by whoever writes. Up to the commit, what it raises fails the batch as
if it came from SQLite. A program has none, and pays nothing."""


class Operation(Generic[T]):
    """Something to be done, and then what came of it."""

    __slots__ = ("_error", "_value", "work")

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self._value: T | None = None
        self._error: Exception | None = None

    def succeed(self, value: T) -> None:
        """Keep what came of it."""
        self._value, self._error = value, None

    def fail(self, error: Exception) -> None:
        """Keep why nothing came of it."""
        self._value, self._error = None, error

    @property
    def is_done(self) -> bool:
        """Whether it was done, and did not fail."""
        return self._value is not None and self._error is None

    def result(self) -> T:
        """Return or raise what came of it."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value] # None only where T is


class Transactions:
    """The writing connection, and how batches go through it."""

    def __init__(self, db: sqlite3.Connection, watch: Watch | None = None) -> None:
        self._db = db
        self._watch = watch

    def run(self, batch: Sequence[Operation[Any]]) -> None:
        """Do a batch, durably; afterwards each of its operations has its result."""
        try:
            self._attempt(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, every operation gets its answer
            if self._undo() and len(batch) > 1 and may_be_ones_own(error):
                for operation in batch:
                    self.run((operation,))
                return
            for operation in batch:
                operation.fail(told(error))
        except BaseException:
            self._undo()
            raise
        else:
            self.at(Point.AFTER_COMMIT)

    def at(self, point: Point) -> None:
        """Tell the watch, if there is one."""
        if self._watch is not None:
            self._watch(point)

    def checkpoint(self, *, truncate: bool = False) -> bool:
        """Move what was committed into the file itself; return whether all of it was.

        With `truncate`, the log is emptied, so that nothing that was deleted is left in it. Nobody is
        waited for: whoever reads at this moment keeps his part of the log until the next checkpoint.
        """
        mode = "TRUNCATE" if truncate else "PASSIVE"
        ((patience,),) = self._db.execute("PRAGMA busy_timeout").fetchall()
        self._db.execute("PRAGMA busy_timeout = 0").fetchall()
        try:
            ((busy, _, _),) = self._db.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        except sqlite3.Error:
            # What is committed is safe in the log, and the next checkpoint tries again.
            busy = True
        finally:
            self._db.execute(f"PRAGMA busy_timeout = {patience}").fetchall()
        self.at(Point.AFTER_CHECKPOINT)
        return not busy

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def _attempt(self, batch: Sequence[Operation[Any]]) -> None:
        self.at(Point.BEFORE_BEGIN)
        self._db.execute("BEGIN IMMEDIATE")
        for operation in batch:
            self._do(operation)
            self.at(Point.AFTER_OPERATION)
        self.at(Point.BEFORE_COMMIT)
        self._db.execute("COMMIT")

    def _do(self, operation: Operation[Any]) -> None:
        changes = self._db.total_changes
        try:
            operation.succeed(operation.work(self._db))
        except Exception as error:
            if isinstance(error, sqlite3.Error) or self._db.total_changes != changes:
                raise
            operation.fail(told(error))

    def _undo(self) -> bool:
        """Undo what was begun; return False if even that fails, and the connection is of no use."""
        try:
            # Some errors have SQLite undo it by itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        return True
