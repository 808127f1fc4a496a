"""A store's file is made, held and opened, or it is said in one sentence why not."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest
import trio

from greenroom.actors.stores.records import Fence
from greenroom.actors.stores.sqlite import files, opening
from greenroom.actors.stores.sqlite.schema import MIGRATIONS
from greenroom.actors.stores.sqlite.store import Limits, SqliteStore
from greenroom.actors.stores.store import CannotOpen, Store, StoreFailed
from tests.actors.stores.conftest import NAME, OTHER, accepted, talk
from tests.actors.stores.sqlite.conftest import inside


async def refused(path: Path, limits: Limits = Limits()) -> str:  # noqa: B008 - it is frozen
    """Why a file is not opened."""
    with pytest.raises(CannotOpen) as caught:
        async with SqliteStore.open(path, limits):
            pass
    reason = str(caught.value)
    assert "\n" not in reason
    assert "; " in reason, "a remedy is given"
    return reason


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def opens(path: Path) -> None:
    async with SqliteStore.open(path) as store:
        await store.info(NAME)


# What is made


async def test_file_and_folder_are_made_for_this_users_eyes_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "store.db"
    old = os.umask(0)
    try:
        async with SqliteStore.open(path) as store:
            await talk(store)
            assert {mode(file) for file in path.parent.iterdir()} == {0o600}
            assert len(list(path.parent.iterdir())) == 4
    finally:
        os.umask(old)
    assert mode(path.parent) == 0o700


async def test_a_folder_that_is_there_is_left_as_it_is(path: Path) -> None:
    path.parent.chmod(0o755)
    await opens(path)
    assert mode(path.parent) == 0o755


def test_a_commit_reaches_the_disk_and_what_is_deleted_is_overwritten(path: Path) -> None:
    opened = opening.open_file(path, busy=1)
    asked = ("synchronous", "secure_delete", "auto_vacuum", "journal_mode")
    told = [opened.db.execute(f"PRAGMA {name}").fetchone() for name in asked]
    assert told == [(2,), (1,), (2,), ("wal",)]
    opened.db.close()
    opened.claim.release()


async def test_after_the_end_the_file_is_whole_without_its_log(path: Path) -> None:
    async with SqliteStore.open(path) as store:
        await talk(store)
    assert {file.name for file in path.parent.iterdir()} == {"store.db", "store.db.lock"}
    with inside(path) as ask:
        assert ask("SELECT count(*) FROM entry") == [(2,)]


async def test_an_empty_file_is_a_new_store(path: Path) -> None:
    path.touch()
    await opens(path)


# Who holds it


async def test_a_second_store_of_the_same_file_is_refused_and_told_who_has_it(path: Path) -> None:
    async with SqliteStore.open(path) as store:
        await talk(store)
        reason = await refused(path)
        assert f"in use by another Greenroom (process {os.getpid()})" in reason
        assert str(path) in reason
        link = path.with_name("link.db")
        link.symlink_to(path)
        assert str(path) in await refused(link)
        assert await store.load(NAME) is not None
    await opens(path)


async def test_another_process_is_told_who_has_the_file(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; "
        "from greenroom.actors.stores.sqlite import opening\n"
        "try: opening.open_file(Path(sys.argv[1]), busy=1)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    async with SqliteStore.open(path):
        done = await trio.to_thread.run_sync(
            lambda: subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-c", program, str(path)],
                capture_output=True,
                text=True,
                check=True,
            )
        )
    assert done.stdout.startswith("InUse ")
    assert f"(process {os.getpid()})" in done.stdout


async def test_a_start_that_fails_lets_the_file_go(path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    await refused(path)
    path.unlink()
    await opens(path)


async def test_a_file_that_another_program_has_locked_is_refused_after_a_while(
    path: Path,
) -> None:
    await opens(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        reason = await refused(path, Limits(busy=0.01))
    assert "another program has it locked; stop that program" in reason


async def test_a_lock_of_another_program_fails_appends_until_it_is_gone(path: Path) -> None:
    async with SqliteStore.open(path, Limits(busy=0.01)) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreFailed, match="another program has it locked"):
                await store.accept(NAME, Fence(), accepted())
            assert await store.load(NAME) is None
            db.execute("ROLLBACK")
        await store.accept(NAME, Fence(), accepted())


# What is no store


@pytest.mark.parametrize(
    "content", [b"x", b"no database" * 1000, b"SQLite format 3\0" + b"\7" * 5000]
)
async def test_what_is_no_database_is_refused_and_left_alone(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    reason = await refused(path)
    assert "name another file for the store" in reason
    assert path.read_bytes() == content


async def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE session (id)")
        db.commit()
    content = path.read_bytes()
    assert "is another program's database" in await refused(path)
    assert path.read_bytes() == content


async def test_a_newer_store_is_refused_and_left_alone(path: Path) -> None:
    async with SqliteStore.open(path) as store:
        await talk(store)
    with inside(path) as ask:
        ask(f"PRAGMA user_version = {len(MIGRATIONS) + 6}")
    reason = await refused(path)
    assert f"written by a newer Greenroom (schema 7, this one knows {len(MIGRATIONS)})" in reason
    with inside(path) as ask:
        assert ask("SELECT count(*) FROM turn") == [(1,)]


async def test_a_damaged_store_is_refused(path: Path) -> None:
    async with SqliteStore.open(path) as store:
        await talk(store)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3996)
    assert "damaged" in await refused(path)


async def test_where_a_store_is_damaged_it_fails_and_elsewhere_it_does_not(path: Path) -> None:
    async with SqliteStore.open(path) as store:
        await talk(store)
    with inside(path) as ask:
        ((page,),) = ask("SELECT rootpage FROM sqlite_schema WHERE name = 'turn'")
    assert isinstance(page, int)
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)
    async with SqliteStore.open(path) as store:
        with pytest.raises(StoreFailed, match="damaged; 'greenroom store check'"):
            await store.turn(NAME, "t1")
        with pytest.raises(StoreFailed, match="damaged"):
            await store.accept(OTHER, Fence(), accepted())
        assert await store.load(OTHER) is None
        assert len(await store.transcript(NAME)) == 2


@pytest.mark.parametrize("kind", ["folder", "below a file", "no name", "loop"])
async def test_what_cannot_be_a_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    if kind == "folder":
        path.mkdir()
    elif kind == "below a file":
        path.touch()
        path = path / "store.db"
    elif kind == "no name":
        path = path / ("x" * 300)
    else:
        path.symlink_to(path)
    assert str(path.parent if kind == "below a file" else path) in await refused(path)


@contextmanager
def as_anybody() -> Generator[None]:
    """Do without the rights of root, if they are there."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_what_may_not_be_used_is_refused() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "store.db"
        await opens(path)
        path.chmod(0)
        folder.chmod(0o777)
        path.with_name("store.db.lock").unlink()
        with as_anybody():
            assert "permissions" in await refused(path)
        folder.chmod(0o500 if os.geteuid() else 0o700)
        with as_anybody():
            assert "permission denied" in await refused(folder / "other" / "store.db")
        folder.chmod(0o700)


