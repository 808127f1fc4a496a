"""An alarm rings once, as a signal, and ends with the incarnation that set it."""

import pytest
import trio

from greenroom.runtime import Actor, Message, Permanent, Request, System

IN_VIRTUAL_TIME = True


class Set(Message, frozen=True):
    at: float


class Rang(Message, frozen=True):
    at: float


class Fall(Message, frozen=True):
    pass


class Busy(Message, frozen=True):
    seconds: float


class Heard(Request[list[float]], frozen=True):
    pass


class Sleeper(Actor[Set | Rang | Fall | Busy | Heard]):
    def __init__(self) -> None:
        self.heard: list[float] = []

    async def receive(self, message: Set | Rang | Fall | Busy | Heard) -> object:
        match message:
            case Set(at):
                self.set_alarm(at, lambda: Rang(at))
            case Rang(at):
                assert trio.current_time() >= at
                self.heard.append(at)
            case Fall():
                raise ZeroDivisionError
            case Busy(seconds):
                await trio.sleep(seconds)
            case Heard():
                return self.heard
        return None


@pytest.mark.rule("W5")
async def test_it_rings_once_at_its_time() -> None:
    async with System() as system:
        ref = await system.spawn(Sleeper(), "sleeper")
        ref.tell(Set(10.0))
        await trio.sleep(9)
        assert await ref.ask(Heard()) == []
        await trio.sleep(2)
        assert await ref.ask(Heard()) == [10.0]
        await trio.sleep(100)
        assert await ref.ask(Heard()) == [10.0]


@pytest.mark.rule("W5")
async def test_a_later_one_takes_its_place() -> None:
    async with System() as system:
        ref = await system.spawn(Sleeper(), "sleeper")
        for at in (10.0, 30.0, 20.0):
            ref.tell(Set(at))
        await trio.sleep(100)
        assert await ref.ask(Heard()) == [20.0]


@pytest.mark.rule("W5")
async def test_a_time_that_is_over_rings_at_once_and_one_behind_the_message_in_hand() -> None:
    async with System() as system:
        ref = await system.spawn(Sleeper(), "sleeper")
        await trio.sleep(5)
        ref.tell(Set(1.0))
        await trio.sleep(1)
        assert await ref.ask(Heard()) == [1.0]
        ref.tell(Set(10.0))
        ref.tell(Busy(20.0))
        assert await ref.ask(Heard()) == [1.0, 10.0]


@pytest.mark.rule("W5")
async def test_it_goes_with_its_incarnation() -> None:
    async with System() as system:
        ref = await system.supervise(Sleeper, "sleeper", Permanent())
        ref.tell(Set(10.0))
        ref.tell(Fall())
        await trio.sleep(100)
        assert await ref.ask(Heard()) == []


@pytest.mark.rule("W5")
async def test_it_holds_nothing_at_the_end() -> None:
    async with System() as system:
        ref = await system.spawn(Sleeper(), "sleeper")
        ref.tell(Set(1_000_000.0))
        await ref.ask(Heard())
        ref.stop()
        await ref.stopped()
        assert trio.current_time() == 0
