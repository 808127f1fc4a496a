"""What is deleted is deleted: no file of the store has it any more."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import trio

from greenroom.actors.entries import UserEntry
from greenroom.actors.stores.records import (
    Fence,
    Fork,
    Retention,
    SessionName,
)
from greenroom.actors.stores.sqlite.store import Limits, SqliteStore
from greenroom.actors.stores.sqlite.transactions import Point
from tests.actors.stores.conftest import NAME, OTHER, accepted, finished, say, talk, words
from tests.actors.stores.sqlite.conftest import inside

SECRET = "the very secret " * 3


class Checkpoints:
    """Tells when the log has been emptied, or was tried to be."""

    def __init__(self) -> None:
        self._seen = threading.Semaphore(0)

    def __call__(self, point: Point) -> None:
        if point is Point.AFTER_CHECKPOINT:
            self._seen.release()

    async def next(self) -> None:
        """Wait until there has been one more."""
        assert await trio.to_thread.run_sync(self._seen.acquire, True, 60)


async def test_a_deleted_session_is_in_no_file_while_the_store_runs(path: Path) -> None:
    log = Checkpoints()
    async with SqliteStore.open(path, watch=log) as store:
        await say(store, NAME, Fence(), "t1", said=SECRET, deltas=words(*SECRET.split()))
        await talk(store, OTHER)
        assert has(path, SECRET)
        await store.delete(NAME)
        await log.next()
        assert not has(path, SECRET)
    assert not has(path, SECRET)


async def test_what_somebody_reads_meanwhile_is_erased_when_he_is_done(path: Path) -> None:
    log = Checkpoints()
    async with SqliteStore.open(path, watch=log) as store:
        await say(store, NAME, Fence(), "t1", said=SECRET)
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM session").fetchall()
            await store.delete(NAME)
            await log.next()
            assert has(path, SECRET)
            reader.execute("COMMIT")
        while has(path, SECRET):
            await log.next()


async def test_what_was_forgotten_is_in_no_file(path: Path) -> None:
    log = Checkpoints()
    async with SqliteStore.open(path, watch=log) as store:
        fence = await store.accept(NAME, Fence(), accepted())
        await store.end(NAME, fence, (finished(deltas=words(SECRET)),))
        assert has(path, SECRET)
        assert (await store.retain(Retention(replay=1.0), 5000.0)).forgotten == 1
        await log.next()
        assert not has(path, SECRET)


async def test_of_a_deleted_source_only_that_is_left_which_forks_have(path: Path) -> None:
    log = Checkpoints()
    async with SqliteStore.open(path, watch=log) as store:
        fence, entries = await talk(store, turns=3)
        # Cut before the fork, cut after it, behind it, and said after it.
        fence, cut = await say(store, NAME, fence, "t4", entries=(UserEntry(SECRET),))
        fence, _ = await say(store, NAME, fence, "t5", cut_from=cut[0].seq, entries=())
        fork = Fork(NAME, entries[3].seq, fence.head)
        mine, _ = await say(store, OTHER, Fence(), "u1", fork=fork)
        fence, _ = await say(store, NAME, fence, "t6", cut_from=entries[3].seq)
        await say(store, NAME, fence, "t7", entries=(UserEntry(SECRET),))
        await store.accept(OTHER, mine, accepted("u2"))
        await store.delete(NAME)
        await log.next()
        assert not has(path, SECRET)
        assert len(await store.transcript(OTHER)) == 6
    with inside(path) as ask:
        # Four of the source and two of the fork.
        assert ask("SELECT count(*) FROM entry") == [(6,)]
    async with SqliteStore.open(path) as store:
        await store.delete(OTHER)
    with inside(path) as ask:
        for table in ("session", "turn", "entry", "replay", "borrowed"):
            assert ask(f"SELECT count(*) FROM {table}") == [(0,)]


async def test_a_file_shrinks_in_steps_when_much_was_deleted(path: Path) -> None:
    log = Checkpoints()
    async with SqliteStore.open(path, watch=log) as store:
        for n in range(12):
            name = SessionName("main", str(n))
            await say(store, name, Fence(), "t1", said="x" * 200_000)
        before = pages(path)
        for n in range(12):
            await store.delete(SessionName("main", str(n)))
        sizes = [before]
        while (await store.retain(Retention(), 0.0)).more:
            sizes.append(pages(path))
            assert sizes[-2] - 256 <= sizes[-1] < sizes[-2]
        assert pages(path) < before / 2
        assert len(sizes) >= 2
    assert path.stat().st_size < before * 4096 / 2


async def test_a_checkpoint_comes_after_those_who_waited_were_told(path: Path) -> None:
    seen: list[Point] = []
    async with SqliteStore.open(path, Limits(), watch=seen.append) as store:
        async with trio.open_nursery() as nursery:
            for n in range(300):
                nursery.start_soon(store.accept, SessionName("main", str(n)), Fence(), accepted())
        await store.accept(NAME, Fence(), accepted())
        assert path.stat().st_size > 20 * 4096, "the log has been moved into the file"
    assert seen.count(Point.BEFORE_WAKE) == seen.count(Point.BEFORE_BEGIN)


def pages(path: Path) -> int:
    with inside(path) as ask:
        ((many,),) = ask("PRAGMA page_count")
    assert isinstance(many, int)
    return many


def has(path: Path, text: str) -> bool:
    return any(text.encode() in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
