"""A failure past the limit is the parent's, level by level, and at the top it ends the system."""

from collections.abc import Callable, Iterator

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Backoff,
    Crashed,
    Directory,
    Ending,
    Finished,
    Killed,
    Permanent,
    Ref,
    Request,
    RestartLimit,
    StartFailed,
    System,
    Transient,
)
from greenroom.runtime.supervision import Restarted

IN_VIRTUAL_TIME = True

WAITS = Backoff(first=1, factor=1, jitter=0)
NEVER = Transient(restarts=0, backoff=WAITS)
ONCE = Transient(restarts=1, backoff=WAITS)


class BrokenError(Exception):
    pass


class Do(Request[str], frozen=True):
    what: str
    seconds: float = 0


class Player(Actor[Do]):
    def __init__(self) -> None:
        self.diary: list[str] = []

    async def receive(self, message: Do) -> str:
        await trio.sleep(message.seconds)
        match message.what:
            case "crash":
                raise BrokenError
            case "stop":
                self.stop()
            case _:
                pass
        return message.what

    async def on_stop(self) -> None:
        self.diary.append(f"end at {trio.current_time():g}")


class Parent(Player):
    """Has a supervised child and another one."""

    def __init__(self, policy: Restarted = NEVER, child: Callable[[], Player] = Player) -> None:
        super().__init__()
        self.policy = policy
        self.create_child = child
        self.children_created = 0
        self.other_ends: list[Ending] = []
        self.ends: list[Ending] = []

    async def on_start(self) -> None:
        self.ref.on_end(self.ends.append)
        self.other = await self.spawn(Player(), "other")
        self.other.on_end(self.other_ends.append)
        self.child = await self.supervise(self.create, "child", self.policy)

    def create(self) -> Player:
        self.children_created += 1
        return self.create_child()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


def limit_of(ending: Ending) -> RestartLimit:
    assert isinstance(ending, Crashed)
    assert isinstance(ending.error, RestartLimit)
    return ending.error


@pytest.mark.rule("S2", "S5")
@pytest.mark.parametrize("restarts", range(4))
async def test_the_failure_after_the_last_restart_that_is_allowed_is_the_parents(
    restarts: int,
) -> None:
    parent = Parent(Transient(restarts, seconds=100, backoff=WAITS))
    async with System() as system:
        ref = await system.spawn(parent, "parent")
        for _ in range(restarts):
            parent.child.tell(Do("crash"))
            await parent.child.ask(Do("x"))
        assert parent.ends == []
        parent.child.tell(Do("crash"))
        await ref.stopped()
    limit = limit_of(parent.ends[0])
    assert str(limit) == (
        f"greenroom/parent/child failed again after {restarts} restarts within 100 seconds"
    )
    assert (limit.path, limit.restarts, limit.seconds) == (parent.child.path, restarts, 100)
    assert isinstance(limit.__cause__, BrokenError)
    assert parent.children_created == restarts + 1


@pytest.mark.rule("S2", "S5")
async def test_failures_that_are_far_enough_apart_never_escalate() -> None:
    parent = Parent(Transient(restarts=2, seconds=19, backoff=WAITS))
    async with System() as system:
        ref = await system.spawn(parent, "parent")
        for _ in range(20):
            parent.child.tell(Do("crash"))
            await trio.sleep(10)
        parent.child.tell(Do("crash"))
        await trio.sleep(9)
        parent.child.tell(Do("crash"))  # 18 seconds after the last restart but one
        await ref.stopped()
        assert trio.current_time() == 20 * 10 + 9


@pytest.mark.rule("S5", "S1")
async def test_a_permanent_child_that_stops_too_often_by_itself_fails_its_parent() -> None:
    parent = Parent(Permanent(restarts=1, backoff=WAITS))
    async with System() as system:
        ref = await system.spawn(parent, "parent")
        parent.child.tell(Do("stop"))
        parent.child.tell(Do("stop"))
        await ref.stopped()
    assert limit_of(parent.ends[0]).__cause__ is None


@pytest.mark.rule("S5", "S2", "C3")
async def test_a_child_that_cannot_start_again_fails_its_parent_and_answers_who_waits() -> None:
    class Frail(Player):
        lives = 0

        async def on_start(self) -> None:
            Frail.lives += 1
            if Frail.lives > 1:
                raise BrokenError(Frail.lives)

    parent = Parent(Transient(restarts=2, backoff=WAITS), Frail)
    async with System() as system:
        ref = await system.spawn(parent, "parent")
        parent.child.tell(Do("crash"))
        with pytest.raises(ActorStopped):
            await parent.child.ask(Do("x"))
        await ref.stopped()
        assert trio.current_time() == 2
    assert Frail.lives == 3
    cause = limit_of(parent.ends[0]).__cause__
    assert isinstance(cause, BrokenError)
    assert cause.args == (3,)


@pytest.mark.rule("S5", "C1", "C2", "C3")
async def test_the_parent_crashes_where_it_stands_with_all_that_it_has() -> None:
    parent = Parent()
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.spawn(parent, "parent")

        async def ask(fault: type[Exception], cause: type[Exception] | None) -> None:
            with pytest.raises(fault) as caught:
                await ref.ask(Do("x", seconds=100))
            assert trio.current_time() == 1
            if cause is not None:
                assert isinstance(caught.value.__cause__, cause)

        nursery.start_soon(ask, ActorCrashed, RestartLimit)
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, ActorStopped, None)
        await trio.sleep(1)
        parent.child.tell(Do("crash"))
        await ref.stopped()
        assert parent.other_ends == [Killed()]
    assert parent.diary == ["end at 1"]


