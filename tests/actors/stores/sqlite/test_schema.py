"""A file of an older version is brought up to date, in one step, with a copy of it beside."""

import sqlite3
import stat
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from greenroom.actors.stores.sqlite import files, maintenance, opening, schema
from greenroom.actors.stores.sqlite.schema import MIGRATIONS, Migration
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.store import CannotOpen
from tests.actors.stores.conftest import NAME, talk
from tests.actors.stores.sqlite.conftest import inside

NEXT: Migration = (
    "ALTER TABLE session ADD COLUMN mood TEXT NOT NULL DEFAULT 'fine'",
    "CREATE INDEX session_by_mood ON session (mood)",
)
BROKEN: Migration = ("CREATE TABLE half (id INTEGER) STRICT", "CREATE TABLE session (id INTEGER)")


def opened(path: Path, migrations: Sequence[Migration]) -> None:
    """Open a file as a program would that knows these migrations, and close it."""
    opened = opening.open_file(path, busy=1, migrations=migrations)
    opened.db.close()
    opened.claim.release()


@pytest.fixture
async def old(path: Path) -> Path:
    """A store of this version with something in it, for a program that knows more."""
    async with SqliteStore.open(path) as store:
        await talk(store)
    return path


async def test_an_older_file_is_brought_up_to_date_and_loses_nothing(old: Path) -> None:
    opened(old, (*MIGRATIONS, NEXT))
    with inside(old) as ask:
        assert ask("PRAGMA user_version") == [(len(MIGRATIONS) + 1,)]
        assert ask("SELECT key, mood FROM session") == [(NAME.key, "fine")]
        assert ask("SELECT count(*) FROM entry") == [(2,)]


async def test_before_that_it_is_copied_beside_itself(old: Path) -> None:
    before = dump(old)
    opened(old, (*MIGRATIONS, NEXT))
    copy = old.with_name(f"{old.name}.schema-{len(MIGRATIONS)}")
    assert dump(copy) == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert maintenance.check(copy).problems == ()
    async with SqliteStore.open(copy) as store:
        assert await store.load(NAME) is not None


async def test_a_migration_that_fails_changes_nothing(old: Path) -> None:
    before = dump(old)
    for _ in range(2):
        with pytest.raises(CannotOpen, match="session already exists"):
            opened(old, (*MIGRATIONS, BROKEN))
    assert dump(old) == before
    with inside(old) as ask:
        assert ask("PRAGMA user_version") == [(len(MIGRATIONS),)]
    async with SqliteStore.open(old) as store:
        assert await store.load(NAME) is not None


async def test_without_a_copy_there_is_no_migration(old: Path) -> None:
    old.with_name(f"{old.name}.schema-{len(MIGRATIONS)}").mkdir()
    before = dump(old)
    with pytest.raises(CannotOpen, match="schema-1"):
        opened(old, (*MIGRATIONS, NEXT))
    assert dump(old) == before


async def test_a_file_of_this_version_and_a_new_one_are_not_copied(path: Path) -> None:
    for _ in range(2):
        async with SqliteStore.open(path):
            pass
    assert {file.name for file in path.parent.iterdir()} == {"store.db", "store.db.lock"}


async def test_several_versions_are_taken_in_one_step(old: Path) -> None:
    third: Migration = ("UPDATE session SET mood = 'better'",)
    opened(old, (*MIGRATIONS, NEXT, third))
    with inside(old) as ask:
        assert ask("SELECT mood FROM session") == [("better",)]
        assert ask("PRAGMA user_version") == [(len(MIGRATIONS) + 2,)]
    assert len(list(old.parent.glob("*.schema-*"))) == 1


def test_a_released_version_is_never_edited() -> None:
    """The first version as it was released; a change of it is a migration."""
    with closing(files.connect_in_memory()) as db:
        schema.upgrade(db, 0, MIGRATIONS[:1])
        columns = {
            table: [column[1] for column in db.execute(f"PRAGMA table_info({table})")]
            for (table,) in db.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
        }
    assert columns == {
        "store": ["id", "epoch_floor"],
        "session": [
            "id", "agent", "key", "epoch", "head", "created", "active", "reset", "began", "base",
            "turns", "live", "size", "fork_source", "fork_seq", "lasts", "attributes",
        ],
        "turn": [
            "id", "session", "seq", "turn", "idempotency", "accepted", "added", "adds", "end_seq",
            "end_entries", "state", "ended", "ending", "replayable", "request", "model", "metadata",
            "steps", "did",
        ],
        "replay": ["turn", "ended", "body"],
        "entry": ["id", "session", "seq", "turn", "upto", "cut", "body"],
        "errand": ["id", "session", "due", "body"],
        "borrowed": ["session", "source", "lower", "upper", "at", "cut"],
    }  # fmt: skip


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())
