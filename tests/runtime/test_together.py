"""A round of one-for-all while something else happens: more failures, stops, kills and stuck members.

The plain rounds are in `test_one_for_all`.
"""

from collections.abc import Iterator

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
    Ending,
    Finished,
    Permanent,
    Ref,
    Request,
    Restarting,
    RestartLimit,
    Strategy,
    System,
    Transient,
)
from greenroom.runtime.supervision import Restarted
from greenroom.runtime.testing import Trace

IN_VIRTUAL_TIME = True

WAITS = Backoff(first=2, factor=1, jitter=0)
NEVER = Transient(restarts=0)
ONCE = Transient(restarts=1, seconds=100, backoff=WAITS)
OFTEN = Transient(restarts=5, seconds=100, backoff=WAITS)
ALWAYS = Permanent(restarts=5, seconds=100, backoff=WAITS)


class BrokenError(Exception):
    pass


class Do(Request[str], frozen=True):
    what: str = "nothing"
    seconds: float = 0
    whom: str = ""


class Member(Actor[Do]):
    grace = 100

    def __init__(self, family: "Family", name: str) -> None:
        self.family = family
        self.name = name

    async def on_start(self) -> None:
        await trio.sleep(self.family.start_takes.get(self.name, 0))
        self.family.note(self.name, "up")

    async def receive(self, message: Do) -> str:
        self.family.note(self.name, message.what)
        match message.what:
            case "crash":
                await trio.sleep(message.seconds)
                raise BrokenError
            case "stop":
                self.stop("value")
            case "ask":
                return await self.family.refs[message.whom].ask(Do())
            case "defer":
                self.reply_port(message)
            case _:
                pass
        if message.seconds:
            await trio.sleep(message.seconds)
        return f"{self.name} did {message.what}"

    async def on_stop(self) -> None:
        if self.name in self.family.stop_takes:
            await trio.sleep(self.family.stop_takes[self.name])
        self.family.note(self.name, "down")


class Family(Actor[Do]):
    """Members in the order of their policies, and a diary of them all."""

    strategy = Strategy.ONE_FOR_ALL
    grace = 10

    def __init__(self, **policies: Restarted) -> None:
        self.policies = policies
        self.start_takes: dict[str, float] = {}
        self.stop_takes: dict[str, float] = {}
        self.diary: list[str] = []
        self.refs: dict[str, Ref[Do]] = {}
        self.ends: dict[str, Ending] = {}

    def note(self, name: str, what: str) -> None:
        self.diary.append(f"{name} {what} at {trio.current_time():g}")

    async def on_start(self) -> None:
        for name, policy in self.policies.items():
            await self.add(name, policy)

    async def add(self, name: str, policy: Restarted) -> None:
        ref = self.refs[name] = await self.supervise(lambda: Member(self, name), name, policy)
        ref.on_end(lambda ending: self.ends.__setitem__(name, ending))

    async def receive(self, message: Do) -> None:
        match message.what:
            case "supervise":
                await self.add(message.whom, OFTEN)
            case "spawn":
                self.refs[message.whom] = await self.spawn(Member(self, message.whom), message.whom)
            case _:
                await trio.sleep(message.seconds)
                raise BrokenError

    def tell(self, name: str, what: str, seconds: float = 0, whom: str = "") -> None:
        self.refs[name].tell(Do(what, seconds, whom))

    def moves(self) -> list[str]:
        """Tell who went down or came up and when, but for the first start."""
        moves = [line for line in self.diary if line.split()[1] in {"up", "down"}]
        return moves[len(self.policies) :]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


def restarts_of(system: System) -> dict[str, int]:
    [family] = system.tree().children
    return {child.path[-1]: child.restarts for child in family.children}


# Who fails during a round


@pytest.mark.rule("S7", "S3")
async def test_those_who_fail_at_once_wait_for_the_longest_of_their_waits() -> None:
    slow = Transient(backoff=Backoff(first=7, jitter=0))
    family = Family(a=OFTEN, b=slow, c=OFTEN)
    async with System() as system:
        await system.spawn(family, "family")
        for name in "abc":
            family.tell(name, "crash")
        await trio.sleep(20)
        assert family.moves()[3:] == ["a up at 7", "b up at 7", "c up at 7"]
        assert restarts_of(system) == {"a": 1, "b": 1, "c": 1}


