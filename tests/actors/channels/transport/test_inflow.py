"""Bytes are handed over all at once, in order, and the end comes after them."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.transport.inflow import Inflow
from greenroom.actors.failure import FailureKind, TurnFailed


async def test_a_take_is_everything_that_was_put() -> None:
    inflow = Inflow()
    inflow.put(b"a")
    inflow.put(b"b")
    assert await inflow.take() == b"ab"


async def test_a_take_waits_for_a_put(nursery: trio.Nursery) -> None:
    inflow = Inflow()
    taken: list[bytes] = []

    async def take() -> None:
        taken.append(await inflow.take())

    nursery.start_soon(take)
    await wait_all_tasks_blocked()
    assert taken == []
    inflow.put(b"a")
    await wait_all_tasks_blocked()
    assert taken == [b"a"]


async def test_the_end_comes_after_what_was_put_and_stays() -> None:
    inflow = Inflow()
    inflow.put(b"a")
    inflow.end(None)
    assert [await inflow.take() for _ in range(3)] == [b"a", b"", b""]


async def test_a_failure_comes_after_what_was_put() -> None:
    inflow = Inflow()
    inflow.put(b"a")
    inflow.end(TurnFailed.of(FailureKind.UPSTREAM_ERROR, "broken"))
    assert await inflow.take() == b"a"
    with pytest.raises(TurnFailed, match="broken"):
        await inflow.take()


async def test_whoever_is_too_far_ahead_waits_for_a_take(nursery: trio.Nursery) -> None:
    inflow = Inflow()
    ahead = 0

    async def put() -> None:
        nonlocal ahead
        while not inflow.full:
            inflow.put(bytes(65536))
            ahead += 1
        await inflow.room()
        inflow.put(b"more")

    nursery.start_soon(put)
    await wait_all_tasks_blocked()
    assert len(await inflow.take()) == ahead * 65536
    assert await inflow.take() == b"more"


async def test_a_take_that_is_cancelled_loses_nothing() -> None:
    inflow = Inflow()
    with trio.move_on_after(0):
        await inflow.take()
    inflow.put(b"a")
    assert await inflow.take() == b"a"
