"""Children end in order and in time: keyed at once, named youngest first, none beyond the graces."""

import pytest
import trio
from structlog.testing import capture_logs
from structlog.typing import EventDict
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import Actor, Directory, Message, System
from greenroom.runtime.children import NAMED

FOREVER = float("inf")


class Go(Message, frozen=True):
    pass


class Node(Actor[Go]):
    """A node of a tree: its hooks take so many seconds, and the first are shielded from a kill."""

    def __init__(
        self,
        name: str,
        *children: "Node",
        grace: float = 5,
        shield: float = 0,
        busy: float = 0,
        stop: float = 0,
        keyed: tuple["Node", ...] = (),
    ) -> None:
        self.name = name
        self.children = children
        self.grace = grace
        self.shield = shield
        self.busy = busy
        self.stop_takes = stop
        self.keyed = {child.name: child for child in keyed}
        self.ended_at: float | None = None

    async def on_start(self) -> None:
        directory: Directory[str, Go] = Directory(lambda key: self.keyed[key], limit=100)
        self.host(directory)
        # Taking turns, so that no order of theirs is the order of the two kinds.
        for number in range(max(len(self.children), len(self.keyed))):
            for child in self.children[number : number + 1]:
                ref = await self.spawn(child, child.name)
                ref.tell(Go())
            for key in list(self.keyed)[number : number + 1]:
                directory.address(key).tell(Go())

    async def receive(self, message: Go) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self.shield):
            await trio.sleep_forever()
        async with trio.open_nursery() as nursery:  # an end takes a few turns of the loop
            nursery.start_soon(trio.sleep, self.busy)

    async def on_stop(self) -> None:
        await trio.sleep(self.stop_takes)
        self.ended_at = trio.current_time()


def lines(logs: list[EventDict], event: str) -> list[EventDict]:
    return [entry for entry in logs if entry["event"] == event]


@pytest.mark.rule("E3")
async def test_the_keyed_end_at_once_and_then_the_named_youngest_first(
    autojump_clock: MockClock,
) -> None:
    named = [Node(f"named {number}", stop=2) for number in range(3)]
    keyed = [Node(f"keyed {number}", stop=1 + number) for number in range(3)]
    async with System() as system:
        ref = await system.spawn(Node("top", *named, keyed=tuple(keyed), grace=100), "top")
        await wait_all_tasks_blocked()
        ref.stop()
        await ref.stopped()
    assert [child.ended_at for child in keyed] == [1, 2, 3]
    assert [child.ended_at for child in named] == [3 + 6, 3 + 4, 3 + 2]


@pytest.mark.rule("E3")
async def test_children_that_need_longer_than_the_grace_are_killed_together_and_named(
    autojump_clock: MockClock,
) -> None:
    with capture_logs() as logs:
        async with System() as system:
            named = [Node(f"named {number}", busy=FOREVER) for number in range(2)]
            keyed = Node("keyed", busy=FOREVER)
            deep = Node("middle", Node("deep", busy=FOREVER), grace=100)
            top = Node("top", *named, deep, Node("quick"), keyed=(keyed,), grace=7)
            ref = await system.spawn(top, "top")
            await wait_all_tasks_blocked()
            ref.stop()
            await ref.stopped()
            assert top.ended_at == 7
    [stuck] = lines(logs, "actor.children_stuck")
    assert (stuck["actor"], stuck["seconds"], stuck["log_level"]) == ("greenroom/top", 7, "warning")
    # The keyed one did not end, so it was nobody's turn; those that hold the others are named.
    assert stuck["children"] == [
        "greenroom/top/keyed",
        "greenroom/top/middle/deep",
        "greenroom/top/named 0",
        "greenroom/top/named 1",
        "greenroom/top/quick",
    ]
    assert lines(logs, "actor.uncancellable") == []


