"""An error amid a cancellation stays in its cell; what is no error at all goes through it."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import Actor, ActorStopped, Crashed, Ending, Request, System


class Do(Request[str], frozen=True):
    what: str


class Player(Actor[Do]):
    def __init__(self) -> None:
        self.diary: list[str] = []

    async def receive(self, message: Do) -> str:
        return message.what

    async def on_stop(self) -> None:
        self.diary.append("stop")


class Messy(Player):
    """Answers a cancellation with an error, in a task of its own."""

    async def receive(self, message: Do) -> str:
        await self.mess()
        return ""

    async def mess(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.fail_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    async def fail_when_cancelled(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("broken")


class MessyStart(Messy):
    async def on_start(self) -> None:
        await self.mess()


@pytest.mark.rule("C4")
async def test_an_error_amid_a_kill_is_a_crash_and_stays_in_the_cell(
    autojump_clock: MockClock,
) -> None:
    endings: list[Ending] = []
    with capture_logs():
        async with System() as system, trio.open_nursery() as nursery:
            bystander = await system.spawn(Player(), "bystander")
            messy = await system.spawn(Messy(), "messy")
            messy.on_end(endings.append)

            async def ask() -> None:
                with pytest.raises(ActorStopped):
                    await messy.ask(Do("mess"))

            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            messy.kill()
            await messy.stopped()
            assert await bystander.ask(Do("a")) == "a"
    assert isinstance(endings[0], Crashed)


@pytest.mark.rule("C4")
async def test_an_error_amid_a_cancellation_from_outside_stays_in_the_cell(
    autojump_clock: MockClock,
) -> None:
    endings: list[Ending] = []
    with capture_logs(), trio.move_on_after(1) as outside:
        async with System() as system:
            messy = await system.spawn(Messy(), "messy")
            messy.on_end(endings.append)
            messy.tell(Do("mess"))
            await trio.sleep_forever()
    assert outside.cancelled_caught
    assert isinstance(endings[0], Crashed)


@pytest.mark.rule("C4", "B2")
async def test_an_error_amid_a_cancelled_start_stays_in_the_cell(
    autojump_clock: MockClock,
) -> None:
    with capture_logs():
        async with System() as system:
            bystander = await system.spawn(Player(), "bystander")
            with trio.move_on_after(1) as spawner:
                await system.spawn(MessyStart(), "messy")
            assert spawner.cancelled_caught
            assert await bystander.ask(Do("a")) == "a"


@pytest.mark.rule("C4", "C5")
async def test_an_interrupt_is_no_crash_and_leaves_the_cell(autojump_clock: MockClock) -> None:
    class Interrupt(BaseException):
        pass

    class Interrupted(Player):
        async def receive(self, message: Do) -> str:
            raise Interrupt

    actor = Interrupted()
    with pytest.raises(BaseExceptionGroup) as caught:  # noqa: PT012 - it comes out of the system
        async with System() as system:
            ref = await system.spawn(actor, "interrupted")
            ref.tell(Do("a"))
            await trio.sleep_forever()
    assert caught.group_contains(Interrupt)
    assert actor.diary == ["stop"]
