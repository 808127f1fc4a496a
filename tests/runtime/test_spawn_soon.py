"""A child that is begun without waiting, and an actor that never has anything below it."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.runtime import (
    Actor,
    ActorStopped,
    Crashed,
    Directory,
    Ending,
    Killed,
    Message,
    NotAccepted,
    Ref,
    Request,
    StartFailed,
    System,
)


class Do(Message, frozen=True):
    what: Callable[["Parent"], object]


class Ended(Message, frozen=True):
    ending: Ending


class Parent(Actor[Do | Ended]):
    """Does what it is told, and writes down how those ended that it watches."""

    def __init__(self) -> None:
        self.endings: list[Ending] = []
        self.raised: Exception | None = None

    async def receive(self, message: Do | Ended) -> None:
        match message:
            case Do(what):
                try:
                    done = what(self)
                    if isinstance(done, Awaitable):
                        await done
                except (NotAccepted, ValueError) as error:
                    self.raised = error
            case Ended(ending):
                self.endings.append(ending)


class Note(Request[str], frozen=True):
    text: str


class Child(Actor[Note]):
    is_leaf = True

    def __init__(self, start: Callable[["Child"], Awaitable[None]] | None = None) -> None:
        self._start = start
        self.notes: list[str] = []

    async def on_start(self) -> None:
        if self._start is not None:
            await self._start(self)
        self.notes.append("started")

    async def receive(self, message: Note) -> str:
        self.notes.append(message.text)
        if message.text == "wait":
            await trio.sleep_forever()
        return message.text

    async def on_stop(self) -> None:
        self.notes.append("stopped")


async def parent_in(system: System) -> tuple[Parent, Ref[Do | Ended]]:
    parent = Parent()
    return parent, await system.spawn(parent, "parent")


def begun(child: Child, refs: list[Ref[Note]]) -> Do:
    def begin(parent: Parent) -> None:
        ref = parent.spawn_soon(child, "child")
        parent.watch(ref, Ended)
        assert child.notes == [], "nobody waited"
        ref.tell(Note("first"))
        refs.append(ref)

    return Do(begin)


@pytest.mark.rule("B5", "M1")
async def test_a_child_that_is_begun_takes_messages_before_it_has_started(
    autojump_clock: MockClock,
) -> None:
    async def slow(_: Child) -> None:
        await trio.sleep(3)

    async with System() as system:
        _, ref = await parent_in(system)
        child, refs = Child(slow), list[Ref[Note]]()
        ref.tell(begun(child, refs))
        await trio.sleep(1)
        assert child.notes == []
        assert await refs[0].ask(Note("second")) == "second"
        assert trio.current_time() == 3
        assert child.notes == ["started", "first", "second"]


@pytest.mark.rule("B5", "C5")
async def test_a_start_that_fails_with_nobody_waiting_is_told_to_those_that_watch_and_ask(
    autojump_clock: MockClock,
) -> None:
    async def broken(_: Child) -> None:
        await trio.sleep(1)
        raise ValueError("broken")

    with capture_logs():
        async with System() as system:
            parent, ref = await parent_in(system)
            child, refs = Child(broken), list[Ref[Note]]()
            ref.tell(begun(child, refs))
            await trio.sleep(0.5)
            with pytest.raises(StartFailed) as caught:
                await refs[0].ask(Note("second"))
            assert isinstance(caught.value.__cause__, ValueError)
            await trio.sleep(1)
            assert [type(ending) for ending in parent.endings] == [Crashed]
            assert child.notes == []
            ref.tell(begun(Child(), refs))  # the name is free, and the parent lives
            await trio.sleep(1)
            assert await refs[1].ask(Note("well")) == "well"


@pytest.mark.rule("B3", "B4", "B5")
async def test_a_name_is_taken_from_the_moment_of_the_beginning_and_an_end_takes_nobody_in(
    autojump_clock: MockClock,
) -> None:
    async with System() as system:
        parent, ref = await parent_in(system)
        child, refs = Child(), list[Ref[Note]]()
        ref.tell(begun(child, refs))
        ref.tell(Do(lambda parent: parent.spawn_soon(Child(), "child")))
        await trio.sleep(1)
        assert isinstance(parent.raised, ValueError)

        def at_the_end(parent: Parent) -> None:
            parent.stop()
            parent.spawn_soon(Child(), "late")

        ref.tell(Do(at_the_end))
        await ref.stopped()
        assert isinstance(parent.raised, NotAccepted)
        assert child.notes == ["started", "first", "stopped"]


@pytest.mark.rule("B6")
async def test_a_leaf_is_killed_and_stopped_as_any_other(autojump_clock: MockClock) -> None:
    async with System() as system:
        parent, ref = await parent_in(system)
        child, refs = Child(), list[Ref[Note]]()
        ref.tell(begun(child, refs))
        await trio.sleep(1)
        refs[0].tell(Note("wait"))
        await trio.sleep(1)
        refs[0].kill()
        with pytest.raises((NotAccepted, ActorStopped)):
            await refs[0].ask(Note("too late"))
        await refs[0].stopped()
        await trio.sleep(1)
        assert parent.endings == [Killed()]
        assert child.notes == ["started", "first", "wait", "stopped"]


@pytest.mark.rule("B6")
@pytest.mark.parametrize("verb", ["spawn", "spawn_soon", "host", "alarm"])
async def test_a_leaf_has_nothing_below_it_and_nothing_beside_it(
    verb: str, autojump_clock: MockClock
) -> None:
    async def try_it(child: Child) -> None:
        match verb:
            case "spawn":
                await child.spawn(Child(), "below")
            case "spawn_soon":
                child.spawn_soon(Child(), "below")
            case "host":
                child.host(Directory(lambda _: Child(), limit=1))
            case _:
                child.set_alarm(1.0, lambda: Note("wake"))

    async def tries(child: Child) -> None:
        with pytest.raises(RuntimeError, match="greenroom/parent/child is a leaf"):
            await try_it(child)

    async with System() as system:
        _, ref = await parent_in(system)
        child, refs = Child(tries), list[Ref[Note]]()
        ref.tell(begun(child, refs))
        await trio.sleep(1)
        assert child.notes == ["started", "first"]
