"""A system's actors as they stand, at any moment, without a message or a wait."""

from typing import Any

import msgspec
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    Backoff,
    Directory,
    Ending,
    Message,
    Node,
    Permanent,
    Ref,
    Request,
    State,
    System,
)


class Nap(Request[None], frozen=True):
    seconds: float


class Note(Message, frozen=True):
    pass


class Leave(Message, frozen=True):
    pass


class Crash(Message, frozen=True):
    pass


Wish = Nap | Note | Leave | Crash


class Sleeper(Actor[Wish]):
    """Takes two seconds to start and three to stop."""

    def __init__(self, *children: str) -> None:
        self.children = children

    async def on_start(self) -> None:
        for name in self.children:
            await self.spawn(Leaf(), name)
        await trio.sleep(2)

    async def receive(self, message: Wish) -> None:
        match message:
            case Nap(seconds):
                await trio.sleep(seconds)
            case Leave():
                self.stop()
            case Crash():
                raise ValueError("broken")
            case Note():
                pass

    async def on_stop(self) -> None:
        await trio.sleep(3)


class Leaf(Actor[Wish]):
    async def receive(self, message: Wish) -> None:
        pass


class Watcher(Sleeper):
    def __init__(self, *watched: Ref[Wish]) -> None:
        super().__init__()
        self.watched = watched

    async def on_start(self) -> None:
        for ref in self.watched:
            self.watch(ref, self.told)

    def told(self, ending: Ending) -> Note:
        return Note()


class House(Actor[Message]):
    def __init__(self) -> None:
        self.guests: Directory[str, Wish] = Directory(lambda key: Sleeper(), limit=5)

    async def on_start(self) -> None:
        self.host(self.guests)

    async def receive(self, message: Message) -> None:
        pass


def only(node: Node) -> Node:
    [child] = node.children
    return child


@pytest.mark.rule("O4")
async def test_the_tree_shows_what_an_actor_does_from_its_start_to_its_end(
    autojump_clock: MockClock,
) -> None:
    policy = Permanent(backoff=Backoff(first=5, factor=1, most=5, jitter=0))
    seen: list[tuple[float, State, int, str | None]] = []

    def look() -> None:
        seen.extend(
            (trio.current_time(), node.state, node.restarts, node.message)
            for node in system.tree().children
        )

    with capture_logs():
        async with System() as system, trio.open_nursery() as nursery:
            refs: list[Ref[Wish]] = []

            async def spawn() -> None:
                refs.append(await system.supervise(Sleeper, "sleeper", policy))

            nursery.start_soon(spawn)
            await trio.sleep(1)
            look()
            await trio.sleep(2)  # 3
            look()
            refs[0].tell(Nap(2))
            await trio.sleep(1)  # 4
            look()
            refs[0].tell(Crash())
            await trio.sleep(3)  # 7: it crashed at 5, cleans up until 8, and waits until 13
            look()
            await trio.sleep(3)  # 10
            look()
            await trio.sleep(4)  # 14
            look()
            await trio.sleep(2)  # 16
            look()
            refs[0].stop()
            await trio.sleep(1)  # 17
            look()
            await trio.sleep(5)  # 22
            look()
    assert seen == [
        (1, State.STARTING, 0, None),
        (3, State.WAITING, 0, None),
        (4, State.WORKING, 0, "Nap"),
        (7, State.STOPPING, 0, None),
        (10, State.RESTARTING, 0, None),
        (14, State.STARTING, 1, None),
        (16, State.WAITING, 1, None),
        (17, State.STOPPING, 1, None),
    ]


@pytest.mark.rule("O4")
async def test_an_actor_that_was_told_to_end_works_until_the_message_in_hand_is_done(
    autojump_clock: MockClock,
) -> None:
    async with System() as system:
        ref = await system.spawn(Sleeper(), "sleeper")
        ref.tell(Nap(5))
        await wait_all_tasks_blocked()
        ref.stop()
        assert only(system.tree()).state is State.WORKING
        await trio.sleep(6)
        assert only(system.tree()).state is State.STOPPING


