"""Whoever looks reads what happens from then on, and is told what it was too slow for."""

import pytest
import structlog
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    Ended,
    Event,
    Finished,
    Killed,
    Message,
    Missed,
    Passivated,
    ReplyStream,
    Started,
    StreamPort,
    System,
)
from greenroom.runtime.observe import Events, Observer
from tests.runtime.conftest import count_of

PATH = "greenroom/guest"
ROOT = Started("greenroom", "_Root", 0)
ROOT_ENDED = Ended("greenroom", Finished())


class Guest(Actor[Message]):
    async def receive(self, message: Message) -> None:
        pass


async def is_stopped(system: System) -> None:
    ref = await system.spawn(Guest(), "guest")
    ref.stop()
    await ref.stopped()


async def is_killed(system: System) -> None:
    ref = await system.spawn(Guest(), "guest")
    ref.kill()
    await ref.stopped()


@pytest.mark.rule("O1")
async def test_a_subscription_begins_when_it_is_entered_and_ends_with_the_system(
    autojump_clock: MockClock,
) -> None:
    system = System()
    async with system:
        await is_stopped(system)
        late = system.events()
        await is_stopped(system)
        async with late as events, trio.open_nursery() as nursery:
            read: list[Event] = []

            async def read_all() -> None:
                async for event in events:
                    read.append(event)  # noqa: PERF401 - it is looked at before the end

            nursery.start_soon(read_all)
            await wait_all_tasks_blocked()
            assert read == []
            await is_killed(system)
            await wait_all_tasks_blocked()
            assert read == [Started(PATH, "Guest", 0), Ended(PATH, Killed())]
            nursery.cancel_scope.cancel()
    async with system.events() as events:
        assert [event async for event in events] == []


@pytest.mark.rule("O1", "O2")
async def test_two_readers_both_read_everything_and_one_may_leave(
    autojump_clock: MockClock,
) -> None:
    system = System()
    async with system.events() as first:
        async with system.events() as second, system:
            await is_stopped(system)
            assert [second.receive_nowait() for _ in range(3)] == [
                ROOT,
                Started(PATH, "Guest", 0),
                Ended(PATH, Finished()),
            ]
            second.leave()
            await is_killed(system)
        assert [event async for event in first] == [
            ROOT,
            Started(PATH, "Guest", 0),
            Ended(PATH, Finished()),
            Started(PATH, "Guest", 0),
            Ended(PATH, Killed()),
            ROOT_ENDED,
        ]


@pytest.mark.rule("O2")
async def test_readers_that_left_are_forgotten(autojump_clock: MockClock) -> None:
    async with System() as system:
        before = count_of(StreamPort)
        for _ in range(20):
            async with system.events():
                await is_stopped(system)
        assert count_of(StreamPort) == before


def now(events: ReplyStream[Event]) -> list[Event]:
    """Read what is there."""
    read: list[Event] = []
    while (event := events.receive_nowait()) is not None:
        read.append(event)
    return read


@pytest.mark.rule("O2")
async def test_a_slow_reader_is_told_how_many_events_it_missed_where_it_missed_them(
    autojump_clock: MockClock,
) -> None:
    def guest(number: int) -> Started:
        return Started(f"greenroom/{number}", "Guest", 0)

    async with System() as system, system.events(buffer=2) as events:
        for number in range(5):
            await system.spawn(Guest(), str(number))
        assert now(events) == [guest(0), guest(1)]
        await system.spawn(Guest(), "5")
        assert now(events) == [Missed(3), guest(5)]
        for number in (6, 7, 8):
            await system.spawn(Guest(), str(number))
        assert events.receive_nowait() == guest(6)
        await system.spawn(Guest(), "9")  # of which there is room for the news of the miss alone
        assert now(events) == [guest(7), Missed(1)]
        await system.spawn(Guest(), "10")
        assert now(events) == [Missed(1), guest(10)]


@pytest.mark.rule("O2")
@pytest.mark.parametrize("buffer", [0, 1, 7])
async def test_who_reads_nothing_holds_nobody_and_is_told_of_it_at_the_end(
    autojump_clock: MockClock, buffer: int
) -> None:
    system = System()
    async with system.events(buffer=buffer) as events:
        async with system:
            for number in range(100):
                await system.spawn(Guest(), str(number))
        assert trio.current_time() == 0
        *read, last = [event async for event in events]
        assert len(read) == buffer
        assert last == Missed(2 * (1 + 100) - buffer)


@pytest.mark.rule("O2")
@given(buffer=st.integers(0, 4), steps=st.lists(st.booleans(), max_size=30))
def test_what_was_read_and_what_was_missed_are_together_what_has_happened(
    buffer: int, steps: list[bool]
) -> None:
    """A step is an event, or a look at what is there."""

    async def program() -> None:
        observer = Observer(structlog.get_logger())
        async with Events(observer, buffer) as events:
            happened = 0
            place = 0  # in the sequence of all that happened
            for happens in steps:
                if happens:
                    observer.passivated(str(happened))
                    happened += 1
                else:
                    place = after(events.receive_nowait(), place)
            observer.close()
            async for event in events:
                place = after(event, place)
            assert place == happened

    def after(event: Event | None, place: int) -> int:
        match event:
            case None:
                return place
            case Missed(missed):
                assert missed > 0
                return place + missed
            case _:
                assert event == Passivated(str(place))
                return place + 1

    with capture_logs():
        trio.run(program)
