"""Random programs of senders and workers: whatever happens when, the kernel's promises hold.

A program is a few senders with their steps (tells, asks and streams; some leave amid one), workers, of
whom some are restarted, fates (stops and kills), and the end of all. Its times are small whole numbers
of virtual seconds, so that many things happen in the same instant.
"""

from collections import Counter
from collections.abc import Callable
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
    ActorCrashed,
    ActorStopped,
    Backoff,
    DeadLetter,
    Ending,
    MailboxFull,
    Message,
    NotAccepted,
    Permanent,
    Ref,
    Refusal,
    ReplyPort,
    Request,
    RuntimeFault,
    Subscription,
    System,
    Transient,
)
from greenroom.runtime.supervision import Restarted
from tests.runtime.conftest import nothing_left

EVERYBODY_IS_THERE = 1  # when the last worker has started
LAST_CALL = 500  # when all workers are stopped, so that what was deferred is answered
SILENCE = 1000  # seconds without an answer are a failure

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
class Sender:
    """`stays` for so many seconds, whatever it is amid of then."""

    steps: list[Step]
    stays: int | None


class Leaving(Enum):
    """How the system is left while the senders go on; or not before all is done."""

    LAST = "last"
    NORMALLY = "normally"
    CANCELLED = "cancelled"


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
    letters: list[Name] = field(default_factory=list[Name])
    signals: list[int] = field(default_factory=list[int])
    endings: list[Ending] = field(default_factory=list[Ending])
    starts: list[int] = field(default_factory=list[int])
    stops: list[int] = field(default_factory=list[int])


class Worker(Actor[Job | Feed]):
    mailbox_size = 2

    def __init__(self, number: int, ledger: Ledger) -> None:
        self.number = number
        self.ledger = ledger
        self.deferred: list[tuple[ReplyPort[Name], Name]] = []
        self.busy = False

    async def on_start(self) -> None:
        await trio.sleep(self.number)
        self.ledger.starts.append(self.number)

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


async def send(number: int, sender: Sender, workers: list[Ref[Job | Feed]], ledger: Ledger) -> None:
    with trio.move_on_after(float("inf") if sender.stays is None else sender.stays):
        for position, step in enumerate(sender.steps):
            if step.pause:
                await trio.sleep(step.pause)
            name = (number, position)
            worker = workers[step.worker % len(workers)]
            outcome: Outcome
            with trio.fail_after(SILENCE):
                try:
                    outcome = await take(step, name, worker)
                except (RuntimeFault, Refusal) as error:
                    outcome = error.with_traceback(None)  # which holds what it went through
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


async def play(
    senders: list[Sender], policies: list[Restarted | None], fates: list[Fate], leaving: Leaving
) -> Ledger:
    ledger = Ledger()
    system = System(grace=20)
    with nothing_left():
        async with system.events(buffer=100_000) as events:
            async with trio.open_nursery() as nursery:
                with trio.CancelScope() as outside:
                    async with system:
                        refs = [await begin(system, n, p, ledger) for n, p in enumerate(policies)]
                        for ref in refs:
                            ref.on_end(ledger.endings.append)
                        await system.spawn(Watcher(refs, ledger), "watcher")
                        for number, sender in enumerate(senders):
                            nursery.start_soon(send, number, sender, refs, ledger)
                        for fate in sorted(fates, key=lambda fate: fate.at):
                            await trio.sleep_until(EVERYBODY_IS_THERE + fate.at)
                            ref = refs[fate.worker % len(refs)]
                            (ref.kill if fate.kill else ref.stop)()
                        if leaving is Leaving.LAST:
                            await stop_all(system, refs, ledger)
                        elif leaving is Leaving.CANCELLED:
                            outside.cancel()
            async for event in events:
                if isinstance(event, DeadLetter):
                    assert isinstance(event.message, Job)
                    ledger.letters.append(event.message.name)
    return ledger


async def begin(
    system: System, number: int, policy: Restarted | None, ledger: Ledger
) -> Ref[Job | Feed]:
    if policy is None:
        return await system.spawn(Worker(number, ledger), str(number))
    return await system.supervise(lambda: Worker(number, ledger), str(number), policy)


async def stop_all(system: System, refs: list[Ref[Job | Feed]], ledger: Ledger) -> None:
    await trio.sleep_until(LAST_CALL)
    for ref in refs:
        ref.stop()
    with trio.fail_after(SILENCE):
        for ref in refs:
            await ref.stopped()
    await system.spawn(Watcher(refs, ledger), "late watcher")
    await trio.sleep(1)


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


SENDERS = st.builds(Sender, steps=st.lists(STEPS, max_size=6), stays=st.none() | st.integers(0, 9))
BACKOFFS = [Backoff(first=first, factor=1, most=first, jitter=0) for first in (0, 1)]
POLICIES = st.sampled_from(
    [
        None,
        None,
        *(kind(1000, 1e6, backoff) for kind in (Transient, Permanent) for backoff in BACKOFFS),
    ]
)


@pytest.mark.rule("M1", "M2", "M3", "M5", "M6", "A1", "C3", "C5", "W1", "E5", "O3")
@settings(max_examples=400)
@given(
    senders=st.lists(SENDERS, min_size=1, max_size=4),
    policies=st.lists(POLICIES, min_size=1, max_size=2),
    fates=st.lists(FATES, max_size=2),
    leaving=st.sampled_from(Leaving),
    schedule=st.random_module(),
)
def test_a_message_is_handled_once_in_order_or_its_fate_is_known_whatever_happens_when(
    *,
    senders: list[Sender],
    policies: list[Restarted | None],
    fates: list[Fate],
    leaving: Leaving,
    schedule: object,
) -> None:
    with capture_logs():
        ledger = trio.run(
            play, senders, policies, fates, leaving, clock=MockClock(autojump_threshold=0)
        )
    begun = [name for _, name in ledger.begun]
    assert len(begun) == len(set(begun)), "a message was handled twice"
    for worker in range(len(policies)):
        for number in range(len(senders)):
            order = [name for at, name in ledger.begun if at == worker and name[0] == number]
            assert order == sorted(order), "a sender's messages were handled out of order"

    for number, sender in enumerate(senders):
        done = sum(name[0] == number for name in ledger.outcomes)
        assert done == len(sender.steps) or sender.stays is not None, "a sender hears nothing"
    for name, (step, outcome) in ledger.outcomes.items():
        assert_fair(name, step, outcome, handled=name in begun)
    told = {
        name
        for name, (step, outcome) in ledger.outcomes.items()
        if step.verb == "tell" and isinstance(outcome, ToldOrLeft)
    }
    assert Counter(ledger.letters) == Counter(told - set(begun)), "not each is one dead letter"

    assert Counter(ledger.stops) == Counter(ledger.starts), "on_stop did not run once a life"
    assert len(ledger.endings) == len(policies), "an end was not told once"
    if leaving is Leaving.LAST:
        assert Counter(ledger.signals) == dict.fromkeys(range(len(policies)), 2), "once a watch"


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