@pytest.mark.rule("E4")
async def test_a_cleanup_that_runs_when_its_parents_grace_is_over_has_one_grace_of_the_parents_left(
    autojump_clock: MockClock,
) -> None:
    with capture_logs() as logs:
        async with System(grace=3) as system:
            child = Node("child", stop=FOREVER, grace=50)
            await system.spawn(Node("parent", child, grace=20), "parent")
    assert trio.current_time() == 3 + 3
    assert [entry["actor"] for entry in lines(logs, "actor.on_stop_stuck")] == [
        "greenroom/parent/child",
        "greenroom/parent",  # for which nothing is left
    ]
    assert lines(logs, "actor.uncancellable") == []


@pytest.mark.rule("E2", "E4")
@pytest.mark.parametrize("busy", [0, FOREVER])
async def test_what_is_below_a_killed_actor_has_that_actors_grace_and_not_its_own(
    autojump_clock: MockClock, busy: float
) -> None:
    with capture_logs() as logs:
        async with System(grace=100) as system:
            low = Node("low", stop=FOREVER, grace=50)
            middle = Node("middle", low, stop=FOREVER, grace=50)
            top = Node("top", middle, grace=2, busy=busy)
            ref = await system.spawn(top, "top")
            ref.tell(Go())
            await wait_all_tasks_blocked()
            ref.kill()
            await ref.stopped()
            assert trio.current_time() == 2
            assert top.ended_at == 2
    assert lines(logs, "actor.uncancellable") == []


@pytest.mark.rule("E4")
async def test_a_stop_takes_three_graces_at_most(autojump_clock: MockClock) -> None:
    with capture_logs():
        async with System(grace=100) as system:
            low = Node("low", busy=FOREVER, stop=FOREVER, grace=50)
            middle = Node("middle", low, busy=FOREVER, stop=FOREVER, grace=50)
            keyed = Node("keyed", Node("low", stop=FOREVER, grace=50), grace=50)
            top = Node("top", middle, keyed=(keyed,), stop=FOREVER, grace=2)
            ref = await system.spawn(top, "top")
            await wait_all_tasks_blocked()
            ref.stop()
            await ref.stopped()
            assert trio.current_time() == 3 * 2


@pytest.mark.rule("E6")
async def test_one_that_cannot_be_cancelled_is_named_for_as_long_as_it_holds_the_stop(
    autojump_clock: MockClock,
) -> None:
    with capture_logs() as logs:
        async with System(grace=1000) as system:
            low = Node("low", shield=33, grace=50)
            top = Node("top", Node("middle", low, grace=50), grace=2)
            ref = await system.spawn(top, "top")
            await trio.sleep(10)
            ref.stop()
            await ref.stopped()
            assert trio.current_time() == 33
            await trio.sleep(100)
    held = lines(logs, "actor.uncancellable")
    assert {entry["log_level"] for entry in held} == {"error"}
    assert {(*entry["children"], entry["count"]) for entry in held} == {
        ("greenroom/top/middle/low", 1)
    }
    # Killed at 12, and then every five seconds: twice the grace and a second.
    assert [entry["actor"] for entry in held if entry["actor"] == "greenroom/top"] == [
        "greenroom/top"
    ] * 4


@pytest.mark.rule("E6")
async def test_a_line_of_the_log_names_some_of_many_and_counts_all(
    autojump_clock: MockClock,
) -> None:
    with capture_logs() as logs:
        async with System(grace=1) as system:
            for number in range(NAMED + 5):
                ref = await system.spawn(Node("node", shield=5), f"{number:02}")
                ref.tell(Go())
            await wait_all_tasks_blocked()
    assert trio.current_time() == 5
    [held] = lines(logs, "actor.uncancellable")
    assert held["count"] == NAMED + 5
    assert held["children"] == [f"greenroom/{number:02}" for number in range(NAMED)]


@pytest.mark.rule("E3", "E6")
async def test_who_ends_in_time_is_not_named(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        async with System(grace=10) as system:
            child = Node("child", busy=4, stop=4)
            await system.spawn(Node("top", child, grace=10), "top")
            await wait_all_tasks_blocked()
    assert trio.current_time() == 8
    assert [entry for entry in logs if entry["log_level"] not in {"debug", "info"}] == []
