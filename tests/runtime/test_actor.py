"""The verbs of an actor's own life: deferring an answer, spawning, stopping."""

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Ending,
    Finished,
    Message,
    Ref,
    Refusal,
    ReplyPort,
    Request,
    StreamPort,
    Subscription,
    System,
)


class Later(Request[int], frozen=True):
    """Is answered by the next `Settle`."""

    refused: bool = False


class Feed(Subscription[int], frozen=True):
    """Gets the number of each `Settle`, until the end."""


class Settle(Message, frozen=True):
    number: int


class Crash(Message, frozen=True):
    pass


class Stop(Message, frozen=True):
    value: int


class Stray(Request[str], frozen=True):
    """Has the actor look for the port of a message that it no longer has in hand."""


Errand = Later | Feed | Settle | Crash | Stop | Stray


class Desk(Actor[Errand]):
    def __init__(self) -> None:
        self.ports: list[ReplyPort[int]] = []
        self.feeds: list[StreamPort[int]] = []
        self.last: Later | None = None

    async def receive(self, message: Errand) -> object:
        match message:
            case Later(refused):
                self.last = message
                self.ports.append(self.reply_port(message))
                if refused:
                    raise Refusal("no")
            case Feed():
                self.feeds.append(self.stream_port(message))
            case Settle(number):
                for port in self.ports:
                    port.answer(number)
                for feed in self.feeds:
                    await feed.send(number)
            case Crash():
                raise ValueError("broken")
            case Stop(value):
                self.stop(value)
                self.stop(value + 1)
            case Stray():
                assert self.last is not None
                try:
                    self.reply_port(self.last)
                except ValueError as error:
                    return str(error)
        return "ignored if the port was taken"


@pytest.mark.rule("A4")
async def test_a_taken_port_is_answered_when_the_actor_likes(autojump_clock: MockClock) -> None:
    answers: list[int] = []
    async with System() as system, trio.open_nursery() as nursery:
        desk = await system.spawn(Desk(), "desk")

        async def ask() -> None:
            answers.append(await desk.ask(Later()))

        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await trio.sleep(1)
        assert answers == []
        desk.tell(Settle(7))
    assert answers == [7, 7]


@pytest.mark.rule("A2", "A4")
async def test_a_refusal_answers_a_taken_port_as_well(autojump_clock: MockClock) -> None:
    async with System() as system:
        desk = await system.spawn(Desk(), "desk")
        with pytest.raises(Refusal):
            await desk.ask(Later(refused=True))
        desk.tell(Settle(1))


@pytest.mark.rule("A4")
@pytest.mark.parametrize("refused", [False, True])
async def test_the_port_of_a_told_request_has_nobody_waiting(
    autojump_clock: MockClock, *, refused: bool
) -> None:
    async with System() as system:
        actor = Desk()
        desk = await system.spawn(actor, "desk")
        desk.tell(Later(refused))
        desk.tell(Feed())
        desk.tell(Settle(1))
        await wait_all_tasks_blocked()
        assert actor.ports[0].abandoned
        assert actor.feeds[0].abandoned
        assert "only the message in hand" in await desk.ask(Stray())


@pytest.mark.rule("A4")
async def test_only_the_message_in_hand_has_a_port_to_take(autojump_clock: MockClock) -> None:
    async with System() as system, trio.open_nursery() as nursery:
        desk = await system.spawn(Desk(), "desk")
        nursery.start_soon(desk.ask, Later())
        await wait_all_tasks_blocked()
        assert "only the message in hand" in await desk.ask(Stray())
        desk.tell(Settle(1))


@pytest.mark.rule("A4")
async def test_no_message_is_in_hand_while_the_actor_cleans_up(autojump_clock: MockClock) -> None:
    class Tidy(Desk):
        async def on_stop(self) -> None:
            assert self.last is not None
            with pytest.raises(ValueError, match="only the message in hand"):
                self.reply_port(self.last)
            tidied.append(True)

    tidied: list[bool] = []
    async with System() as system:
        desk = await system.spawn(Tidy(), "desk")
        desk.tell(Later())
        await wait_all_tasks_blocked()
    assert tidied == [True]