async def test_an_old_library_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "NEWEST_NEEDED", (99, 0, 0))
    assert "needs" in await refused(path)


# What goes wrong later


async def test_a_full_store_refuses_what_does_not_fit_and_takes_what_does(path: Path) -> None:
    async with SqliteStore.open(path, Limits(pages=60)) as store:
        fence, _ = await talk(store)
        with pytest.raises(StoreFailed, match="full"):
            await store.accept(NAME, fence, accepted("t2", "x" * 400_000))
        state = await store.load(NAME)
        assert state is not None
        assert state.open_turns == ()
        await store.accept(NAME, fence, accepted("t2"))
        for n in count():
            state = await store.load(NAME)
            assert state is not None
            try:
                await store.accept(NAME, state.fence, accepted(f"f{n}", "x" * 3000))
            except StoreFailed:
                assert n > 5
                break
        assert await store.delete(NAME)
        await talk(store, turns=3)


async def test_a_disk_that_is_full_fails_appends_until_there_is_room(path: Path) -> None:
    program = """
import resource, signal, sys, trio
from pathlib import Path
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.records import AcceptedTurn, Fence, SessionName
from greenroom.actors.stores.store import StoreFailed
from greenroom.actors.entries import UserEntry

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def turn(n, text):
    return AcceptedTurn(f"t{n}", 1.0, b"", None, "m", 1, True, None, (UserEntry(text),))

async def main():
    async with SqliteStore.open(Path(sys.argv[1])) as store:
        name, fence = SessionName("main", "it"), Fence()
        fence = await store.accept(name, fence, turn(0, "Hi"))
        # A write that goes beyond this is refused by the system, in the middle of a commit.
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        for n in range(1, 5):
            try:
                await store.accept(name, fence, turn(n, "x" * 400_000))
            except StoreFailed as error:
                print("failed:", error)
            assert (await store.load(name)).fence.head == 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        fence = await store.accept(name, fence, turn(9, "x" * 400_000))
        print("then:", fence.head)

trio.run(main)
"""
    done = await trio.to_thread.run_sync(
        lambda: subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
        )
    )
    assert done.returncode == 0, done.stderr
    *failures, last = done.stdout.splitlines()
    assert len(failures) == 4
    assert all("disk" in line for line in failures)
    assert last == "then: 2"


async def test_a_closed_store_refuses_everything(path: Path) -> None:
    async with SqliteStore.open(path) as store:
        await talk(store)
    with pytest.raises(StoreFailed, match="closed"):
        await store.load(NAME)
    with pytest.raises(StoreFailed, match="closed"):
        await store.accept(NAME, Fence(), accepted("t9"))


async def _is_a_store(store: Store) -> Store:
    return store


async def test_it_is_a_store() -> None:
    async with SqliteStore.in_memory() as store:
        await _is_a_store(store)
