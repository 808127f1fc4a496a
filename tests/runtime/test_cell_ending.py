"""An actor ends in order: children first, then its own cleanup, and neither can hold the end up."""

import pytest
import trio
from structlog.testing import capture_logs
from structlog.typing import EventDict
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import Actor, Message, NotAccepted, Ref, Request, StartFailed, System


class Ping(Request[str], frozen=True):
    pass


class Note(Message, frozen=True):
    pass


class Node(Actor[Ping | Note]):
    """A node of a tree, which keeps one diary."""

    def __init__(self, diary: list[str], name: str, *children: "Node", grace: float = 5) -> None:
        self.diary = diary
        self.name = name
        self.children = children
        self.grace = grace

    async def on_start(self) -> None:
        for child in self.children:
            await self.spawn(child, child.name)

    async def receive(self, message: Ping | Note) -> str:
        return "pong"

    async def on_stop(self) -> None:
        self.diary.append(f"{self.name} at {trio.current_time():g}")


class Crashing(Node):
    async def receive(self, message: Ping | Note) -> str:
        raise ValueError("broken")


class StuckInReceive(Node):
    async def receive(self, message: Ping | Note) -> str:
        await trio.sleep_forever()


class SlowToStop(Node):
    async def on_stop(self) -> None:
        await trio.sleep(3)
        await super().on_stop()


class StuckInStop(Node):
    async def on_stop(self) -> None:
        await super().on_stop()
        await trio.sleep_forever()


class BrokenInStop(Node):
    async def on_stop(self) -> None:
        await super().on_stop()
        raise ValueError("broken")


