"""Random programs of restarts: whatever fails when, no message is lost or doubled, and all of it ends.

A program is a tree of supervised actors with their policies and strategies, senders with their steps,
stops and kills, and a way to leave the system. Its times are small whole numbers of virtual seconds,
so that many things happen in the same instant.
"""

import contextlib
from dataclasses import dataclass

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Backoff,
    Crashed,
    DeadLetter,
    Ended,
    Event,
    MailboxFull,
    NotAccepted,
    Permanent,
    Policy,
    Ref,
    Refusal,
    ReplyPort,
    Request,
    Restarting,
    RestartLimit,
    RuntimeFault,
    StartFailed,
    Strategy,
    System,
    Temporary,
    Transient,
)
from greenroom.runtime.testing import Trace, no_task_left

SILENCE = 1000
"""When an ask that has no answer has failed."""

GRACE, ROOT_GRACE = 2, 6
IN_HAND = 40
"""More seconds than any message or any start takes, with all that it waits for."""

Name = tuple[int, int]
"""A message's sender and its number there."""


class BrokenError(Exception):
    pass


class Job(Request[Name], frozen=True):
    name: Name
    does: str
    takes: int


@dataclass(frozen=True)
class Plan:
    """What an actor is in all of its lives; in those named, counted from 1, it fails to start."""

    policy: Policy
    strategy: Strategy
    start_takes: int
    bad_lives: frozenset[int]
    stop_takes: int
    children: list["Plan"]


SOON = Transient(restarts=1, seconds=5, backoff=Backoff(first=1, jitter=0))
LEAF = Plan(SOON, Strategy.ONE_FOR_ONE, 1, frozenset(), 0, [])


@dataclass(frozen=True)
class Step:
    told: bool
    actor: int
    does: str
    takes: int
    patience: int | None
    pause: int


@dataclass(frozen=True)
class Fate:
    at: int
    actor: int
    kill: bool


Outcome = Name | RuntimeFault | Refusal | None
"""None: the sender waits for nothing, or no longer."""


class Record:
    """One actor in all of its lives, which are counted from 1."""

    def __init__(self, plan: Plan, parent: "Node | None") -> None:
        self.plan = plan
        self.parent = parent
        self.children: list[Record] = []
        self.created_at: list[float] = []
        self.begun: list[Name] = []
        self.failed: dict[int, tuple[float, BrokenError]] = {}
        self.said_stop: set[int] = set()
        self.alive = 0
        self.began = False
        self.told_at: float | None = None
        self.killed_at: float | None = None
        self.ends: list[float] = []

    def fail(self, life: int) -> BrokenError:
        error = BrokenError()
        self.failed[life] = (trio.current_time(), error)
        return error

    @property
    def is_together(self) -> bool:
        return self.parent is not None and self.parent.strategy is Strategy.ONE_FOR_ALL


class Ledger:
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.refs: dict[str, tuple[Ref[Job], Record]] = {}
        self.outcomes: dict[Name, tuple[Step, Outcome]] = {}
        self.wrongs: list[str] = []
        self.events: list[Event] = []
        self.left_at = self.ended_at = 0.0

    def pick(self, number: int) -> tuple[Ref[Job], Record] | None:
        return list(self.refs.values())[number % len(self.refs)] if self.refs else None

    async def begin(self, host: "System | Node", name: str, plan: Plan) -> None:
        record = Record(plan, host if isinstance(host, Node) else None)
        self.records.append(record)
        if isinstance(host, Node):
            host.record.children.append(record)
        with contextlib.suppress(StartFailed, NotAccepted):
            if isinstance(plan.policy, Temporary):
                await host.spawn(Node(record, self), name)
            else:
                await host.supervise(lambda: Node(record, self), name, plan.policy)


