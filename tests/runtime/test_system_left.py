"""A system that is left by a cancellation loses no error for it."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.runtime import Actor, Message, RestartLimit, System, Transient


class Crash(Message, frozen=True):
    pass


class Slow(Actor[Crash]):
    """Takes its time to end."""

    async def receive(self, message: Crash) -> None:
        raise KeyError

    async def on_stop(self) -> None:
        await trio.sleep(3)


class Quick(Slow):
    async def on_stop(self) -> None:
        pass


@pytest.mark.rule("E5")
async def test_the_bodys_error_goes_before_the_cancellation_of_whoever_waits_for_the_end(
    autojump_clock: MockClock,
) -> None:
    with pytest.raises(ValueError, match="the body"), trio.move_on_after(1):  # noqa: PT012
        async with System() as system:
            await system.spawn(Slow(), "slow")
            raise ValueError("the body's")
    assert trio.current_time() == 3


@pytest.mark.rule("E5", "S5")
async def test_a_failure_at_the_top_goes_before_the_cancellation_of_whoever_waits_for_the_end(
    autojump_clock: MockClock,
) -> None:
    with capture_logs(), pytest.raises(RestartLimit), trio.move_on_after(1):  # noqa: PT012
        async with System() as system:
            await system.spawn(Slow(), "slow")
            ref = await system.supervise(Quick, "quick", Transient(restarts=0))
            ref.tell(Crash())
            await trio.sleep_forever()


@pytest.mark.rule("E5")
async def test_a_cancellation_alone_comes_out_as_one_and_kills_from_the_root(
    autojump_clock: MockClock,
) -> None:
    with trio.move_on_after(1) as scope:
        async with System() as system:
            await system.spawn(Slow(), "slow")
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() == 1 + 3