class BrokenAfterBeingStuckInStop(Node):
    async def on_stop(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.fail_when_cut)
            nursery.start_soon(trio.sleep_forever)

    async def fail_when_cut(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("broken")


def events(logs: list[EventDict]) -> list[tuple[str, str]]:
    """Warnings and errors, each with the actor that it is about."""
    return [
        (entry["event"], entry["actor"])
        for entry in logs
        if entry["log_level"] in {"warning", "error"}
    ]


@pytest.mark.rule("E1", "E3")
async def test_children_end_before_their_parent_cleans_up(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    grandchild = SlowToStop(diary, "grandchild")
    async with System() as system:
        parent = Node(diary, "parent", Node(diary, "child", grandchild), Node(diary, "other"))
        await system.spawn(parent, "parent")
    assert diary == ["other at 0", "grandchild at 3", "child at 3", "parent at 3"]


@pytest.mark.rule("E2")
async def test_children_of_a_killed_parent_end_before_it_cleans_up(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    async with System() as system:
        ref = await system.spawn(Node(diary, "parent", SlowToStop(diary, "child")), "parent")
        ref.kill()
        await ref.stopped()
    assert diary == ["child at 3", "parent at 3"]


@pytest.mark.rule("C1")
async def test_children_of_a_crashed_parent_end_before_it_cleans_up(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    with capture_logs():
        async with System() as system:
            child = SlowToStop(diary, "child")
            ref = await system.spawn(Crashing(diary, "parent", child), "parent")
            ref.tell(Note())
            await ref.stopped()
    assert diary == ["child at 3", "parent at 3"]


@pytest.mark.rule("C1")
async def test_a_crashed_child_leaves_its_parent_and_siblings_alone(
    autojump_clock: MockClock,
) -> None:
    class Parent(Node):
        async def receive(self, message: Ping | Note) -> str:
            ref: Ref[Ping | Note] = await self.spawn(Crashing(self.diary, "crashing"), "crashing")
            ref.tell(Note())
            await ref.stopped()
            return "alive"

    with capture_logs():
        async with System() as system:
            diary: list[str] = []
            ref = await system.spawn(Parent(diary, "parent", Node(diary, "child")), "parent")
            assert await ref.ask(Ping()) == "alive"
            assert diary == ["crashing at 0"]


@pytest.mark.rule("B2")
async def test_a_start_that_fails_takes_the_children_that_it_began_with_it(
    autojump_clock: MockClock,
) -> None:
    class Broken(Node):
        async def on_start(self) -> None:
            await super().on_start()
            raise ValueError("broken")

    diary: list[str] = []
    with capture_logs():
        async with System() as system:
            with pytest.raises(StartFailed):
                await system.spawn(Broken(diary, "parent", Node(diary, "child")), "parent")
            assert diary == ["child at 0"]


@pytest.mark.rule("E3")
async def test_a_child_stuck_in_a_message_is_cancelled_after_the_parents_grace(
    autojump_clock: MockClock,
) -> None:
    class Parent(Node):
        async def on_start(self) -> None:
            stuck = await self.spawn(StuckInReceive(self.diary, "stuck"), "stuck")
            stuck.tell(Note())
            await self.spawn(Node(self.diary, "child"), "child")

    diary: list[str] = []
    with capture_logs() as logs:
        async with System() as system:
            ref = await system.spawn(Parent(diary, "parent", grace=2), "parent")
            await wait_all_tasks_blocked()
            ref.stop()
            await ref.stopped()
    assert diary == ["child at 0", "stuck at 2", "parent at 2"]
    assert events(logs) == [("actor.children_stuck", "greenroom/parent")]
    [stuck] = [entry for entry in logs if entry["event"] == "actor.children_stuck"]
    assert stuck["children"] == ["greenroom/parent/stuck"]


@pytest.mark.rule("E4")
async def test_a_cleanup_is_cut_after_the_actors_grace(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        async with System() as system:
            ref = await system.spawn(StuckInStop([], "stuck", grace=2), "stuck")
            ref.stop()
            await ref.stopped()
            assert trio.current_time() == 2
    assert events(logs) == [("actor.on_stop_stuck", "greenroom/stuck")]


@pytest.mark.rule("C5", "E4")
async def test_a_cleanup_is_shielded_from_a_kill_and_from_outside(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    with trio.CancelScope() as outside:
        async with System() as system:
            ref = await system.spawn(SlowToStop(diary, "slow"), "slow")
            ref.stop()
            await wait_all_tasks_blocked()
            ref.kill()
            outside.cancel()
    assert diary == ["slow at 3"]


@pytest.mark.rule("C5")
async def test_an_error_in_a_cleanup_is_logged_and_harms_nobody(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        async with System() as system:
            bystander = await system.spawn(Node([], "bystander"), "bystander")
            ref = await system.spawn(BrokenInStop([], "broken"), "broken")
            ref.stop()
            await ref.stopped()
            assert await bystander.ask(Ping()) == "pong"
    assert events(logs) == [("actor.on_stop_crashed", "greenroom/broken")]


@pytest.mark.rule("C5", "E4")
async def test_an_error_in_a_cleanup_that_is_cut_is_logged_and_harms_nobody(
    autojump_clock: MockClock,
) -> None:
    with capture_logs() as logs:
        async with System() as system:
            bystander = await system.spawn(Node([], "bystander"), "bystander")
            ref = await system.spawn(BrokenAfterBeingStuckInStop([], "broken", grace=1), "broken")
            ref.stop()
            await ref.stopped()
            assert await bystander.ask(Ping()) == "pong"
    assert events(logs) == [
        ("actor.on_stop_crashed", "greenroom/broken"),
        ("actor.on_stop_stuck", "greenroom/broken"),
    ]


@pytest.mark.rule("B4")
async def test_nobody_is_spawned_by_an_actor_at_its_end(autojump_clock: MockClock) -> None:
    class Late(Node):
        async def on_stop(self) -> None:
            with pytest.raises(NotAccepted):
                await self.spawn(Node(self.diary, "child"), "child")
            self.diary.append("turned away")

    diary: list[str] = []
    async with System() as system:
        await system.spawn(Late(diary, "late"), "late")
    assert diary == ["turned away"]


@pytest.mark.rule("C5")
async def test_an_ask_in_a_cleanup_can_still_be_answered(autojump_clock: MockClock) -> None:
    class Asking(Node):
        def __init__(self, diary: list[str], whom: Ref[Ping | Note]) -> None:
            super().__init__(diary, "asking")
            self.whom = whom

        async def on_stop(self) -> None:
            self.diary.append(await self.whom.ask(Ping()))

    diary: list[str] = []
    async with System() as system:
        whom = await system.spawn(Node([], "whom"), "whom")
        ref = await system.spawn(Asking(diary, whom), "asking")
        ref.kill()
        await ref.stopped()
    assert diary == ["pong"]
