"""Random programs of senders and workers: whatever happens when, the kernel's promises hold.

A program is a few senders, each with its steps (tells, asks and streams, with pauses, some with less
patience than they need), a few workers, and fates (stops and kills at given times). Its times are
small whole numbers of virtual seconds, so that many things happen in the same instant.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Ending,
    MailboxFull,
    Message,
    NotAccepted,
    Ref,
    Refusal,
    ReplyPort,
    Request,
    RuntimeFault,
    Subscription,
    System,
)

LAST_CALL = 500
"""When all workers are stopped, so that what was deferred is answered."""

SILENCE = 1000
"""When an ask that has no answer has failed."""

Name = tuple[int, int]
"""A message's sender and its number there."""


class BrokenError(Exception):
    pass


class Job(Request[Name], frozen=True):
    name: Name
    does: str
    takes: int


class Feed(Subscription[int], frozen=True):
    name: Name
    does: str
    takes: int


class Ended(Message, frozen=True):
    worker: int


@dataclass(frozen=True)
class Step:
    verb: str
    worker: int
    does: str
    takes: int
    patience: int | None
    pause: int


@dataclass(frozen=True)
class Fate:
    at: int
    worker: int
    kill: bool


@dataclass(frozen=True)
class Answered:
    value: Name


@dataclass(frozen=True)
class ReadToTheEnd:
    events: list[int]


class ToldOrLeft:
    """The sender waits for nothing, or no longer."""


Outcome = Answered | ReadToTheEnd | ToldOrLeft | RuntimeFault | Refusal


@dataclass
class Ledger:
    """What happened; `begun` in order, by worker."""

    begun: list[tuple[int, Name]] = field(default_factory=list[tuple[int, Name]])
    outcomes: dict[Name, tuple[Step, Outcome]] = field(
        default_factory=dict[Name, tuple[Step, Outcome]]
    )
    signals: list[int] = field(default_factory=list[int])
    endings: list[Ending] = field(default_factory=list[Ending])
    stops: list[int] = field(default_factory=list[int])


class Worker(Actor[Job | Feed]):
    mailbox_size = 2

    def __init__(self, number: int, ledger: Ledger) -> None:
        self.number = number
        self.ledger = ledger
        self.deferred: list[tuple[ReplyPort[Name], Name]] = []
        self.busy = False

    async def receive(self, message: Job | Feed) -> Name | None:
        assert not self.busy, "two messages at a time"
        self.busy = True
        self.ledger.begun.append((self.number, message.name))
        try:
            if isinstance(message, Feed):
                await self.produce(message)
                return None
            if message.takes:
                await trio.sleep(message.takes)
            return await self.do(message)
        finally:
            self.busy = False

    async def do(self, job: Job) -> Name:
        match job.does:
            case "refuse":
                raise Refusal
            case "crash":
                raise BrokenError
            case "mess":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.fail_when_cancelled)
                    nursery.start_soon(trio.sleep, 3)
            case "defer":
                self.deferred.append((self.reply_port(job), job.name))
            case "settle":
                for port, name in self.deferred:
                    port.answer(name)
            case "stop":
                self.stop()
            case _:
                pass
        return job.name

    async def fail_when_cancelled(self) -> None:
        try:
            await trio.sleep(4)
        except trio.Cancelled:
            raise BrokenError from None

    async def produce(self, feed: Feed) -> None:
        port = self.stream_port(feed)
        with port.scope:
            for event in range(feed.takes):
                await port.send(event)
                if event % 2:
                    await trio.sleep(1)
            if feed.does == "crash":
                raise BrokenError
            port.close(feed.takes, feed.takes + 1)

    async def on_stop(self) -> None:
        self.ledger.stops.append(self.number)
        await trio.sleep(self.number)


class Watcher(Actor[Ended]):
    mailbox_size = 1

    def __init__(self, workers: list[Ref[Job | Feed]], ledger: Ledger) -> None:
        self.workers = workers
        self.ledger = ledger

    async def on_start(self) -> None:
        for number, worker in enumerate(self.workers):
            self.watch(worker, self.ended(number))

    def ended(self, number: int) -> Callable[[Ending], Ended]:
        return lambda _: Ended(number)

    async def receive(self, message: Ended) -> None:
        self.ledger.signals.append(message.worker)


async def sender(
    number: int, steps: list[Step], workers: list[Ref[Job | Feed]], ledger: Ledger
) -> None:
    for position, step in enumerate(steps):
        if step.pause:
            await trio.sleep(step.pause)
        name = (number, position)
        worker = workers[step.worker % len(workers)]
        outcome: Outcome
        with trio.fail_after(SILENCE):
            try:
                outcome = await take(step, name, worker)
            except (RuntimeFault, Refusal) as error:
                outcome = error
        ledger.outcomes[name] = (step, outcome)


