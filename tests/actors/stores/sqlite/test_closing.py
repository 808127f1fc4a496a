"""However a store ends, its thread does, and what was acknowledged is in its file."""

import sqlite3
import threading
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.stores.records import Fence, SessionName
from greenroom.actors.stores.sqlite import appends, files, opening
from greenroom.actors.stores.sqlite.readers import ThreadReaders
from greenroom.actors.stores.sqlite.store import Limits, SqliteStore
from greenroom.actors.stores.sqlite.transactions import Point, Transactions
from greenroom.actors.stores.sqlite.writer import ThreadWriter
from greenroom.actors.stores.store import Store, StoreFailed
from tests.actors.stores.conftest import NAME, OTHER, accepted, talk
from tests.actors.stores.sqlite.conftest import Gate, inside


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "greenroom-store"]


async def test_the_thread_ends_with_the_store(path: Path) -> None:
    async with SqliteStore.open(path) as store:
        await talk(store)
        assert len(writers()) == 1
    assert writers() == []


async def test_it_ends_when_its_user_crashes_or_is_cancelled(path: Path) -> None:
    async def crash() -> None:
        async with SqliteStore.open(path) as store:
            await talk(store)
            raise KeyError

    with pytest.raises(KeyError):
        await crash()
    assert writers() == []
    with trio.CancelScope() as scope:
        async with SqliteStore.open(path) as store:
            scope.cancel()
            await store.accept(OTHER, Fence(), accepted())
    assert scope.cancelled_caught
    assert writers() == []
    with inside(path) as ask:
        assert ask("SELECT count(*) FROM entry") == [(2,)]


async def test_what_was_handed_over_is_done_before_the_end(path: Path) -> None:
    gate, done = Gate(), list[int]()

    async with trio.open_nursery() as nursery:

        async def accept(store: Store, n: int) -> None:
            await store.accept(SessionName("main", str(n)), Fence(), accepted())
            done.append(n)

        async with SqliteStore.open(path, watch=gate) as store:
            gate.shut()
            for n in range(50):
                nursery.start_soon(accept, store, n)
            await gate.reached()
            await wait_all_tasks_blocked()
            gate.open()
    assert sorted(done) == list(range(50))
    with inside(path) as ask:
        assert ask("SELECT count(*) FROM session") == [(50,)]


async def test_past_its_deadline_what_has_begun_is_cut_short_and_the_rest_fails(
    path: Path,
) -> None:
    opened = opening.open_file(path, busy=1)
    gate, failed = Gate(), list[str]()
    writer = ThreadWriter(Transactions(opened.db, gate), batch=1, room=100)
    writer.start()

    async def accept(n: int) -> None:
        name = SessionName("main", str(n))
        try:
            await writer.run(lambda db: appends.accept(db, name, Fence(), accepted()))
        except StoreFailed as error:
            failed.append(str(error))

    async with trio.open_nursery() as nursery:
        gate.shut()
        for n in range(10):
            nursery.start_soon(accept, n)
            await wait_all_tasks_blocked()
        await gate.reached()
        # What interrupts the connection opens the gate.
        await writer.close(0.01, gate.open)
    assert failed == ["the store is closed"] * 9
    assert writers() == []
    opened.claim.release()
    with inside(path) as ask:
        assert ask("SELECT key FROM session") == [("0",)]


async def test_a_disk_that_does_not_answer_does_not_hold_the_process(path: Path) -> None:
    gate = Gate(Point.BEFORE_COMMIT)

    async def leave_a_commit_under_way(nursery: trio.Nursery) -> None:
        async with SqliteStore.open(path, Limits(closing=0.02), watch=gate) as store:
            gate.shut()
            nursery.start_soon(store.accept, NAME, Fence(), accepted())
            await gate.reached()

    async with trio.open_nursery() as nursery:
        with pytest.raises(StoreFailed, match="the disk does not answer"):
            await leave_a_commit_under_way(nursery)
        nursery.cancel_scope.cancel()
    (thread,) = writers()
    assert thread.daemon
    # The file stays claimed, for it may still be written.
    with pytest.raises(StoreFailed, match="in use"):
        await leave_a_commit_under_way(nursery)
    gate.open()
    await trio.to_thread.run_sync(thread.join)


async def test_reads_that_are_under_way_are_cut_short(path: Path) -> None:
    async with SqliteStore.open(path):
        pass
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    readers = ThreadReaders(lambda: files.connect(path, busy=1), 3)
    failed: list[str] = []
    begun = threading.Semaphore(0)

    def work(db: sqlite3.Connection) -> None:
        begun.release()
        db.execute(endless)

    async def read() -> None:
        try:
            await readers.run(work)
        except StoreFailed as error:
            failed.append(str(error))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(read)
            assert await trio.to_thread.run_sync(begun.acquire, True, 60)
        await readers.close()
    assert failed == ["the store failed: it is closing"] * 3


async def test_a_read_whose_caller_left_gives_its_connection_back(path: Path) -> None:
    async with SqliteStore.open(path, Limits(readers=1)) as store:
        await talk(store)
        for _ in range(20):
            with trio.CancelScope() as scope:
                scope.cancel()
                await store.load(NAME)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.load, NAME)
                await wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
        assert await store.load(NAME) is not None


async def test_in_memory_there_is_no_thread_and_no_time_passes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with SqliteStore.in_memory() as store:
        await talk(store, turns=5)
        assert await store.load(NAME) is not None
        assert writers() == []
    assert trio.current_time() == 0.0
