"""Random trees, of which one actor is ended: it takes a bounded time, whatever is below it.

Below it, actors start, work, clean up or are stuck in any of it, have graces of their own, and are told
to end at other moments.
"""

import contextlib
from dataclasses import dataclass, field
from enum import Enum

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.runtime import (
    Actor,
    Backoff,
    Directory,
    Message,
    NotAccepted,
    Ref,
    StartFailed,
    System,
    Transient,
)


class Deed(Enum):
    REST = "rest"
    NAP = "nap"
    STUCK = "stuck"
    NESTED = "nested"
    BREAK = "break"
    MESS = "mess"


class Kind(Enum):
    NAMED = "named"
    KEYED = "keyed"
    SUPERVISED = "supervised"


class End(Enum):
    STOP = "stop"
    KILL = "kill"
    CRASH = "crash"


class BrokenError(Exception):
    pass


class Go(Message, frozen=True):
    pass


class Crash(Message, frozen=True):
    pass


@dataclass(frozen=True)
class Plan:
    on_start: Deed
    receive: Deed
    on_stop: Deed
    kind: Kind
    grace: int
    children: list["Plan"]


@dataclass(frozen=True)
class Fate:
    at: int
    node: int
    kill: bool


@dataclass
class Ledger:
    """Those that have begun, and when the first of them ended that was told to."""

    begun: list["Node"] = field(default_factory=list["Node"])


class Node(Actor[Go | Crash]):
    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self.plan = plan
        self.ledger = ledger
        self.grace = plan.grace
        self.stops = 0

    async def on_start(self) -> None:
        guests: Directory[int, Go | Crash] = Directory(
            lambda number: Node(self.plan.children[number], self.ledger), limit=10
        )
        self.host(guests)
        for number, plan in enumerate(self.plan.children):
            if plan.kind is Kind.KEYED:
                guests.address(number).tell(Go())
            else:
                await self.begin(plan, str(number))
        await self.do(self.plan.on_start)
        self.ledger.begun.append(self)

    async def begin(self, plan: Plan, name: str) -> None:
        policy = Transient(restarts=2, backoff=Backoff(first=1, factor=1, most=1, jitter=0))
        with contextlib.suppress(StartFailed, NotAccepted):
            if plan.kind is Kind.NAMED:
                ref = await self.spawn(Node(plan, self.ledger), name)
            else:
                ref = await self.supervise(lambda: Node(plan, self.ledger), name, policy)
            ref.tell(Go())

    async def receive(self, message: Go | Crash) -> None:
        if isinstance(message, Crash):
            raise BrokenError
        await self.do(self.plan.receive)

    async def on_stop(self) -> None:
        self.stops += 1
        await self.do(self.plan.on_stop)

    async def do(self, deed: Deed) -> None:
        match deed:
            case Deed.REST:
                pass
            case Deed.NAP:
                await trio.sleep(1)
            case Deed.STUCK:
                await trio.sleep_forever()
            case Deed.NESTED:
                async with trio.open_nursery() as outer, trio.open_nursery() as inner:
                    inner.start_soon(trio.sleep_forever)
                    outer.start_soon(trio.sleep_forever)
            case Deed.BREAK:
                raise BrokenError
            case Deed.MESS:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.break_when_cancelled)

    async def break_when_cancelled(self) -> None:
        try:
            await trio.sleep(2)
        except trio.Cancelled:
            raise BrokenError from None


DEEDS = st.sampled_from([Deed.REST, Deed.REST, *Deed])
GRACES = st.sampled_from([0, 1, 2, 5, 50])


def plans(children: st.SearchStrategy[list[Plan]]) -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        on_start=st.sampled_from([Deed.REST, Deed.REST, *Deed]),
        receive=DEEDS,
        on_stop=DEEDS,
        kind=st.sampled_from(Kind),
        grace=GRACES,
        children=children,
    )


PLANS = st.recursive(
    plans(st.just([])), lambda deeper: plans(st.lists(deeper, max_size=3)), max_leaves=6
)
FATES = st.builds(Fate, at=st.integers(0, 8), node=st.integers(0, 9), kill=st.booleans())


def end(ref: Ref[Go | Crash], how: End) -> None:
    match how:
        case End.STOP:
            ref.stop()
        case End.KILL:
            ref.kill()
        case End.CRASH:
            ref.tell(Crash())


async def play(
    children: list[Plan], grace: int, cleanup: Deed, fates: list[Fate], at: int, how: End
) -> float:
    """Return the seconds that the end of the actor at the top took."""
    ledger = Ledger()
    top = Plan(Deed.REST, Deed.REST, cleanup, Kind.NAMED, grace, [])
    async with System(grace=1000) as system:
        node = Node(top, ledger)
        ref = await system.spawn(node, "top")
        async with trio.open_nursery() as nursery:
            for number, plan in enumerate(children):
                nursery.start_soon(node.begin, plan, str(number))
            for fate in sorted(fates, key=lambda fate: fate.at):
                if fate.at >= at:
                    break
                await trio.sleep_until(fate.at)
                met = ledger.begun[fate.node % len(ledger.begun)]
                if met is not node:
                    end(met.ref, End.KILL if fate.kill else End.STOP)
            await trio.sleep_until(at)
            if system.tree().children:
                end(ref, how)
            await ref.stopped()
            took = trio.current_time() - at
        assert all(node.stops == 1 for node in ledger.begun), "on_stop did not run once"
    return took


@pytest.mark.rule("E4", "E3", "C5")
@settings(max_examples=300)
@given(
    children=st.lists(PLANS, min_size=1, max_size=3),
    grace=st.sampled_from([0, 1, 3]),
    cleanup=DEEDS,
    fates=st.lists(FATES, max_size=4),
    at=st.integers(0, 9),
    how=st.sampled_from(End),
    schedule=st.random_module(),
)
def test_an_end_takes_a_grace_for_the_children_one_for_what_they_left_and_one_for_itself(
    *,
    children: list[Plan],
    grace: int,
    cleanup: Deed,
    fates: list[Fate],
    at: int,
    how: End,
    schedule: object,
) -> None:
    async def program() -> float:
        return await play(children, grace, cleanup, fates, at, how)

    with capture_logs():
        took = trio.run(program, clock=MockClock(autojump_threshold=0))
    assert took <= (3 if how is End.STOP else 2) * grace
