"""One-for-all: the supervised children of one parent go down and come up together, in order."""

from collections.abc import Callable

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorCrashed,
    Backoff,
    Permanent,
    Policy,
    Ref,
    Request,
    RestartLimit,
    Strategy,
    System,
    Temporary,
    Transient,
)

SOON = Backoff(first=1, factor=1, most=1, jitter=0)
OFTEN = Transient(restarts=5, seconds=100, backoff=SOON)


class BrokenError(Exception):
    pass


class Say(Request[str], frozen=True):
    what: str
    takes: float = 0


class Member(Actor[Say]):
    grace = 1

    def __init__(self, name: str, diary: list[str], *, starts: list[float | None]) -> None:
        self.name = name
        self.diary = diary
        self.start_takes = starts.pop(0) if starts else 0

    def note(self, what: str) -> None:
        self.diary.append(f"{self.name} {what} at {trio.current_time():g}")

    async def on_start(self) -> None:
        if self.start_takes is None:
            self.note("fails to start")
            raise BrokenError
        await trio.sleep(self.start_takes)
        self.note("up")

    async def receive(self, message: Say) -> str:
        await trio.sleep(message.takes)
        match message.what:
            case "crash":
                raise BrokenError
            case "leave":
                self.stop()
            case _:
                pass
        return f"{self.name} says {message.what}"

    async def on_stop(self) -> None:
        self.note("down")


class Parent(Actor[Say]):
    strategy = Strategy.ONE_FOR_ALL
    grace = 3

    def __init__(
        self, policies: dict[str, Policy], starts: dict[str, list[float | None]] | None = None
    ) -> None:
        self.policies = policies
        self.starts = starts or {}
        self.diary: list[str] = []
        self.refs: dict[str, Ref[Say]] = {}

    async def on_start(self) -> None:
        for name, policy in self.policies.items():
            await self.add(name, policy)

    async def add(self, name: str, policy: Policy) -> None:
        starts = self.starts.get(name, [])

        def create() -> Member:
            return Member(name, self.diary, starts=starts)

        if isinstance(policy, Temporary):
            self.refs[name] = await self.spawn(create(), name)
        else:
            self.refs[name] = await self.supervise(create, name, policy)

    async def receive(self, message: Say) -> None:
        await self.add(message.what, OFTEN)

    def tell(self, name: str, what: str, takes: float = 0) -> None:
        self.refs[name].tell(Say(what, takes))

    def since(self, moment: float) -> list[str]:
        return [line for line in self.diary if float(line.rsplit(" ", 1)[1]) >= moment]


ABC: dict[str, Policy] = {"a": OFTEN, "b": OFTEN, "c": OFTEN}
ALL_ANEW = [
    *("b down at 10", "c down at 10", "a down at 10"),
    *("a up at 11", "b up at 11", "c up at 11"),
]


@pytest.mark.rule("S7", "S3")
async def test_all_go_down_youngest_first_and_come_up_oldest_first(
    autojump_clock: MockClock,
) -> None:
    parent = Parent(ABC)
    with capture_logs():
        async with System() as system:
            await system.spawn(parent, "parent")
            await trio.sleep(10)
            parent.tell("b", "crash")
            await trio.sleep(5)
            assert parent.since(10) == ALL_ANEW
            answers = [await ref.ask(Say("hello")) for ref in parent.refs.values()]
            assert answers == ["a says hello", "b says hello", "c says hello"]
            restarts = [child.restarts for child in system.tree().children[0].children]
            assert restarts == [1, 1, 1]


@pytest.mark.rule("S7", "S2")
async def test_a_restart_counts_for_the_child_that_failed_and_for_no_other(
    autojump_clock: MockClock,
) -> None:
    parent = Parent({"a": Transient(restarts=0), "b": Transient(restarts=3, backoff=SOON)})
    with capture_logs():
        async with System() as system:
            ref = await system.spawn(parent, "parent")
            for _ in range(3):
                parent.tell("b", "crash")
                await trio.sleep(2)
            assert await parent.refs["a"].ask(Say("hello")) == "a says hello"
            parent.tell("a", "crash")
            await ref.stopped()
            assert system.counts().restarted == 6


@pytest.mark.rule("S7", "S1")
async def test_a_temporary_child_is_left_alone_and_one_that_has_finished_is_not_brought_back(
    autojump_clock: MockClock,
) -> None:
    parent = Parent({"a": OFTEN, "passing": Temporary(), "done": OFTEN})
    with capture_logs():
        async with System() as system:
            await system.spawn(parent, "parent")
            parent.tell("done", "leave")
            await trio.sleep(10)
            parent.tell("a", "crash")
            await trio.sleep(5)
            assert parent.since(10) == ["a down at 10", "a up at 11"]


@pytest.mark.rule("S7", "C3")
async def test_what_waits_for_a_member_is_handled_by_its_next_incarnation_in_order(
    autojump_clock: MockClock,
) -> None:
    answers: list[str] = []

    async def ask(what: str) -> None:
        answers.append(await parent.refs["a"].ask(Say(what)))

    parent = Parent(ABC)
    with capture_logs():
        async with System() as system, trio.open_nursery() as nursery:
            await system.spawn(parent, "parent")
            parent.tell("a", "slow", 2)
            for what in ("one", "two", "three"):
                nursery.start_soon(ask, what)
                await wait_all_tasks_blocked()
            parent.tell("b", "crash")
            await trio.sleep(10)
            assert answers == ["a says one", "a says two", "a says three"]
            assert "a down at 2" in parent.diary


