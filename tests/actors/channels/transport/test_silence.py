"""Each wait ends with its news or with its time, whoever keeps the time and however that one leaves."""

import math

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.transport.silence import Silence
from tests.conftest import run_in_virtual_time

IN_VIRTUAL_TIME = True
PATIENCE = 10


class Wait:
    """A wait for news."""

    def __init__(self) -> None:
        self._woken = trio.Event()
        self._come = False
        self.nudges = 0
        self.nudged = False

    async def wait(self) -> None:
        self._woken = trio.Event()
        if not self._come and not self.nudged:
            await self._woken.wait()
        if not self._come:
            self.nudged = False
            raise trio.ClosedResourceError

    def nudge(self) -> None:
        self.nudges += 1
        self.nudged = True
        self._woken.set()

    def calm(self) -> None:
        self.nudged = False

    def tell(self) -> None:
        self._come = True
        self._woken.set()


TIMES = st.integers(0, 25)
"""Seconds; some fall together."""


@given(st.lists(st.tuples(TIMES, TIMES, TIMES | st.just(math.inf)), max_size=12))
def test_every_wait_has_its_own_time(plan: list[tuple[int, int, float]]) -> None:
    """Each begins at some time, has news after some, and is left after some."""
    silence = Silence(PATIENCE)
    zero = 0.0
    ends: list[tuple[float, bool | None]] = [(0, None)] * len(plan)

    async def one(number: int, begin: int, news: int, leave: float) -> None:
        await trio.sleep_until(zero + begin)
        wait, outcome = Wait(), None
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def _() -> None:
                await trio.sleep(news)
                wait.tell()

            with trio.move_on_after(leave):
                outcome = await silence.bound(wait)
            ends[number] = trio.current_time() - zero - begin, outcome
            nursery.cancel_scope.cancel()

    async def all_of_them() -> None:
        nonlocal zero
        zero = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number, (begin, news, leave) in enumerate(plan):
                nursery.start_soon(one, number, begin, news, leave)

    run_in_virtual_time(all_of_them, clock=None, instruments=())
    for (_, news, leave), (lasted, outcome) in zip(plan, ends, strict=True):
        assert lasted == pytest.approx(min(news, leave, PATIENCE))
        may_be = {True: news, False: PATIENCE, None: leave}
        assert may_be[outcome] == min(news, leave, PATIENCE)  # any of those that fall together


class Halves(Wait):
    """A wait that is woken by half of what it waits for, and goes on to wait."""

    def __init__(self) -> None:
        super().__init__()
        self._half = trio.Event()

    async def wait(self) -> None:
        await self._half.wait()
        await super().wait()

    def half(self) -> None:
        self._half.set()


async def test_who_is_nudged_while_half_of_its_news_comes_keeps_the_time_all_the_same() -> None:
    silence, keeper, other, third = Silence(PATIENCE), Wait(), Halves(), Wait()
    ends: dict[str, tuple[float, bool]] = {}

    async def bound(name: str, wait: Wait) -> None:
        in_time = await silence.bound(wait)
        ends[name] = trio.current_time() - begun, in_time

    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        for name, wait in {"keeper": keeper, "other": other}.items():
            nursery.start_soon(bound, name, wait)
            await trio.testing.wait_all_tasks_blocked()
        other.half()
        keeper.tell()
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(bound, "third", third)
    assert ends == {"keeper": (0, True), "other": (PATIENCE, False), "third": (PATIENCE, False)}
    assert not other.nudged


async def test_a_nudge_that_came_too_late_is_taken_back() -> None:
    silence, keeper, other = Silence(PATIENCE), Wait(), Wait()
    async with trio.open_nursery() as nursery:
        for wait in (keeper, other):
            nursery.start_soon(silence.bound, wait)
            await trio.testing.wait_all_tasks_blocked()
        other.tell()
        keeper.tell()
    assert (other.nudged, keeper.nudged) == (False, False)


async def test_a_wait_that_another_one_closed_says_so() -> None:
    silence, keeper, closed = Silence(PATIENCE), Wait(), Wait()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(silence.bound, keeper)
        await trio.testing.wait_all_tasks_blocked()

        @nursery.start_soon
        async def _() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await silence.bound(closed)
            keeper.tell()

        await trio.testing.wait_all_tasks_blocked()
        closed.nudge()


async def test_the_latest_keeps_on_and_the_others_are_not_woken() -> None:
    silence = Silence(PATIENCE)
    waits = [Wait() for _ in range(5)]
    async with trio.open_nursery() as nursery:
        for wait in waits:
            nursery.start_soon(silence.bound, wait)
            await trio.testing.wait_all_tasks_blocked()
        for wait in waits:
            wait.tell()
            await trio.testing.wait_all_tasks_blocked()
    assert [wait.nudges for wait in waits] == [0, 0, 0, 0, 1]