async def open_ports_at(end: Callable[[Ref[Errand]], None]) -> tuple[Exception, Exception]:
    """Defer an ask and a stream, have the actor end, and return what came out of the two."""
    errors: dict[str, Exception] = {}
    async with System() as system, trio.open_nursery() as nursery:
        desk = await system.spawn(Desk(), "desk")

        async def ask() -> None:
            try:
                await desk.ask(Later())
            except (ActorCrashed, ActorStopped) as error:
                errors["ask"] = error

        async def follow() -> None:
            async with desk.stream(Feed()) as events:
                assert await anext(events) == 5
                try:
                    await anext(events)
                except (ActorCrashed, ActorStopped) as error:
                    errors["stream"] = error

        nursery.start_soon(follow)
        await wait_all_tasks_blocked()
        desk.tell(Settle(5))
        await wait_all_tasks_blocked()
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        end(desk)
    return errors["ask"], errors["stream"]


def stop_by_itself(desk: Ref[Errand]) -> None:
    desk.tell(Stop(1))


def be_stopped(desk: Ref[Errand]) -> None:
    desk.stop()


def be_killed(desk: Ref[Errand]) -> None:
    desk.kill()


def crash(desk: Ref[Errand]) -> None:
    desk.tell(Crash())


@pytest.mark.rule("A1", "A4", "T3")
@pytest.mark.parametrize("end", [stop_by_itself, be_stopped, be_killed])
async def test_open_ports_are_settled_when_the_actor_stops(
    autojump_clock: MockClock, end: Callable[[Ref[Errand]], None]
) -> None:
    asked, streamed = await open_ports_at(end)
    assert isinstance(asked, ActorStopped)
    assert isinstance(streamed, ActorStopped)


@pytest.mark.rule("A1", "A4", "T3")
async def test_open_ports_are_settled_with_the_cause_when_the_actor_crashes(
    autojump_clock: MockClock,
) -> None:
    asked, streamed = await open_ports_at(crash)
    for error in (asked, streamed):
        assert isinstance(error, ActorCrashed)
        assert isinstance(error.__cause__, ValueError)


@pytest.mark.rule("E1")
async def test_the_first_value_given_to_stop_is_what_the_actor_leaves(
    autojump_clock: MockClock,
) -> None:
    endings: list[Ending] = []
    async with System() as system:
        desk = await system.spawn(Desk(), "desk")
        desk.on_end(endings.append)
        desk.tell(Stop(1))
        await desk.stopped()
        desk.stop()
    assert endings == [Finished(1)]


class Anything(Message, frozen=True):
    pass


class Parent(Actor[Anything]):
    """Spawns a child of the next name at each message."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.errors: list[Exception] = []

    async def receive(self, message: Anything) -> None:
        try:
            child = await self.spawn(Leaf(), self.names.pop(0))
        except ValueError as error:
            self.errors.append(error)
        else:
            assert child.path.startswith(self.ref.path)


class Leaf(Actor[Anything]):
    async def receive(self, message: Anything) -> None:
        self.stop()


@pytest.mark.rule("B3")
async def test_two_children_of_one_name_cannot_live_at_once(autojump_clock: MockClock) -> None:
    async with System() as system:
        actor = Parent("a", "a", "b")
        parent = await system.spawn(actor, "parent")
        for _ in range(3):
            parent.tell(Anything())
        await wait_all_tasks_blocked()
        assert [str(error) for error in actor.errors] == [
            "greenroom/parent has a child named 'a' already"
        ]


@pytest.mark.rule("B3")
async def test_the_name_of_an_ended_child_is_free(autojump_clock: MockClock) -> None:
    async with System() as system:
        for _ in range(3):
            leaf = await system.spawn(Leaf(), "leaf")
            leaf.tell(Anything())
            await leaf.stopped()