@pytest.mark.rule("S7", "S2")
async def test_who_fails_while_others_go_down_is_part_of_their_round_and_it_counts() -> None:
    family = Family(a=ONCE, b=OFTEN, c=OFTEN)
    family.stop_takes["b"] = 3
    async with System() as system:
        ref = await system.spawn(family, "family")
        family.tell("c", "crash")
        family.tell("a", "crash", 1)
        await trio.sleep(20)
        assert family.moves() == [
            *("c down at 0", "a down at 1", "b down at 3"),
            *("a up at 5", "b up at 5", "c up at 5"),
        ]
        family.tell("a", "crash")
        await ref.stopped()


@pytest.mark.rule("S7", "S2", "C2")
async def test_who_crashes_when_it_was_to_go_down_anyway_is_not_counted() -> None:
    family = Family(a=NEVER, b=OFTEN)
    async with System() as system, trio.open_nursery() as nursery:
        await system.spawn(family, "family")

        async def ask() -> None:
            with pytest.raises(ActorCrashed):
                await family.refs["a"].ask(Do("crash", 3))

        nursery.start_soon(ask)
        await trio.sleep(1)
        family.tell("b", "crash")
        await trio.sleep(20)
        assert family.moves() == ["b down at 1", "a down at 3", "a up at 5", "b up at 5"]


@pytest.mark.rule("S7", "S3")
async def test_who_joins_and_fails_while_the_others_wait_makes_them_wait_longer() -> None:
    family = Family(a=OFTEN, b=OFTEN)
    async with System() as system:
        ref = await system.spawn(family, "family")
        family.tell("b", "crash")
        await trio.sleep(1)
        await ref.ask(Do("supervise", whom="c"))
        family.tell("c", "crash")
        await trio.sleep(20)
        assert family.moves() == [
            *("b down at 0", "a down at 0", "c up at 1", "c down at 1"),
            *("a up at 4", "b up at 4", "c up at 4"),
        ]


@pytest.mark.rule("S7", "S2")
async def test_who_fails_while_others_come_up_takes_all_down_again() -> None:
    family = Family(a=OFTEN, b=OFTEN, c=OFTEN)
    async with System() as system:
        await system.spawn(family, "family")
        family.start_takes["b"] = 3
        family.tell("b", "crash")
        await trio.sleep(2.5)
        family.tell("a", "crash", 1)
        await trio.sleep(20)
        assert family.moves() == [
            *("b down at 0", "c down at 0", "a down at 0", "a up at 2", "a down at 3.5"),
            *("b up at 5", "b down at 5", "a up at 7", "b up at 10", "c up at 10"),
        ]
        assert restarts_of(system) == {"a": 2, "b": 2, "c": 1}


@pytest.mark.rule("S7", "S5")
async def test_who_fails_past_its_limit_while_others_come_up_fails_the_parent_at_once() -> None:
    family = Family(a=ONCE, b=OFTEN, c=OFTEN)
    async with System() as system:
        ref = await system.spawn(family, "family")
        ref.on_end(lambda ending: family.ends.__setitem__("family", ending))
        family.start_takes["b"] = 30
        family.tell("a", "crash")
        await trio.sleep(2.5)
        family.tell("a", "crash", 1)
        await ref.stopped()
        assert trio.current_time() == 3.5
    ending = family.ends["family"]
    assert isinstance(ending, Crashed)
    assert isinstance(ending.error, RestartLimit)


@pytest.mark.rule("S7", "S1")
async def test_a_permanent_member_that_stops_by_itself_takes_the_others_along() -> None:
    family = Family(a=OFTEN, b=ALWAYS)
    async with System() as system, Trace(system) as trace:
        await system.spawn(family, "family")
        family.tell("b", "stop")
        await trio.sleep(20)
        assert family.moves() == ["b down at 0", "a down at 0", "a up at 2", "b up at 2"]
        assert [event for _, event in trace.events if isinstance(event, Restarting)] == [
            Restarting("greenroom/family/b", Finished("value"), 2),
            Restarting("greenroom/family/a", Finished(), 0),
        ]


