"""The floor: what this disk can do, with nothing of ours in between.

`file` writes a page and has it on the disk, again and again; `sqlite` commits a row, in the mode in which
the store does, in one thread.
"""

import gc
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bench.store.plan import Figures
from bench.store.timing import Spans, clock

_PAGE = 4096
_PAGES = 1024
"""Of the file, which has its size before it is written to, as a log has that is used again."""
_ROW = bytes(250)


def file(folder: Path, count: int) -> Figures:
    """Write pages, each of them durably."""
    page = os.urandom(_PAGE)
    with closing(_Descriptor(folder / "file")) as opened:
        os.write(opened.number, page * _PAGES)
        os.fsync(opened.number)

        def write(number: int) -> None:
            os.pwrite(opened.number, page, number % _PAGES * _PAGE)
            _flush(opened.number)

        return _timed(write, count)


def sqlite(folder: Path, count: int) -> Figures:
    """Commit rows, one at a time."""
    with closing(sqlite3.connect(folder / "sqlite.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL").fetchone()
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")

        def write(_: int) -> None:
            db.execute("INSERT INTO entry (body) VALUES (?)", (_ROW,))

        return _timed(write, count)


class _Descriptor:
    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        os.close(self.number)


# macOS has no fdatasync.
_flush = getattr(os, "fdatasync", os.fsync)


def _timed(write: Callable[[int], None], count: int) -> Figures:
    for number in range(max(1, count // 10)):
        write(number)
    spans = Spans()
    gc.collect()
    began, began_cpu = clock(), time.process_time()
    for number in range(count):
        with spans.one():
            write(number)
    cpu, wall = time.process_time() - began_cpu, clock() - began
    return {"rate": count / wall, "cpu": cpu / count * 1e6} | spans.figures(1e-6)