class Node(Actor[Job]):
    mailbox_size = 2
    grace = GRACE

    def __init__(self, record: Record, ledger: Ledger) -> None:
        self.record = record
        self.plan = record.plan
        self.ledger = ledger
        self.strategy = self.plan.strategy
        self.last_begun_at = -1.0
        self.deferred: list[tuple[ReplyPort[Name], Name]] = []
        record.created_at.append(trio.current_time())
        self.life = len(record.created_at)

    async def on_start(self) -> None:
        record = self.record
        if record.alive:
            self.ledger.wrongs.append("two incarnations of one actor")
        if any(child.alive for child in record.children):
            self.ledger.wrongs.append("children from another life")
        record.alive += 1
        if not record.began:
            record.began = True
            self.ref.on_end(lambda _: record.ends.append(trio.current_time()))
            self.ledger.refs[self.ref.path] = (self.ref, record)
        try:
            await self.start()
        except BaseException:
            record.alive -= 1
            raise

    async def start(self) -> None:
        await trio.sleep(self.plan.start_takes)
        for number, plan in enumerate(self.plan.children):
            await self.ledger.begin(self, str(number), plan)
        if self.life in self.plan.bad_lives:
            raise self.record.fail(self.life)

    async def receive(self, message: Job) -> Name:
        self.last_begun_at = trio.current_time()
        self.record.begun.append(message.name)
        if message.takes:
            await trio.sleep(message.takes)
        match message.does:
            case "refuse":
                raise Refusal
            case "stop" | "stop and crash":
                self.record.said_stop.add(self.life)
                self.stop()
            case "defer":
                self.deferred.append((self.reply_port(message), message.name))
            case "settle":
                for port, name in self.deferred:
                    port.answer(name)
            case "grow":
                await self.ledger.begin(self, f"grown {message.name}", LEAF)
            case "ask a child":
                await self.ask_a_child(message)
            case _:
                pass
        if message.does.endswith("crash"):
            raise self.record.fail(self.life)
        return message.name

    async def ask_a_child(self, job: Job) -> None:
        child = self.ledger.refs.get(f"{self.ref.path}/0")
        if child is not None:
            sender, number = job.name
            with contextlib.suppress(RuntimeFault):
                await child[0].ask(Job((sender + 100, number), "answer", job.takes))

    async def on_stop(self) -> None:
        try:
            await trio.sleep(self.plan.stop_takes)
        finally:
            self.record.alive -= 1


async def send(number: int, steps: list[Step], ledger: Ledger) -> None:
    for position, step in enumerate(steps):
        await trio.sleep(step.pause)
        picked = ledger.pick(step.actor)
        if picked is None:
            continue
        name, ref = (number, position), picked[0]
        job = Job(name, step.does, step.takes)
        outcome: Outcome = None
        with trio.fail_after(SILENCE):
            try:
                if step.told:
                    ref.tell(job)
                else:
                    with trio.move_on_after(SILENCE if step.patience is None else step.patience):
                        outcome = await ref.ask(job)
            except (RuntimeFault, Refusal) as error:
                outcome = error
        ledger.outcomes[name] = (step, outcome)


async def play(
    plans: list[Plan], senders: list[list[Step]], fates: list[Fate], exit_at: int, leaving: str
) -> Ledger:
    ledger, system = Ledger(), System(grace=ROOT_GRACE)
    with no_task_left():
        async with trio.open_nursery() as nursery, Trace(system) as trace:
            for number, steps in enumerate(senders):
                nursery.start_soon(send, number, steps, ledger)
            with contextlib.suppress(RestartLimit, KeyError), trio.CancelScope() as outside:
                try:
                    async with system:
                        try:
                            await live(system, ledger, plans, fates)
                            await trio.sleep_until(exit_at)
                            if leaving == "cancelled":
                                outside.cancel()
                            if leaving == "by an error":
                                raise KeyError
                        finally:
                            ledger.left_at = trio.current_time()
                finally:
                    ledger.ended_at = trio.current_time()
        ledger.events = [event for _, event in trace.events]
    return ledger


async def live(system: System, ledger: Ledger, plans: list[Plan], fates: list[Fate]) -> None:
    for number, plan in enumerate(plans):
        await ledger.begin(system, str(number), plan)
    for fate in sorted(fates, key=lambda fate: fate.at):
        await trio.sleep_until(fate.at)
        picked = ledger.pick(fate.actor)
        if picked is not None and not picked[1].ends:
            ref, record = picked
            if fate.kill:
                record.killed_at = trio.current_time()
                ref.kill()
            else:
                record.told_at = trio.current_time()
                ref.stop()


BACKOFFS = st.builds(Backoff, first=st.integers(0, 2), most=st.just(4), jitter=st.just(0))
LIMITS = {"restarts": st.integers(0, 3), "seconds": st.sampled_from([2, 5, 50])}
POLICIES = st.one_of(
    st.builds(Transient, **LIMITS, backoff=BACKOFFS),
    st.builds(Permanent, **LIMITS, backoff=BACKOFFS),
    st.just(Temporary()),
)


def plans_with(children: st.SearchStrategy[list[Plan]]) -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        policy=POLICIES,
        strategy=st.sampled_from(Strategy),
        start_takes=st.integers(0, 1),
        bad_lives=st.frozensets(st.integers(1, 4), max_size=1),
        stop_takes=st.sampled_from([0, 0, 1, 2 * GRACE]),
        children=children,
    )