# How a member goes down


@pytest.mark.rule("S7", "E1", "A4", "C3")
async def test_a_member_finishes_what_it_has_in_hand_and_its_open_ports_end_as_at_a_stop() -> None:
    family = Family(a=OFTEN, b=OFTEN)
    answers: list[str] = []
    async with System() as system, trio.open_nursery() as nursery:
        await system.spawn(family, "family")

        async def ask(message: Do) -> None:
            try:
                answers.append(await family.refs["a"].ask(message))
            except ActorStopped:
                answers.append(f"stopped at {trio.current_time():g}")

        for message in (Do("defer"), Do("work", 3), Do("next")):
            nursery.start_soon(ask, message)
            await wait_all_tasks_blocked()
        family.tell("b", "crash", 1)
    assert answers == ["a did work", "stopped at 3", "a did next"]
    assert family.moves()[1] == "a down at 3"


@pytest.mark.rule("S7", "S6", "E3")
async def test_members_that_are_stuck_are_cancelled_together_and_cleaned_up_one_by_one() -> None:
    family = Family(a=OFTEN, b=OFTEN, c=OFTEN)
    family.stop_takes = {"a": 1, "b": 1}
    async with System() as system, trio.open_nursery() as nursery:
        await system.spawn(family, "family")

        async def ask(name: str) -> None:
            with pytest.raises(ActorStopped):
                await family.refs[name].ask(Do("work", 1000))

        nursery.start_soon(ask, "a")
        nursery.start_soon(ask, "b")
        await wait_all_tasks_blocked()
        family.tell("c", "crash")
        await trio.sleep(20)
        assert family.moves() == [
            *("c down at 0", "b down at 11", "a down at 12"),
            *("a up at 14", "b up at 14", "c up at 14"),
        ]


@pytest.mark.rule("S7", "S1")
async def test_a_permanent_member_that_said_stop_and_is_stuck_comes_back_with_the_others() -> None:
    family = Family(a=ALWAYS, b=OFTEN)
    async with System() as system:
        await system.spawn(family, "family")
        family.tell("a", "stop", 1000)
        await trio.sleep(1)
        family.tell("b", "crash")
        await trio.sleep(20)
        assert family.moves() == ["b down at 1", "a down at 11", "a up at 13", "b up at 13"]


@pytest.mark.rule("S7", "S1")
@pytest.mark.parametrize(("takes", "ends_at"), [(3, 3), (1000, 11)])
async def test_a_transient_member_that_said_stop_ends_for_good(
    takes: float, ends_at: float
) -> None:
    family = Family(a=OFTEN, b=OFTEN)
    async with System() as system:
        await system.spawn(family, "family")
        family.tell("a", "stop", takes)
        await trio.sleep(1)
        family.tell("b", "crash")
        await family.refs["a"].stopped()
        assert trio.current_time() == ends_at
        await trio.sleep(20)
        up_at = ends_at + 2
        assert family.moves() == ["b down at 1", f"a down at {ends_at}", f"b up at {up_at}"]


@pytest.mark.rule("S7")
async def test_a_member_that_asks_one_that_is_down_is_cut_after_the_parents_grace() -> None:
    family = Family(a=OFTEN, b=OFTEN)
    async with System() as system:
        await system.spawn(family, "family")
        family.tell("b", "crash")
        family.tell("a", "ask", whom="b")
        await trio.sleep(20)
        assert family.moves() == ["b down at 0", "a down at 10", "a up at 12", "b up at 12"]


@pytest.mark.rule("S7", "M7")
async def test_a_member_goes_down_at_once_even_while_it_lets_its_neighbours_run() -> None:
    for head_start in [*range(10)] * 5:  # the order in which tasks run is chance
        family = Family(a=OFTEN, b=OFTEN)
        async with System() as system:
            await system.spawn(family, "family")
            begin = trio.current_time()
            family.tell("b", "crash")
            for _ in range(head_start):
                await trio.lowlevel.checkpoint()
            for _ in range(16):
                family.tell("a", "work")
            await trio.sleep(20)
            assert family.moves()[-1] == f"b up at {begin + 2:g}"
