"""From a path to a writing connection: claimed, made, checked, brought up to date.

Whatever is in the way comes out as `CannotOpen`, one sentence with a remedy.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from greenroom.actors.stores.sqlite import files, maintenance, schema
from greenroom.actors.stores.sqlite.failures import cannot_open
from greenroom.actors.stores.sqlite.schema import MIGRATIONS, Migration
from greenroom.actors.stores.store import CannotOpen


class Opened(NamedTuple):
    """A file that is open for writing, and the claim to it."""

    path: Path
    claim: files.Claim
    db: sqlite3.Connection


def open_file(
    path: Path,
    *,
    busy: float,
    max_pages: int | None = None,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> Opened:
    """Claim a file, and open it for writing.

    One of an older version is copied beside itself first, and then brought up to date.

    Raises:
        CannotOpen: whatever is in the way.
    """
    try:
        path = path.resolve()
    except (OSError, RuntimeError):
        raise CannotOpen(f"{path} leads nowhere; name another file for the store") from None
    claim = files.Claim(path)
    claim.take()
    try:
        return Opened(path, claim, _connected(path, busy, max_pages, migrations))
    except BaseException:
        claim.release()
        raise


def open_in_memory() -> sqlite3.Connection:
    """Open a new store in memory, with the one connection that it has."""
    db = files.connect_in_memory()
    schema.upgrade(db, 0)
    return db


def _connected(
    path: Path, busy: float, max_pages: int | None, migrations: Sequence[Migration]
) -> sqlite3.Connection:
    files.make(path)
    try:
        db = files.connect(path, busy=busy)
        try:
            version = schema.version_of(db, str(path), migrations)
            files.set_up(db, max_pages)

            def keep_a_copy() -> None:
                maintenance.copy(db, path.with_name(f"{path.name}.schema-{version}"))

            schema.upgrade(db, version, migrations, keep_a_copy)
        except BaseException:
            db.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise cannot_open(str(path), error) from None
    return db
