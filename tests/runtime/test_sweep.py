"""One task a directory looks after all that may become idle, and remembers little more than they are."""

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import Actor, Directory, DirectoryFull, Message, Request, System
from greenroom.runtime.cell import Cell
from tests.runtime.conftest import count_of


class Leave(Request[None], frozen=True):
    pass


class Stay(Request[None], frozen=True):
    pass


class Guest(Actor[Leave | Stay]):
    async def receive(self, message: Leave | Stay) -> None:
        if isinstance(message, Leave):
            self.stop()


class Slow(Guest):
    async def on_stop(self) -> None:
        await trio.sleep(3)


class House(Actor[Message]):
    def __init__(self, guests: Directory[int, Leave | Stay]) -> None:
        self.guests = guests

    async def on_start(self) -> None:
        self.host(self.guests)

    async def receive(self, message: Message) -> None:
        pass


@pytest.mark.rule("K3")
async def test_those_who_leave_by_themselves_are_forgotten_before_their_time(
    autojump_clock: MockClock,
) -> None:
    guests: Directory[int, Leave | Stay] = Directory(lambda key: Guest(), limit=20, idle=1e6)
    with capture_logs():
        async with System() as system:
            await system.spawn(House(guests), "house")
            for key in range(10):
                await guests.address(key).ask(Stay())
            before = count_of(Cell)
            for key in range(1000):
                await guests.address(100 + key).ask(Leave())
            await wait_all_tasks_blocked()
            assert guests.live == 10
            assert count_of(Cell) - before <= 2 * 10 + 64 + 1


@pytest.mark.rule("K3")
async def test_those_who_stay_are_looked_after_whoever_else_leaves(
    autojump_clock: MockClock,
) -> None:
    guests: Directory[int, Leave | Stay] = Directory(lambda key: Guest(), limit=200, idle=10)
    with capture_logs():
        async with System() as system:
            await system.spawn(House(guests), "house")
            for key in range(500):
                await guests.address(key).ask(Stay() if key % 5 == 0 else Leave())
            await trio.sleep(9)
            assert guests.live == 100
            await trio.sleep(2)
            assert guests.live == 0
    assert system.counts().passivated == 100


@pytest.mark.rule("K3")
async def test_a_sweep_goes_on_after_there_was_nobody_to_look_after(
    autojump_clock: MockClock,
) -> None:
    guests: Directory[int, Leave | Stay] = Directory(lambda key: Guest(), limit=10, idle=10)
    async with System() as system:
        await system.spawn(House(guests), "house")
        for key in range(3):
            await trio.sleep(50)
            assert guests.live == 0
            await guests.address(key).ask(Stay())
            await trio.sleep(9)
            assert guests.live == 1
            await trio.sleep(2)
            assert guests.live == 0


@pytest.mark.rule("K3", "K7")
@given(schedule=st.random_module())
def test_a_sweep_goes_on_with_the_next_host_while_the_last_one_is_ending(
    schedule: object,
) -> None:
    async def program() -> None:
        guests: Directory[int, Leave | Stay] = Directory(lambda key: Slow(), limit=10, idle=1)
        async with System() as system:
            last = await system.spawn(House(guests), "last")
            await guests.address(0).ask(Stay())
            last.stop()
            await wait_all_tasks_blocked()
            await system.spawn(House(guests), "next")
            await guests.address(1).ask(Stay())
            await last.stopped()
            await trio.sleep(10)
            assert guests.live == 0
            await guests.address(2).ask(Stay())
            await trio.sleep(10)
            assert guests.live == 0

    with capture_logs():
        trio.run(program, clock=MockClock(autojump_threshold=0))


@pytest.mark.rule("K3")
@pytest.mark.parametrize(("idle", "later"), [(10, 100), (100, 10)])
async def test_another_time_counts_once_the_one_before_is_over(
    autojump_clock: MockClock, idle: float, later: float
) -> None:
    guests: Directory[int, Leave | Stay] = Directory(lambda key: Guest(), limit=2, idle=idle)
    with capture_logs():
        async with System() as system:
            await system.spawn(House(guests), "house")
            await guests.address(1).ask(Stay())
            guests.rebound(limit=2, idle=later)
            await trio.sleep(99)
            assert guests.live == 1
            await trio.sleep(2)
            assert guests.live == 0
            await guests.address(2).ask(Stay())
            await trio.sleep(later - 1)
            assert guests.live == 1
            await trio.sleep(2)
            assert guests.live == 0


@pytest.mark.rule("K3")
async def test_who_is_alive_stays_when_the_bound_gets_lower(autojump_clock: MockClock) -> None:
    guests: Directory[int, Leave | Stay] = Directory(lambda key: Guest(), limit=2)
    with capture_logs():
        async with System() as system:
            await system.spawn(House(guests), "house")
            for key in (1, 2):
                await guests.address(key).ask(Stay())
            guests.rebound(limit=1, idle=5)
            await trio.sleep(100)
            assert guests.live == 2, "it puts none away, as before"
            with pytest.raises(DirectoryFull):
                await guests.address(3).ask(Stay())
            await guests.address(1).ask(Stay())