@pytest.mark.rule("S7", "E3")
async def test_a_member_that_is_stuck_is_cancelled_after_the_parents_grace_and_comes_back(
    autojump_clock: MockClock,
) -> None:
    parent = Parent(ABC)
    with capture_logs():
        async with System() as system:
            await system.spawn(parent, "parent")
            await trio.sleep(10)
            parent.tell("a", "never", 1e9)
            parent.tell("c", "crash")
            await trio.sleep(9)
            assert parent.since(10) == [
                *("c down at 10", "b down at 10", "a down at 13"),
                *("a up at 14", "b up at 14", "c up at 14"),
            ]


@pytest.mark.rule("S7")
async def test_two_that_fail_at_once_are_one_round(autojump_clock: MockClock) -> None:
    parent = Parent(ABC)
    with capture_logs():
        async with System() as system:
            await system.spawn(parent, "parent")
            await trio.sleep(10)
            parent.tell("a", "crash", 1)
            parent.tell("b", "crash", 1)
            await trio.sleep(9)
            assert sorted(parent.since(10)[:3]) == ["a down at 11", "b down at 11", "c down at 11"]
            assert parent.since(12) == ["a up at 12", "b up at 12", "c up at 12"]


@pytest.mark.rule("S7", "S2")
async def test_a_member_that_cannot_come_up_takes_down_those_that_have(
    autojump_clock: MockClock,
) -> None:
    parent = Parent(ABC, {"b": [0, None, 0]})
    with capture_logs():
        async with System() as system:
            await system.spawn(parent, "parent")
            await trio.sleep(10)
            parent.tell("c", "crash")
            await trio.sleep(9)
            assert parent.since(11) == [
                *("a up at 11", "b fails to start at 11", "a down at 11"),
                *("a up at 12", "b up at 12", "c up at 12"),
            ]


@pytest.mark.rule("S7", "S4")
@pytest.mark.parametrize("end", [Ref.stop, Ref.kill])
async def test_a_member_that_is_told_to_end_while_it_is_down_ends_and_the_others_come_up(
    autojump_clock: MockClock, end: Callable[[Ref[Say]], None]
) -> None:
    parent = Parent(ABC)
    with capture_logs():
        async with System() as system:
            await system.spawn(parent, "parent")
            await trio.sleep(10)
            parent.tell("b", "crash")
            await trio.sleep(0.5)
            end(parent.refs["b"])
            await parent.refs["b"].stopped()
            assert trio.current_time() == 10.5
            await trio.sleep(5)
            assert parent.since(10.6) == ["a up at 11", "c up at 11"]


@pytest.mark.rule("S7", "E3", "E5")
@pytest.mark.parametrize("end", [Ref.stop, Ref.kill])
@pytest.mark.parametrize("phase", [10, 11, 13.5, 15])
async def test_a_parent_that_ends_during_a_round_ends_in_time(
    autojump_clock: MockClock, end: Callable[[Ref[Say]], None], phase: float
) -> None:
    parent = Parent(ABC, {"b": [0, 3]})
    before = trio.lowlevel.current_statistics().tasks_living
    with capture_logs():
        async with System() as system:
            ref = await system.spawn(parent, "parent")
            await trio.sleep(10)
            parent.tell("a", "slow", 2)
            parent.tell("c", "crash")
            await trio.sleep_until(phase)  # going down, down, coming up, coming up
            end(ref)
            await ref.stopped()
            assert trio.current_time() <= phase + 3 * parent.grace
    assert trio.lowlevel.current_statistics().tasks_living == before


@pytest.mark.rule("S7")
async def test_a_child_that_joins_during_a_round_is_not_touched_by_it(
    autojump_clock: MockClock,
) -> None:
    parent = Parent(ABC)
    with capture_logs():
        async with System() as system:
            ref = await system.spawn(parent, "parent")
            await trio.sleep(10)
            parent.tell("c", "crash")
            await trio.sleep(0.5)
            ref.tell(Say("d"))
            await trio.sleep(9)
            assert [line for line in parent.diary if line.startswith("d")] == ["d up at 10.5"]
            parent.tell("d", "crash")
            await trio.sleep(9)
            assert parent.since(20)[-4:] == [f"{name} up at 20.5" for name in "abcd"]


@pytest.mark.rule("S5", "S7", "C2")
async def test_past_a_members_limit_the_parent_fails_and_the_others_end_with_it(
    autojump_clock: MockClock,
) -> None:
    parent = Parent({"a": OFTEN, "b": Permanent(restarts=1, seconds=100, backoff=SOON)})
    with capture_logs() as logs:
        async with System() as system:
            ref = await system.spawn(parent, "parent")
            parent.tell("b", "crash")
            await trio.sleep(5)
            with pytest.raises(ActorCrashed):
                await parent.refs["b"].ask(Say("crash"))
            await ref.stopped()
            await parent.refs["a"].stopped()
    [failure] = [
        entry["exc_info"]
        for entry in logs
        if entry["event"] == "actor.crashed" and entry["actor"] == "greenroom/parent"
    ]
    assert isinstance(failure, RestartLimit)
    assert isinstance(failure.__cause__, BrokenError)
