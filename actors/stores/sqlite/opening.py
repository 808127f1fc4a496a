"""From a path to a writing connection: claimed, made, checked, brought up to date.

Whatever is in the way comes out as `CannotOpen`, one sentence with a remedy.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from greenroom.actors.stores.sqlite import files, maintenance, schema
from greenroom.actors.stores.sqlite.failures import cannot_open
from greenroom.actors.stores.sqlite.schema import MIGRATIONS, Migration


def open_file(
    path: Path,
    *,
    busy: float,
    max_pages: int | None = None,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> sqlite3.Connection:
    """Open a file for writing; its caller holds the claim to it.

    One of an older version is copied beside itself first, and then brought up to date.

    Raises:
        CannotOpen: whatever is in the way.
    """
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


def open_in_memory() -> sqlite3.Connection:
    """Open a new store in memory, with the one connection that it has."""
    db = files.connect_in_memory()
    schema.upgrade(db, 0)
    return db
