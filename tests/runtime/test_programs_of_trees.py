"""Random programs of trees: however a system ends, it ends in order, in time, and entirely.

A tree's nodes may be slow or stuck in any hook, crash, or make a mess of a cancellation; some are
stopped or killed; then the system is left, cancelled, or left by an error.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.runtime import Actor, Ending, Message, NotAccepted, Ref, StartFailed, System
from tests.runtime.conftest import nothing_left

ROOT_GRACE = 10
EXIT_AT = 6


class Deed(Enum):
    REST = "rest"
    NAP = "nap"
    STUCK = "stuck"
    BREAK = "break"
    MESS = "mess"


class BrokenError(Exception):
    pass


class Go(Message, frozen=True):
    pass


@dataclass(frozen=True)
class Plan:
    """What a node does in its hooks, and its children."""

    on_start: Deed
    receive: Deed
    on_stop: Deed
    grace: int
    children: list["Plan"]

    def __iter__(self) -> Iterator["Plan"]:
        yield self
        for child in self.children:
            yield from child


@dataclass(frozen=True)
class Fate:
    at: int
    node: int
    kill: bool


class Leaving(Enum):
    NORMALLY = "normally"
    CANCELLED = "cancelled"
    BY_ERROR = "by an error"


@dataclass
class Ledger:
    begun: list["Node"] = field(default_factory=list["Node"])
    endings: list[Ending] = field(default_factory=list[Ending])


class Node(Actor[Go]):
    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self.plan = plan
        self.grace = plan.grace
        self.ledger = ledger
        self.children: list[Node] = []
        self.stops_begun = 0
        self.stopped = False

    async def on_start(self) -> None:
        for number, plan in enumerate(self.plan.children):
            child = Node(plan, self.ledger)
            self.children.append(child)
            try:
                ref = await self.spawn(child, str(number))
            except (StartFailed, NotAccepted):
                continue
            ref.tell(Go())
        await self.do(self.plan.on_start)
        self.ledger.begun.append(self)
        self.ref.on_end(self.ledger.endings.append)

    async def receive(self, message: Go) -> None:
        await self.do(self.plan.receive)

    async def on_stop(self) -> None:
        self.stops_begun += 1
        for child in self.children:
            assert child.stopped or child not in self.ledger.begun, "a parent before its child"
        try:
            await self.do(self.plan.on_stop)
        finally:
            self.stopped = True

    async def do(self, deed: Deed) -> None:
        match deed:
            case Deed.REST:
                pass
            case Deed.NAP:
                await trio.sleep(1)
            case Deed.STUCK:
                await trio.sleep_forever()
            case Deed.BREAK:
                raise BrokenError
            case Deed.MESS:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.break_when_cancelled)
                    nursery.start_soon(trio.sleep, 1)

    async def break_when_cancelled(self) -> None:
        try:
            await trio.sleep(2)
        except trio.Cancelled:
            raise BrokenError from None


async def play(plans: list[Plan], fates: list[Fate], leaving: Leaving) -> Ledger:
    ledger = Ledger()
    with nothing_left(), trio.CancelScope() as outside:
        async with trio.open_nursery() as spawners:
            error_comes_out = pytest.raises(KeyError)
            with error_comes_out if leaving is Leaving.BY_ERROR else contextlib.nullcontext():
                async with System(grace=ROOT_GRACE) as system:
                    for number, plan in enumerate(plans):
                        spawners.start_soon(spawn, system, Node(plan, ledger), str(number))
                    for fate in sorted(fates, key=lambda fate: fate.at):
                        await trio.sleep_until(fate.at)
                        if ledger.begun:
                            meet(fate, ledger.begun[fate.node % len(ledger.begun)].ref)
                    await trio.sleep_until(EXIT_AT)
                    if leaving is Leaving.CANCELLED:
                        outside.cancel()
                    if leaving is Leaving.BY_ERROR:
                        raise KeyError
    return ledger


async def spawn(system: System, node: Node, name: str) -> None:
    try:
        ref = await system.spawn(node, name)
    except StartFailed:
        return
    with contextlib.suppress(NotAccepted):
        ref.tell(Go())


def meet(fate: Fate, ref: Ref[Go]) -> None:
    if fate.kill:
        ref.kill()
    else:
        ref.stop()


DEEDS = st.sampled_from([Deed.REST, Deed.REST, *Deed])
GRACES = st.sampled_from([0, 1, 3, 50])
PLANS = st.recursive(
    st.builds(Plan, DEEDS, DEEDS, DEEDS, GRACES, st.just([])),
    lambda children: st.builds(Plan, DEEDS, DEEDS, DEEDS, GRACES, st.lists(children, max_size=3)),
    max_leaves=6,
)
FATES = st.builds(Fate, at=st.integers(0, 5), node=st.integers(0, 9), kill=st.booleans())


@pytest.mark.rule("C4", "C5", "E3", "E4", "E5")
@settings(max_examples=300)
@given(
    plans=st.lists(PLANS, min_size=1, max_size=2),
    fates=st.lists(FATES, max_size=3),
    leaving=st.sampled_from(Leaving),
    schedule=st.random_module(),
)
def test_whatever_happens_in_it_a_system_ends_in_order_in_time_and_entirely(
    plans: list[Plan], fates: list[Fate], leaving: Leaving, schedule: object
) -> None:
    clock = MockClock(autojump_threshold=0)
    with capture_logs():
        ledger = trio.run(play, plans, fates, leaving, clock=clock)
    # One grace for all to end by themselves, and one for the clean-ups of those that are killed.
    assert clock.current_time() <= EXIT_AT + 2 * ROOT_GRACE
    assert len(ledger.begun) <= sum(1 for plan in plans for _ in plan)
    assert len(ledger.endings) == len(ledger.begun), "an end was not told once"
    for node in ledger.begun:
        assert node.stops_begun == 1, "on_stop did not run once"
