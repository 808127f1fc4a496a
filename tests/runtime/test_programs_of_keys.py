"""Random programs of senders and keys: an address is served by one incarnation at a time, in order.

Senders say words to keys, and some leave amid one; a guest may take its time to start and to stop, fail
to start, crash, leave, defer its answers or have children, and may be restarted and put away; hosts
come and go. All of it in small whole numbers of virtual seconds.
"""

import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

import pytest
import structlog
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from greenroom.runtime import (
    ActorCrashed,
    ActorStopped,
    Backoff,
    DeadLetter,
    Directory,
    DirectoryFull,
    MailboxFull,
    NotAccepted,
    Permanent,
    Ref,
    RuntimeFault,
    StartFailed,
    System,
    Temporary,
    Transient,
)
from greenroom.runtime.supervision import Policy
from tests.runtime.conftest import nothing_left
from tests.runtime.guests import (
    BrokenError,
    Guest,
    Guests,
    Host,
    Ledger,
    Name,
    Nature,
    Nothing,
    Word,
    Words,
)

LIMIT = 2
LAST_CALL = 500  # when the last host is stopped, so that what was deferred is answered
SILENCE = 1000  # seconds without an answer are a failure


@dataclass(frozen=True)
class Step:
    verb: str
    key: str
    does: str
    takes: int
    patience: float
    pause: int


@dataclass(frozen=True)
class Sender:
    steps: list[Step]
    stays: float


@dataclass(frozen=True)
class Turn:
    """After how many seconds the last host goes, and after how many more the next one comes."""

    stays: int
    kill: bool
    gap: int


class Leaving(Enum):
    """How the system is left while the senders go on; or not before they are done."""

    LAST = "last"
    NORMALLY = "normally"
    CANCELLED = "cancelled"


class Left:
    """The sender waits for nothing, or no longer."""


Outcome = Name | RuntimeFault | Left


@dataclass
class Outcomes:
    """What the senders were told, and when; and what was a dead letter."""

    of: dict[Name, tuple[Step, Outcome, float]] = field(
        default_factory=dict[Name, tuple[Step, Outcome, float]]
    )
    letters: list[Name] = field(default_factory=list[Name])


async def send(
    number: int, sender: Sender, guests: Guests, ledger: Ledger, outcomes: Outcomes
) -> None:
    with trio.move_on_after(sender.stays):
        for position, step in enumerate(sender.steps):
            if step.pause:
                await trio.sleep(step.pause)
            name = (number, position)
            outcome: Outcome = Left()
            with trio.fail_after(SILENCE):
                try:
                    with trio.move_on_after(step.patience):
                        outcome = await take(step, name, guests)
                except RuntimeFault as error:
                    outcome = error.with_traceback(None)  # which holds what it went through
            if guests.live > LIMIT:
                ledger.faults.append(f"{guests.live} keys are alive")
            outcomes.of[name] = (step, outcome, trio.current_time())


async def take(step: Step, name: Name, guests: Guests) -> Outcome:
    address = guests.address(step.key)
    match step.verb:
        case "tell":
            address.tell(Word(name, step.does, step.takes, asked=False))
            return Left()
        case "ask":
            return await address.ask(Word(name, step.does, step.takes, asked=True))
        case _:
            async with address.stream(Words(name)) as events:
                read = [event async for event in events]
            assert read == [name]
            return name


@dataclass
class World:
    natures: list[Nature]
    policy: Policy
    idle: int | None
    turns: list[Turn]
    leaving: Leaving
    leave_at: int


async def play(senders: list[Sender], world: World) -> tuple[Ledger, Outcomes]:
    ledger, outcomes = Ledger(world.idle), Outcomes()
    numbers = itertools.count()

    def create(key: str) -> Guest:
        return Guest(key, world.natures[next(numbers) % len(world.natures)], ledger)

    guests: Guests = Directory(create, limit=LIMIT, policy=world.policy, idle=world.idle)
    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        None, processors=[ledger.line], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    system = System(grace=50, log=log)
    with nothing_left():
        async with system.events(buffer=100_000) as events:
            async with trio.open_nursery() as nursery:
                with trio.CancelScope() as outside:
                    async with system:
                        host = await system.spawn(Host(guests), "host 0")
                        for number, sender in enumerate(senders):
                            nursery.start_soon(send, number, sender, guests, ledger, outcomes)
                        await have_hosts(host, system, guests, world)
                        if world.leaving is Leaving.CANCELLED:
                            outside.cancel()
            async for event in events:
                if isinstance(event, DeadLetter) and isinstance(event.message, Word):
                    outcomes.letters.append(event.message.name)
    assert not ledger.living, "an incarnation did not end"
    assert guests.live == 0
    return ledger, outcomes