@pytest.mark.rule("O4", "W2")
async def test_depth_counts_what_waits_messages_and_signals(autojump_clock: MockClock) -> None:
    async with System() as system, trio.open_nursery() as nursery:
        watched = await system.spawn(Leaf(), "leaf")
        ref = await system.spawn(Watcher(watched, watched), "watcher")
        nursery.start_soon(ref.ask, Nap(5))
        await wait_all_tasks_blocked()
        for told in range(4):
            assert system.tree().children[1].depth == told
            ref.tell(Note())
        watched.stop()
        await watched.stopped()
        assert only(system.tree()).depth == 4 + 2
        await trio.sleep(6)
        assert only(system.tree()).depth == 0


@pytest.mark.rule("O4")
async def test_age_is_in_seconds_since_an_actor_was_begun_its_restarts_included(
    autojump_clock: MockClock,
) -> None:
    with capture_logs():
        async with System() as system:
            await trio.sleep(1)
            ref = await system.supervise(Sleeper, "sleeper", Permanent())
            assert (system.tree().age, only(system.tree()).age) == (3, 2)
            await trio.sleep(10)
            ref.tell(Crash())
            await trio.sleep(10)
            assert only(system.tree()).age == 22


@pytest.mark.rule("O4")
async def test_the_tree_is_cut_where_it_was_asked_to_and_says_how_many_are_below(
    autojump_clock: MockClock,
) -> None:
    def shape(node: Node) -> dict[str, Any]:
        return {
            f"{child.path.rpartition('/')[2]} {child.child_count}": shape(child)
            for child in node.children
        }

    async with System("house") as system:
        await system.spawn(Sleeper("a", "b"), "one")
        await system.spawn(Sleeper("c"), "two")
        whole: dict[str, Any] = {"one 2": {"a 0": {}, "b 0": {}}, "two 1": {"c 0": {}}}
        assert shape(system.tree()) == shape(system.tree(2)) == shape(system.tree(9)) == whole
        assert shape(system.tree(1)) == {"one 2": {}, "two 1": {}}
        assert (system.tree(0).path, system.tree(0).child_count) == ("house", 2)
        assert system.tree(0).children == ()
        assert [child.actor for child in system.tree(2).children] == ["Sleeper"] * 2


@pytest.mark.rule("O4", "K2")
async def test_the_keyed_stand_among_the_children_the_next_one_while_it_waits_for_the_last(
    autojump_clock: MockClock,
) -> None:
    async with System() as system:
        house = House()
        await system.spawn(house, "house")
        house.guests.address("a").tell(Leave())
        await trio.sleep(3)
        house.guests.address("a").tell(Note())
        await trio.sleep(1)
        nodes = only(system.tree()).children
        assert [(node.path, node.state, node.depth, node.age) for node in nodes] == [
            ("greenroom/house/a", State.STOPPING, 0, 4),
            ("greenroom/house/a", State.STARTING, 1, 1),
        ]
        await trio.sleep(10)
        assert [node.state for node in only(system.tree()).children] == [State.WAITING]


@pytest.mark.rule("O4")
async def test_a_tree_is_data(autojump_clock: MockClock) -> None:
    async with System("house") as system:
        await system.spawn(Sleeper("child"), "sleeper")
        tree = system.tree()
        assert msgspec.json.decode(msgspec.json.encode(tree), type=Node) == tree
        assert msgspec.json.decode(msgspec.json.encode(only(tree))) == {
            "path": "house/sleeper",
            "actor": "Sleeper",
            "state": "waiting",
            "depth": 0,
            "restarts": 0,
            "age": 2.0,
            "message": None,
            "child_count": 1,
            "children": [
                {
                    "path": "house/sleeper/child",
                    "actor": "Leaf",
                    "state": "waiting",
                    "depth": 0,
                    "restarts": 0,
                    "age": 2.0,
                    "message": None,
                    "child_count": 0,
                    "children": [],
                }
            ],
        }


@pytest.mark.rule("O4", "E5")
async def test_a_tree_is_there_from_the_beginning_of_its_system_on(
    autojump_clock: MockClock,
) -> None:
    system = System()
    with pytest.raises(RuntimeError, match="inside of its `async with`"):
        system.tree()
    async with system:
        assert (system.tree().state, system.tree().children) == (State.WAITING, ())
        await system.spawn(Leaf(), "leaf")
        assert only(system.tree()).state is State.WAITING
    assert (system.tree().state, system.tree().children) == (State.STOPPING, ())