PLANS = st.recursive(
    plans_with(st.just([])),
    lambda children: plans_with(st.lists(children, min_size=1, max_size=3)),
    max_leaves=5,
)
DEEDS = [
    *("answer", "answer", "refuse", "crash", "crash", "crash", "stop", "stop and crash"),
    *("defer", "settle", "grow", "ask a child"),
]
STEPS = st.builds(
    Step,
    told=st.booleans(),
    actor=st.integers(0, 7),
    does=st.sampled_from(DEEDS),
    takes=st.integers(0, 3),
    patience=st.none() | st.integers(0, 2),
    pause=st.integers(0, 2),
)
FATES = st.builds(Fate, at=st.integers(0, 12), actor=st.integers(0, 7), kill=st.booleans())


@pytest.mark.rule("A1", "M2", "M5", "M6", "S2", "S6", "E5")
@settings(max_examples=300)
@given(
    plans=st.lists(PLANS, min_size=1, max_size=2),
    senders=st.lists(st.lists(STEPS, max_size=8), min_size=1, max_size=4),
    fates=st.lists(FATES, max_size=3),
    exit_at=st.integers(1, 16),
    leaving=st.sampled_from(["normally", "cancelled", "by an error"]),
    schedule=st.random_module(),
)
def test_whatever_is_restarted_no_message_is_lost_or_doubled_and_all_of_it_ends_in_time(
    plans: list[Plan],
    senders: list[list[Step]],
    fates: list[Fate],
    exit_at: int,
    leaving: str,
    schedule: object,
) -> None:
    with capture_logs():
        clock = MockClock(autojump_threshold=0)
        ledger = trio.run(play, plans, senders, fates, exit_at, leaving, clock=clock)
    assert ledger.wrongs == []
    assert ledger.ended_at <= ledger.left_at + 3 * ROOT_GRACE
    handled = [name for record in ledger.records for name in record.begun]
    assert len(handled) == len(set(handled)), "a message was handled twice"
    dead = [
        event.message.name
        for event in ledger.events
        if isinstance(event, DeadLetter) and isinstance(event.message, Job)
    ]
    assert len(dead) == len(set(dead)), "a dead letter was told twice"
    for name, (step, outcome) in ledger.outcomes.items():
        assert_fair(name, step, outcome, handled=name in handled, dead=name in dead)
    for record in ledger.records:
        assert_ended_in_time(record)
        assert_restarted_within_limits(record, escalated(ledger.events))
        for number in range(len(senders)):
            order = [name for name in record.begun if name[0] == number]
            assert order == sorted(order), "a sender's messages were handled out of order"


def assert_fair(name: Name, step: Step, outcome: Outcome, *, handled: bool, dead: bool) -> None:
    """Whatever a sender was told is true."""
    match outcome:
        case NotAccepted() | MailboxFull() | StartFailed():
            assert not handled
            assert not dead
        case None if step.told:
            assert handled != dead, "a told message was lost, or is dead and alive"
        case None | ActorStopped():
            assert not dead
        case Refusal():
            assert (handled, step.does) == (True, "refuse")
        case ActorCrashed():
            assert handled
        case RuntimeFault():
            raise AssertionError(outcome)
        case value:
            assert (handled, value) == (True, name)


def assert_ended_in_time(record: Record) -> None:
    assert not record.alive, "an incarnation did not end, or not once"
    assert len(record.ends) == record.began, "an end was not told once"
    if record.told_at is not None:
        assert record.ends[0] <= record.told_at + IN_HAND + 3 * GRACE
    if record.killed_at is not None:
        assert record.ends[0] <= record.killed_at + 2 * GRACE


def assert_restarted_within_limits(record: Record, causes: list[BaseException]) -> None:
    policy, created_at = record.plan.policy, record.created_at
    if isinstance(policy, Temporary):
        assert len(created_at) <= 1
    elif not record.is_together:  # with its siblings it is restarted more often than it failed
        for first in created_at[1:]:
            stretch = [at for at in created_at[1:] if first <= at < first + policy.seconds]
            assert len(stretch) <= policy.restarts
        for life in record.said_stop if isinstance(policy, Transient) else ():
            assert len(created_at) == life, "a transient actor came back after it said stop"
        for life, (at, error) in record.failed.items():
            so_far = [begun for begun in created_at[1:life] if begun > at - policy.seconds]
            if len(created_at) > life:
                assert len(so_far) < policy.restarts, "restarted beyond the limit"
                wait = min(4, policy.backoff.first * 2 ** len(so_far))
                assert created_at[life] >= at + wait, "restarted too early"
            elif error in causes:
                assert len(so_far) == policy.restarts, "escalated before the limit"


def escalated(events: list[Event]) -> list[BaseException]:
    """Return what has caused the failure of a parent."""
    causes: list[BaseException] = []
    for event in events:
        if isinstance(event, Ended | Restarting) and isinstance(event.ending, Crashed):
            fault: BaseException | None = event.ending.error
            while isinstance(fault, RestartLimit):
                fault = fault.__cause__
                causes += [fault] if fault is not None else []
    return causes
