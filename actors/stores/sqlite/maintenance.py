"""What is done to a whole file by its operator: a copy of it, a look at it, a smaller one.

Synchronous, and with a connection of its own: a copy and a look can be had while a gateway runs.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec

from greenroom.actors.stores.sqlite import files, schema
from greenroom.actors.stores.sqlite.failures import cannot_open
from greenroom.actors.stores.sqlite.inspection import problems
from greenroom.actors.stores.store import CannotOpen

_BUSY = 5.0
"""Seconds to wait for a lock of the gateway's."""


class Report(msgspec.Struct, frozen=True):
    """What a look at a file found: sizes in bytes, and what is wrong, one line each."""

    sessions: int
    turns: int
    entries: int
    size: int
    problems: tuple[str, ...]


def check(path: Path, *, most: int = 100) -> Report:
    """Look whether a file is whole, and says what a store's file should; `most` problems are told.

    Raises:
        CannotOpen: it cannot be read at all.
    """
    with _opened(path) as db:
        db.execute("BEGIN")  # so that all of it is of one moment
        found = tuple(problem for problem, _ in zip(problems(db), range(most), strict=False))
        sessions, turns, entries = (
            int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
            for table in ("session", "turn", "entry")
        )
        return Report(sessions, turns, entries, _size(db), found)


def backup(path: Path, target: Path) -> int:
    """Copy a file as it is now to `target`, which must not be there; return its size in bytes.

    Raises:
        CannotOpen: one of them cannot be read or written, or the copy is not whole; `target` is not made.
    """
    with _opened(path) as db:
        if target.exists():
            raise CannotOpen(f"{target} is there already; name another file for the backup")
        copy(db, target)
    return target.stat().st_size


def vacuum(path: Path) -> tuple[int, int]:
    """Write a file anew without its gaps; return its size before and after, in bytes.

    Raises:
        CannotOpen: a gateway uses it, it cannot be written, or the disk has no room for two of it.
    """
    with files.Claim(path), _opened(path) as db:
        before = _size(db)
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return before, _size(db)


def copy(db: sqlite3.Connection, target: Path) -> None:
    """Copy a database to a file, which is whole and on the disk, or not there.

    Raises:
        CannotOpen: it cannot be written, or is not whole.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        files.make(part)
        with closing(files.connect(part, busy=_BUSY)) as other:
            db.backup(other)
            other.execute("PRAGMA journal_mode = DELETE").fetchone()
            ((verdict,), *_) = other.execute("PRAGMA quick_check(1)").fetchall()
        if verdict != "ok":
            raise CannotOpen(f"{target}: the copy is damaged, as is what it is of ({verdict})")
        _flush(part)
        part.rename(target)
        _flush(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise cannot_open(str(target), error) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a store's file of this version, which has to be there."""
    if not path.is_file():
        raise CannotOpen(f"there is no store {path}; name one with --store")
    try:
        with closing(files.connect(path, busy=_BUSY)) as db:
            version = schema.version_of(db, str(path), schema.MIGRATIONS)
            if version == 0:
                raise CannotOpen(f"{path} is empty, and no store yet; start the gateway once")
            if version < len(schema.MIGRATIONS):
                raise CannotOpen(
                    f"{path} was written by an older Greenroom (schema {version}, this one's is "
                    f"{len(schema.MIGRATIONS)}); start the gateway once, which brings it up to date"
                )
            yield db
    except sqlite3.Error as error:
        raise cannot_open(str(path), error) from None


def _size(db: sqlite3.Connection) -> int:
    pages, page = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    return int(pages * page)


def _flush(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