async def take(step: Step, name: Name, worker: Ref[Job | Feed]) -> Outcome:
    match step.verb:
        case "tell":
            worker.tell(Job(name, step.does, step.takes))
            return ToldOrLeft()
        case "ask":
            with trio.move_on_after(float("inf") if step.patience is None else step.patience):
                return Answered(await worker.ask(Job(name, step.does, step.takes)))
            return ToldOrLeft()
        case _:
            read: list[int] = []
            async with worker.stream(Feed(name, step.does, step.takes), buffer=1) as events:
                async for event in events:
                    assert event == len(read), "an event was lost or doubled"
                    read.append(event)
                    if len(read) == step.patience:
                        return ToldOrLeft()
            return ReadToTheEnd(read)


async def play(senders: list[list[Step]], workers: int, fates: list[Fate]) -> Ledger:
    ledger = Ledger()
    tasks_before = trio.lowlevel.current_statistics().tasks_living
    async with System(grace=20) as system:
        refs = [await system.spawn(Worker(n, ledger), f"worker {n}") for n in range(workers)]
        for ref in refs:
            ref.on_end(ledger.endings.append)
        await system.spawn(Watcher(refs, ledger), "watcher")
        async with trio.open_nursery() as nursery:
            for number, steps in enumerate(senders):
                nursery.start_soon(sender, number, steps, refs, ledger)
            for fate in sorted(fates, key=lambda fate: fate.at):
                await trio.sleep(max(0, fate.at - trio.current_time()))
                ref = refs[fate.worker % workers]
                if fate.kill:
                    ref.kill()
                else:
                    ref.stop()
            await trio.sleep_until(LAST_CALL)
            for ref in refs:
                ref.stop()
        with trio.fail_after(SILENCE):
            for ref in refs:
                await ref.stopped()
        await system.spawn(Watcher(refs, ledger), "late watcher")
        await trio.sleep(1)
    assert trio.lowlevel.current_statistics().tasks_living == tasks_before
    return ledger


DEEDS = ["answer"] * 8 + ["refuse", "refuse", "crash", "mess", "defer", "defer", "settle", "stop"]
STEPS = st.builds(
    Step,
    verb=st.sampled_from(["tell", "tell", "ask", "ask", "stream"]),
    worker=st.integers(0, 1),
    does=st.sampled_from(DEEDS),
    takes=st.integers(0, 3),
    patience=st.none() | st.integers(0, 3),
    pause=st.integers(0, 2),
)
FATES = st.builds(Fate, at=st.integers(0, 8), worker=st.integers(0, 1), kill=st.booleans())


@settings(max_examples=300)
@given(
    senders=st.lists(st.lists(STEPS, max_size=6), min_size=1, max_size=4),
    workers=st.integers(1, 2),
    fates=st.lists(FATES, max_size=2),
    schedule=st.random_module(),
)
def test_every_ask_is_answered_and_every_message_is_handled_at_most_once_and_in_order(
    senders: list[list[Step]], workers: int, fates: list[Fate], schedule: object
) -> None:
    with capture_logs():
        ledger = trio.run(play, senders, workers, fates, clock=MockClock(autojump_threshold=0))
    begun = [name for _, name in ledger.begun]
    assert len(begun) == len(set(begun)), "a message was handled twice"
    for worker in range(workers):
        for number in range(len(senders)):
            order = [name for at, name in ledger.begun if at == worker and name[0] == number]
            assert order == sorted(order), "a sender's messages were handled out of order"

    assert len(ledger.outcomes) == sum(len(steps) for steps in senders)
    for name, (step, outcome) in ledger.outcomes.items():
        assert_fair(name, step, outcome, handled=name in begun)

    every = list(range(workers))
    assert sorted(ledger.stops) == every, "on_stop did not run once"
    assert len(ledger.endings) == workers, "an end was not told once"
    assert sorted(ledger.signals) == sorted(every * 2), "a watch did not fire once"


def assert_fair(name: Name, step: Step, outcome: Outcome, *, handled: bool) -> None:
    """Whatever a sender was told is true."""
    match outcome:
        case NotAccepted() | MailboxFull():
            assert not handled
        case Refusal():
            assert handled
            assert step.does == "refuse"
        case ActorCrashed():
            assert handled
            assert isinstance(outcome.__cause__, BrokenError | ExceptionGroup)
        case ReadToTheEnd(events):
            assert handled
            assert events == list(range(step.takes + 2)), "a stream ended too early"
        case Answered(value):
            assert handled
            assert value == name
        case ToldOrLeft() | ActorStopped():
            pass
        case _:
            raise AssertionError(outcome)
