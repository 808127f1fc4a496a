"""The store's file: making it, holding it against other processes, opening connections to it.

It knows paths, modes and pragmas, and turns what the system says about them into one sentence. Nobody but
SQLite opens the file itself: closing any other handle of it would drop this process's locks.
"""

import fcntl
import os
import sqlite3
from pathlib import Path
from types import TracebackType

from greenroom.actors.stores.sqlite.failures import cannot_open
from greenroom.actors.stores.store import CannotOpen, InUse

NEWEST_NEEDED = (3, 37, 0)
"""The library's version from which on its tables hold types."""

LOG_LIMIT = 64 * 1024 * 1024
"""Bytes that the log may keep on the disk once it is empty."""
_CHECKPOINT_PAGES = 8_000
"""Pages in the log after which a commit itself empties it; the writer does so earlier, unless what it
writes is very large."""
_LEAST = 512
"""Bytes of the smallest database. SQLite takes what is smaller for empty, and writes over it."""
_STATEMENTS = 128
"""Prepared statements that a connection keeps, which is all that there are."""
_CACHE_KIB = 4 * 1024
"""What a connection may keep of the file in memory; the system keeps the rest. With 16 MB for the writer
each session took 2 KB until they were full, and a turn in one of 40,000 sessions the same CPU time."""


class Claim:
    """Holds a store's file for this process, by a lock beside it that ends with the process."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._name = str(path)
        self._file: int | None = None

    def __enter__(self) -> "Claim":
        self.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def take(self) -> None:
        """Take the lock; raises CannotOpen, naming who has it."""
        make_folder(self._path)
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise cannot_open(str(self._path), error) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            holder = os.pread(file, 32, 0).decode(errors="replace").strip()
            os.close(file)
            if isinstance(error, BlockingIOError):
                raise InUse(
                    f"{self._name} is in use by another Greenroom (process {holder or 'unknown'}); "
                    "stop it, or name another file for the store"
                ) from None
            raise cannot_open(str(self._path), error) from None
        self._file = file

    def release(self) -> None:
        """Give the lock up; the file that it is on stays, so that nobody locks one that is gone."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def make_folder(path: Path) -> None:
    """Make the folder of a file if it is not there, for this user's eyes only; raises CannotOpen."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_open(str(path.parent), error) from None


def make(path: Path) -> None:
    """Make a file if it is not there, for this user's eyes only; raises CannotOpen."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not path.is_file():
            raise CannotOpen(f"{path} is not a file; name another file for the store") from None
        if 0 < path.stat().st_size < _LEAST:
            raise CannotOpen(f"{path} is not a database; name another file for the store") from None
    except OSError as error:
        raise cannot_open(str(path), error) from None


def connect(path: Path, *, busy: float) -> sqlite3.Connection:
    """Open a connection to a file that is there, for whichever thread; raises sqlite3.Error.

    `busy` is how many seconds it waits for another process's lock.
    """
    if sqlite3.sqlite_version_info < NEWEST_NEEDED:
        raise CannotOpen(
            f"Python's SQLite is version {sqlite3.sqlite_version}, and the store needs 3.37 or newer; "
            "use a newer Python"
        )
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )
    try:
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        db.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        db.close()
        raise
    return db


def connect_in_memory() -> sqlite3.Connection:
    """Open a database in memory, with this one connection to it."""
    db = sqlite3.connect(
        ":memory:", isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
    )
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    return db


def set_up(db: sqlite3.Connection, max_pages: int | None) -> None:
    """Make a connection the writing one; raises sqlite3.Error.

    A commit has reached the disk when it returns, and what is deleted is overwritten.
    """
    # This counts for a file that is empty still; any other has what it was made with.
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise CannotOpen(
            "the store's disk cannot share memory, as a network's; name a file elsewhere"
        )
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    db.execute("PRAGMA secure_delete = ON").fetchone()
    db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}").fetchone()
    db.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT}").fetchone()
    if max_pages is not None:
        db.execute(f"PRAGMA max_page_count = {max_pages}").fetchone()
