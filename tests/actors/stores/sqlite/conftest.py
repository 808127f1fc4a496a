"""What tests of the SQLite engine share: a watch on the writer, and a look into the file."""

import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import trio

from greenroom.actors.stores.sqlite.transactions import Point


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store's file is to be."""
    return tmp_path / "store.db"


class Counting:
    """Counts the points that the writer passes."""

    def __init__(self) -> None:
        self.seen: list[Point] = []

    def __call__(self, point: Point) -> None:
        self.seen.append(point)

    @property
    def commits(self) -> int:
        return self.seen.count(Point.AFTER_COMMIT)


class Gate:
    """Holds the writer at a point until it is opened; whoever waits for it to be there is told."""

    def __init__(self, point: Point = Point.BEFORE_BEGIN) -> None:
        self._point = point
        self._is_shut = False
        self._opened = threading.Event()
        self._reached = threading.Event()

    def __call__(self, point: Point) -> None:
        if self._is_shut and point is self._point:
            self._reached.set()
            assert self._opened.wait(60)

    def shut(self) -> None:
        """Hold the writer at its next such point."""
        self._is_shut = True
        self._opened.clear()
        self._reached.clear()

    def open(self) -> None:
        """Let it go on."""
        self._is_shut = False
        self._opened.set()

    async def reached(self) -> None:
        """Wait until the writer is held."""
        assert await trio.to_thread.run_sync(self._reached.wait, 60)


class Failing:
    """Raises as SQLite does, at a point, as long as it has errors left."""

    def __init__(self) -> None:
        self.point = Point.BEFORE_COMMIT
        self.errors: list[Exception] = []

    def __call__(self, point: Point) -> None:
        if self.errors and point is self.point:
            raise self.errors.pop(0)


def sqlite_error(name: str) -> sqlite3.OperationalError:
    """An error with a code, as the library raises it."""
    error = sqlite3.OperationalError(f"told as {name}")
    error.sqlite_errorname = name
    error.sqlite_errorcode = 1
    return error


@contextmanager
def inside(path: Path) -> Generator[Callable[..., list[tuple[object, ...]]]]:
    """Ask the file itself."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:

        def ask(query: str, *values: object) -> list[tuple[object, ...]]:
            return db.execute(query, values).fetchall()

        yield ask
