"""What waits together is committed together, in order, and who fails fails alone."""

from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.entries import UserEntry
from greenroom.actors.stores.records import Fence, SessionName
from greenroom.actors.stores.sqlite.store import Limits, SqliteStore
from greenroom.actors.stores.sqlite.transactions import Point
from greenroom.actors.stores.store import Fenced, StoreFailed
from tests.actors.stores.conftest import NAME, accepted, finished, numbers, say, talk
from tests.actors.stores.sqlite.conftest import Counting, Failing, Gate, inside, sqlite_error


def named(n: int) -> SessionName:
    return SessionName("main", f"s{n}")


class Both:
    """Two watches as one."""

    def __init__(self) -> None:
        self.gate, self.counting = Gate(), Counting()

    def __call__(self, point: Point) -> None:
        self.counting(point)
        self.gate(point)


async def test_what_waits_while_a_commit_is_under_way_is_one_commit(path: Path) -> None:
    watch = Both()
    async with SqliteStore.open(path, watch=watch) as store:
        watch.gate.shut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.accept, named(0), Fence(), accepted())
            await watch.gate.reached()
            for n in range(1, 101):
                nursery.start_soon(store.accept, named(n), Fence(), accepted())
            await wait_all_tasks_blocked()
            watch.gate.open()
        assert watch.counting.commits == 2
        assert watch.counting.seen.count(Point.AFTER_OPERATION) == 101


async def test_a_batch_is_bounded(path: Path) -> None:
    watch = Both()
    async with SqliteStore.open(path, Limits(batch=10), watch=watch) as store:
        watch.gate.shut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.accept, named(0), Fence(), accepted())
            await watch.gate.reached()
            for n in range(1, 26):
                nursery.start_soon(store.accept, named(n), Fence(), accepted())
            await wait_all_tasks_blocked()
            watch.gate.open()
        assert watch.counting.commits == 1 + 3


async def test_operations_are_done_in_the_order_in_which_they_were_handed_over(
    path: Path,
) -> None:
    gate = Gate()
    async with SqliteStore.open(path, watch=gate) as store:
        gate.shut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.accept, NAME, Fence(), accepted())
            await gate.reached()
            for n in range(20):
                nursery.start_soon(store.accept, named(n), Fence(), accepted())
                await wait_all_tasks_blocked()
            gate.open()
    with inside(path) as ask:
        made = ask("SELECT key FROM session ORDER BY id")
    assert made == [(NAME.key,), *((f"s{n}",) for n in range(20))]


async def test_of_rivals_in_one_batch_the_first_wins_and_the_others_are_fenced(
    path: Path,
) -> None:
    watch = Both()
    results: list[str] = []
    async with SqliteStore.open(path, watch=watch) as store:
        fence, _ = await talk(store)

        async def claim(n: int) -> None:
            try:
                await store.accept(NAME, Fence(fence.epoch, fence.head), accepted(f"rival{n}"))
            except Fenced:
                results.append(f"fenced {n}")
            else:
                results.append(f"won {n}")

        commits = watch.counting.commits
        watch.gate.shut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.accept, named(0), Fence(), accepted())
            await watch.gate.reached()
            for n in range(10):
                nursery.start_soon(claim, n)
                await wait_all_tasks_blocked()
            nursery.start_soon(store.accept, named(1), Fence(), accepted())
            await wait_all_tasks_blocked()
            watch.gate.open()
        assert sorted(results) == sorted(["won 0", *(f"fenced {n}" for n in range(1, 10))])
        assert watch.counting.commits == commits + 2
        state = await store.load(NAME)
        assert state is not None
        assert [turn.id for turn in state.open_turns] == ["rival0"]
        assert await store.load(named(1)) is not None


async def test_one_that_fails_halfway_fails_alone_and_the_others_are_done(path: Path) -> None:
    gate = Gate()
    failures: list[Exception] = []
    async with SqliteStore.open(path, watch=gate) as store:
        fence, _ = await talk(store)

        async def fail() -> None:
            try:
                # Its fence is right, so it fails only after it has changed something.
                await store.end(NAME, fence, (finished("never accepted"),))
            except ValueError as error:
                failures.append(error)

        gate.shut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.accept, named(0), Fence(), accepted())
            await gate.reached()
            for n in range(1, 10):
                nursery.start_soon(store.accept, named(n), Fence(), accepted())
                if n == 5:
                    nursery.start_soon(fail)
                await wait_all_tasks_blocked()
            gate.open()
        assert len(failures) == 1
        for n in range(10):
            assert await store.load(named(n)) is not None
        await say(store, NAME, fence, "t2")