async def have_hosts(host: Ref[Nothing], system: System, guests: Guests, world: World) -> None:
    for number, turn in enumerate(world.turns, 1):
        await trio.sleep(turn.stays)
        (host.kill if turn.kill else host.stop)()
        await trio.sleep(turn.gap)
        host = await system.spawn(Host(guests), f"host {number}")
    await trio.sleep_until(LAST_CALL if world.leaving is Leaving.LAST else world.leave_at)


DEEDS = ["speak"] * 5 + ["crash", "leave", "defer", "settle"] * 2 + ["stop", "kill", "child"]
PATIENCE = st.sampled_from([math.inf, math.inf, 0, 1, 2, 3])
STEPS = st.builds(
    Step,
    verb=st.sampled_from(["tell", "tell", "ask", "ask", "stream"]),
    key=st.sampled_from("abc"),
    does=st.sampled_from(DEEDS),
    takes=st.integers(0, 2),
    patience=PATIENCE,
    pause=st.integers(0, 3),
)
SENDERS = st.builds(
    Sender,
    steps=st.lists(STEPS, max_size=6),
    stays=st.sampled_from([math.inf, math.inf, 1, 3, 5, 8]),
)
NATURES = st.builds(
    Nature,
    start_takes=st.integers(0, 2),
    stop_takes=st.integers(0, 2),
    start_fails=st.sampled_from([False, False, False, True]),
)
BACKOFFS = [Backoff(first=first, factor=1, most=first, jitter=0) for first in (0, 1, 3)]
POLICIES = st.sampled_from(
    [
        Temporary(),
        Temporary(),
        *(
            kind(restarts, 5, backoff)
            for kind in (Transient, Permanent)
            for restarts in (0, 2, 9)
            for backoff in BACKOFFS
        ),
    ]
)
WORLDS = st.builds(
    World,
    natures=st.lists(NATURES, min_size=1, max_size=4),
    policy=POLICIES,
    idle=st.none() | st.integers(1, 3),
    turns=st.lists(
        st.builds(Turn, stays=st.integers(0, 5), kill=st.booleans(), gap=st.integers(0, 3)),
        max_size=2,
    ),
    leaving=st.sampled_from(Leaving),
    leave_at=st.integers(0, 9),
)


@pytest.mark.rule("M2", "M5", "M6", "A1", "E5", "K2", "K3", "K4", "K5", "K6", "K7", "K8", "O3")
@settings(max_examples=400)
@given(
    senders=st.lists(SENDERS, min_size=1, max_size=4),
    world=WORLDS,
    schedule=st.random_module(),
)
def test_a_key_has_one_actor_that_is_put_away_when_idle_and_no_message_is_lost_or_doubled(
    senders: list[Sender], world: World, schedule: object
) -> None:
    ledger, outcomes = trio.run(play, senders, world, clock=MockClock(autojump_threshold=0))
    assert ledger.faults == []
    begun = [name for _, name in ledger.begun]
    assert len(begun) == len(set(begun)), "a message was handled twice"
    for key in "abc":
        for number in range(len(senders)):
            order = [name for at, name in ledger.begun if at == key and name[0] == number]
            assert order == sorted(order), "a sender's messages were handled out of order"

    for number, sender in enumerate(senders):
        done = sum(name[0] == number for name in outcomes.of)
        assert done == len(sender.steps) or sender.stays < math.inf, "a sender hears nothing"
    for name, (step, outcome, at) in outcomes.of.items():
        hosted = world.leaving is Leaving.LAST and not world.turns and at < LAST_CALL
        assert_fair(name, step, outcome, handled=name in begun, hosted=hosted)
    told = {
        name
        for name, (step, outcome, _) in outcomes.of.items()
        if step.verb == "tell" and isinstance(outcome, Left)
    }
    assert Counter(outcomes.letters) == Counter(told - set(begun)), "not each is one dead letter"


def assert_fair(name: Name, step: Step, outcome: Outcome, *, handled: bool, hosted: bool) -> None:
    """Whatever a sender was told is true."""
    match outcome:
        case NotAccepted():
            assert not handled
            assert not hosted, "somebody would have been there"
        case DirectoryFull():
            assert not handled
        case MailboxFull():
            assert not handled
            assert step.verb == "tell"
        case StartFailed():
            assert not handled
            assert isinstance(outcome.__cause__, BrokenError)
        case ActorCrashed():
            assert handled
            assert isinstance(outcome.__cause__, BrokenError)
        case ActorStopped():
            assert step.verb != "tell"
        case RuntimeFault():
            raise AssertionError(outcome)
        case Left():
            assert step.verb == "tell" or step.patience < math.inf
        case _:
            assert handled
            assert outcome == name
