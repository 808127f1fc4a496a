"""The tables, and how a file of an older version becomes one of this version.

A version is a number in the file, and a list of statements that lead to it from the one before. Nothing
but these statements ever changes a table, and a version that has been released is never edited: what it
lacks is the next version's. SQL here is plain, but for the words of SQLite on types and keys.
"""

import sqlite3
from collections.abc import Callable, Sequence

from greenroom.actors.stores.store import CannotOpen

APPLICATION = 0x47524E52
"""What tells a file of ours from another program's ("GRNR"), in SQLite's own field for that."""

_FIRST = (
    # One row. The epochs of a new session begin above those of every session that was deleted, so that
    # no owner of an older one of the same name passes for an owner of the new one.
    "CREATE TABLE store (id INTEGER PRIMARY KEY CHECK (id = 1), epoch_floor INTEGER NOT NULL) STRICT",
    "INSERT INTO store (id, epoch_floor) VALUES (1, 0)",
    # `began` is the head at which it was forked, 0 of one that was not; `live` counts the entries that a
    # transcript has, those of the fork included; up to `base` no entry of its own is live. One that
    # `lasts` is deleted so many seconds after `active`.
    """
    CREATE TABLE session (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      agent TEXT NOT NULL,
      key TEXT NOT NULL,
      epoch INTEGER NOT NULL,
      head INTEGER NOT NULL,
      created REAL NOT NULL,
      active REAL NOT NULL,
      reset REAL,
      began INTEGER NOT NULL,
      base INTEGER NOT NULL,
      turns INTEGER NOT NULL,
      live INTEGER NOT NULL,
      size INTEGER NOT NULL,
      fork_source INTEGER,
      fork_seq INTEGER,
      lasts REAL,
      attributes BLOB,
      UNIQUE (agent, key)
    ) STRICT
    """,
    "CREATE INDEX session_by_key ON session (key)",
    "CREATE INDEX session_by_activity ON session (active)",
    "CREATE INDEX session_by_agent ON session (agent, active)",
    "CREATE INDEX session_by_end ON session (active + lasts) WHERE lasts IS NOT NULL",
    "CREATE INDEX session_by_source ON session (fork_source) WHERE fork_source IS NOT NULL",
    # A turn's acceptance and, from `end_seq` on, its end, whose `end_entries` entries are numbered
    # behind that. `added` is NULL once the end's entries begin with the very same; `adds` counts them.
    # `model` is NULL where a turn is not listed among all; `metadata` is a JSON object, or NULL.
    # `request`, as a session's `attributes`, is an API's own, and nothing here reads it. Of an open turn
    # `steps` are the `did` entries that it has made so far.
    """
    CREATE TABLE turn (
      id INTEGER PRIMARY KEY,
      session INTEGER NOT NULL,
      seq INTEGER NOT NULL,
      turn TEXT NOT NULL,
      idempotency TEXT,
      accepted BLOB NOT NULL,
      added BLOB,
      adds INTEGER NOT NULL,
      end_seq INTEGER,
      end_entries INTEGER,
      state TEXT,
      ended REAL,
      ending BLOB,
      replayable INTEGER,
      request BLOB,
      model TEXT,
      metadata TEXT,
      steps BLOB,
      did INTEGER NOT NULL DEFAULT 0
    ) STRICT
    """,
    "CREATE INDEX turn_with_metadata ON turn (id) WHERE metadata IS NOT NULL",
    "CREATE UNIQUE INDEX turn_by_seq ON turn (session, seq)",
    "CREATE UNIQUE INDEX turn_by_name ON turn (turn, session)",
    "CREATE INDEX turn_with_request ON turn (session) WHERE request IS NOT NULL",
    "CREATE INDEX turn_open ON turn (session, seq) WHERE end_seq IS NULL",
    """
    CREATE INDEX turn_by_idempotency ON turn (session, idempotency, seq)
    WHERE idempotency IS NOT NULL
    """,
    # What a turn's client was streamed, as long as it can be told again.
    "CREATE TABLE replay (turn INTEGER PRIMARY KEY, ended REAL NOT NULL, body BLOB NOT NULL) STRICT",
    "CREATE INDEX replay_by_end ON replay (ended)",
    # `upto` is what makes an entry a summary. A session's entries outlive it while a fork has them.
    """
    CREATE TABLE entry (
      id INTEGER PRIMARY KEY,
      session INTEGER NOT NULL,
      seq INTEGER NOT NULL,
      turn TEXT NOT NULL,
      upto INTEGER,
      cut INTEGER,
      body BLOB NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX entry_by_seq ON entry (session, seq)",
    "CREATE INDEX entry_summary ON entry (session, upto, seq) WHERE upto IS NOT NULL",
    # What sessions wait for; `due` is when it is to be run.
    """
    CREATE TABLE errand (
      id TEXT PRIMARY KEY,
      session INTEGER NOT NULL,
      due REAL NOT NULL,
      body BLOB NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX errand_by_session ON errand (session)",
    "CREATE INDEX errand_by_due ON errand (due)",
    # What a fork has of another session: what stood above `lower` and up to `upper` there as it was at
    # the head `at`. A fork cuts what it has borrowed as it cuts its own.
    """
    CREATE TABLE borrowed (
      session INTEGER NOT NULL,
      source INTEGER NOT NULL,
      lower INTEGER NOT NULL,
      upper INTEGER NOT NULL,
      at INTEGER NOT NULL,
      cut INTEGER,
      PRIMARY KEY (session, source, lower)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX borrowed_by_source ON borrowed (source)",
)

Migration = Sequence[str]
MIGRATIONS: tuple[Migration, ...] = (_FIRST,)
"""The statements that lead to version 1 from an empty file, to version 2 from version 1, and so on."""


def version_of(db: sqlite3.Connection, name: str, migrations: Sequence[Migration]) -> int:
    """Return a file's version, 0 of an empty one; `name` is what errors call it.

    Raises:
        CannotOpen: it is another program's, or of a version that this one does not know.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION and (tables or application or version):
        raise CannotOpen(f"{name} is another program's database; name another file for the store")
    if version > len(migrations):
        raise CannotOpen(
            f"{name} was written by a newer Greenroom (schema {version}, this one knows "
            f"{len(migrations)}); run that one, or restore a backup"
        )
    return int(version)


def upgrade(
    db: sqlite3.Connection,
    version: int,
    migrations: Sequence[Migration] = MIGRATIONS,
    before: Callable[[], None] | None = None,
) -> None:
    """Bring a file from `version` to the last one in one transaction, calling `before` before that.

    `before` is not called for an empty file, which has nothing to lose.
    """
    if version == len(migrations):
        return
    if version and before is not None:
        before()
    db.execute("BEGIN IMMEDIATE")
    try:
        for migration in migrations[version:]:
            for statement in migration:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {len(migrations)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