@pytest.mark.parametrize("point", [Point.BEFORE_BEGIN, Point.AFTER_OPERATION, Point.BEFORE_COMMIT])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("SQLITE_IOERR_FSYNC", "cannot be read or written"),
        ("SQLITE_CORRUPT", "damaged"),
        ("SQLITE_BUSY", "locked"),
        ("SQLITE_READONLY_DBMOVED", "may not be written"),
    ],
)
async def test_when_the_database_fails_nothing_of_the_batch_is_done_and_the_next_one_is(
    point: Point, name: str, why: str, path: Path
) -> None:
    gate, failing = Gate(), Failing()
    failing.point = point

    def watch(point: Point) -> None:
        gate(point)
        failing(point)

    failed: list[str] = []
    async with SqliteStore.open(path, watch=watch) as store:

        async def attempt(n: int) -> None:
            try:
                await store.accept(named(n), Fence(), accepted())
            except StoreFailed as error:
                failed.append(str(error))

        gate.shut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt, 0)
            await gate.reached()
            for n in range(1, 5):
                nursery.start_soon(attempt, n)
            await wait_all_tasks_blocked()
            failing.errors = [sqlite_error(name)] * 2
            gate.open()
        assert len(failed) == 5
        assert all(why in reason for reason in failed)
        for n in range(5):
            assert await store.load(named(n)) is None
            await store.accept(named(n), Fence(), accepted())
    with inside(path) as ask:
        assert ask("SELECT count(*) FROM turn") == [(5,)]


async def test_where_one_may_be_to_blame_each_is_tried_by_itself(path: Path) -> None:
    gate, failing, counting = Gate(), Failing(), Counting()

    def watch(point: Point) -> None:
        gate(point)
        counting(point)
        if counting.commits == 1:
            failing(point)

    # Those of the batch behind the first, and of the first of that by itself.
    failing.errors = [sqlite_error("SQLITE_FULL"), sqlite_error("SQLITE_FULL")]
    failed: list[int] = []
    async with SqliteStore.open(path, watch=watch) as store:

        async def attempt(n: int) -> None:
            try:
                await store.accept(named(n), Fence(), accepted())
            except StoreFailed:
                failed.append(n)

        gate.shut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.accept, NAME, Fence(), accepted())
            await gate.reached()
            for n in range(5):
                nursery.start_soon(attempt, n)
                await wait_all_tasks_blocked()
            gate.open()
        assert failed == [0]
        assert [n for n in range(5) if await store.load(named(n)) is None] == [0]


async def test_the_numbers_of_a_batch_are_each_sessions_own(path: Path) -> None:
    async with SqliteStore.open(path) as store:
        ends: dict[int, list[int]] = {}

        async def one(n: int) -> None:
            fence = Fence()
            for turn in range(5):
                fence, entries = await say(store, named(n), fence, f"t{turn}")
                ends.setdefault(n, []).extend(numbers(entries))

        async with trio.open_nursery() as nursery:
            for n in range(30):
                nursery.start_soon(one, n)
        assert set(map(tuple, ends.values())) == {(3, 4, 7, 8, 11, 12, 15, 16, 19, 20)}


# Waiting and leaving


async def test_whoever_finds_no_room_waits(path: Path) -> None:
    watch = Both()
    async with SqliteStore.open(path, Limits(waiting=3), watch=watch) as store:
        watch.gate.shut()
        async with trio.open_nursery() as nursery:
            for n in range(20):
                nursery.start_soon(store.accept, named(n), Fence(), accepted())
            await watch.gate.reached()
            await wait_all_tasks_blocked()
            watch.gate.open()
        for n in range(20):
            assert await store.load(named(n)) is not None
        assert watch.counting.commits >= 20 / 3


async def test_an_operation_that_has_not_begun_is_taken_out_with_its_caller(path: Path) -> None:
    gate = Gate()
    async with SqliteStore.open(path, watch=gate) as store:
        gate.shut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.accept, named(0), Fence(), accepted())
            await gate.reached()
            nursery.start_soon(store.accept, named(1), Fence(), accepted())
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as leaving:
                    leaving.start_soon(store.accept, named(2), Fence(), accepted())
                    await wait_all_tasks_blocked()
                    scope.cancel()
            assert scope.cancelled_caught
            with trio.CancelScope() as scope:
                scope.cancel()
                await store.accept(named(3), Fence(), accepted())
            assert scope.cancelled_caught
            gate.open()
        assert await store.load(named(0)) is not None
        assert await store.load(named(1)) is not None
        assert await store.load(named(2)) is None
        assert await store.load(named(3)) is None


async def test_one_that_has_begun_is_finished_though_its_caller_left_at_once(path: Path) -> None:
    gate = Gate(Point.BEFORE_COMMIT)
    async with SqliteStore.open(path, watch=gate) as store:
        gate.shut()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.accept, NAME, Fence(), accepted())
                await gate.reached()
                scope.cancel()
        assert scope.cancelled_caught
        gate.open()
        await store.accept(named(1), Fence(), accepted())
        state = await store.load(NAME)
        assert state is not None
        assert len(state.open_turns) == 1


async def test_those_who_left_do_not_keep_others_out(path: Path) -> None:
    gate = Gate()
    async with SqliteStore.open(path, Limits(waiting=2), watch=gate) as store:
        gate.shut()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                for n in range(10):
                    nursery.start_soon(store.accept, named(n), Fence(), accepted())
                await gate.reached()
                scope.cancel()
        gate.open()
        for n in range(20, 30):
            await store.accept(named(n), Fence(), accepted("t1", added=(UserEntry("Hi"),)))
