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

    async def wait(self) -> None:
        self._woken = trio.Event()
        if not self._come:
            await self._woken.wait()
        if not self._come:
            raise trio.ClosedResourceError

    def nudge(self) -> None:
        self.nudges += 1
        self._woken.set()

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