class Messy(Parent):
    """Answers its cancellation with an error."""

    async def receive(self, message: Do) -> str:
        if message.what == "mess":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.fail_when_cancelled)
                nursery.start_soon(trio.sleep_forever)
        return await super().receive(message)

    async def fail_when_cancelled(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError


@pytest.mark.rule("S5", "C4")
async def test_whatever_the_parent_makes_of_its_cancellation_it_crashes_with_the_limit() -> None:
    parent = Messy()
    async with System() as system:
        ref = await system.spawn(parent, "parent")
        ref.tell(Do("mess"))
        await wait_all_tasks_blocked()
        parent.child.tell(Do("crash"))
        await ref.stopped()
    assert isinstance(limit_of(parent.ends[0]).__cause__, BrokenError)


@pytest.mark.rule("S5", "S6", "C3")
async def test_the_parents_own_supervisor_decides_and_its_next_child_has_no_past() -> None:
    parents: list[Parent] = []

    def create() -> Parent:
        parents.append(Parent(ONCE))
        return parents[-1]

    async with System() as system:
        ref = await system.supervise(create, "parent", ONCE)
        first = parents[0].child
        first.tell(Do("crash"))
        first.tell(Do("crash"))
        await trio.sleep(1.5)
        ref.tell(Do("x"))
        assert await ref.ask(Do("y")) == "y"
        assert trio.current_time() == 2
        assert len(parents) == 2
        second = parents[1].child
        assert second is not first
        second.tell(Do("crash"))
        assert await second.ask(Do("x")) == "x"
        assert system.counts().crashed == 1


@pytest.mark.rule("S5")
async def test_a_failure_rises_as_far_as_nobody_may_restart() -> None:
    async def fail(levels: int) -> None:
        leaf: list[Ref[Do]] = []

        class Level(Player):
            def __init__(self, height: int) -> None:
                super().__init__()
                self.height = height

            async def on_start(self) -> None:
                if not self.height:
                    leaf.append(self.ref)
                else:
                    await self.supervise(lambda: Level(self.height - 1), "x", NEVER)

        async with System() as system:
            await system.supervise(lambda: Level(levels), "x", NEVER)
            leaf[0].tell(Do("crash"))
            await trio.sleep_forever()

    with pytest.raises(RestartLimit) as caught:
        await fail(3)
    fault: BaseException | None = caught.value
    for depth in range(1, 5):
        assert isinstance(fault, RestartLimit)
        assert fault.path == "greenroom" + depth * "/x"
        fault = fault.__cause__
    assert isinstance(fault, BrokenError)


# What the parent does meanwhile


class Starting(Parent):
    """Has its child crash while it starts for the n-th time."""

    def __init__(self, lives: list[int], fails: int) -> None:
        super().__init__()
        lives.append(len(lives) + 1)
        self.fails = lives[-1] == fails

    async def on_start(self) -> None:
        await super().on_start()
        if self.fails:
            self.child.tell(Do("crash"))
            await trio.sleep(5)


@pytest.mark.rule("S5", "B2")
async def test_past_the_limit_in_the_parents_first_start_it_is_the_parents_spawners() -> None:
    lives: list[int] = []
    async with System() as system:
        with pytest.raises(StartFailed) as caught:
            await system.supervise(lambda: Starting(lives, fails=1), "parent", ONCE)
        assert isinstance(caught.value.__cause__, RestartLimit)
        assert trio.current_time() == 0
        assert system.tree().children == ()
        await trio.sleep(10)
    assert lives == [1]


@pytest.mark.rule("S5", "S1")
async def test_past_the_limit_in_a_later_start_of_the_parent_that_start_has_failed() -> None:
    lives: list[int] = []
    policy = Transient(restarts=2, backoff=WAITS)
    async with System() as system:
        ref = await system.supervise(lambda: Starting(lives, fails=2), "parent", policy)
        ref.tell(Do("crash"))
        assert await ref.ask(Do("x")) == "x"
        assert trio.current_time() == 2
    assert lives == [1, 2, 3]


@pytest.mark.rule("S5", "E1")
async def test_past_the_limit_while_the_parent_stops_it_stops_all_the_same() -> None:
    parent = Parent()
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.spawn(parent, "parent")
        nursery.start_soon(ref.ask, Do("x", 4))
        parent.child.tell(Do("crash", 2))
        await trio.sleep(1)
        ref.stop()
        await ref.stopped()
        assert trio.current_time() == 4
    assert parent.ends == [Finished()]


@pytest.mark.rule("S5", "S1")
async def test_a_child_that_was_told_to_end_escalates_nothing() -> None:
    parent = Parent()
    async with System() as system:
        await system.spawn(parent, "parent")
        parent.child.tell(Do("crash", 2))
        await trio.sleep(1)
        parent.child.stop()
        await trio.sleep(5)
        assert parent.ends == []


@pytest.mark.rule("K8")
async def test_a_keyed_actor_past_its_limit_is_its_keys_matter_alone() -> None:
    class Host(Player):
        async def on_start(self) -> None:
            self.host(directory)

    directory = Directory[str, Do](lambda _: Player(), limit=2, policy=ONCE)
    async with System() as system:
        host = await system.supervise(Host, "host", NEVER)
        address = directory.address("a")
        for _ in range(3):
            address.tell(Do("crash"))
            assert await address.ask(Do("x")) == "x"
            address.tell(Do("crash"))
            with pytest.raises(ActorStopped):
                await address.ask(Do("x"))
            assert await address.ask(Do("x")) == "x"
            address.tell(Do("stop"))
            await trio.sleep(1)
        assert await host.ask(Do("x")) == "x"
