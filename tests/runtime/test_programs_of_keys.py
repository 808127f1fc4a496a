"""Random programs of senders and keys: an address is served by one incarnation at a time.

Senders say words to keys; a guest may take its time to start and to stop, fail to start, crash or leave
by itself; the host may be stopped or killed. All of it in small whole numbers of virtual seconds.
"""

from collections import Counter
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
    Directory,
    DirectoryFull,
    MailboxFull,
    Message,
    NotAccepted,
    Request,
    RuntimeFault,
    StartFailed,
    System,
)

LIMIT = 2
SILENCE = 1000

Name = tuple[int, int]


class BrokenError(Exception):
    pass


class Word(Request[Name], frozen=True):
    name: Name
    does: str
    takes: int


class Nothing(Message, frozen=True):
    pass


@dataclass(frozen=True)
class Step:
    key: str
    does: str
    takes: int
    told: bool
    pause: int


@dataclass(frozen=True)
class Nature:
    """How the n-th incarnation of any key is."""

    start_takes: int
    stop_takes: int
    start_fails: bool


@dataclass
class Ledger:
    alive: Counter[str] = field(default_factory=Counter[str])
    begun: list[Name] = field(default_factory=list[Name])
    outcomes: dict[Name, tuple[Step, Name | RuntimeFault | None]] = field(
        default_factory=dict[Name, tuple[Step, Name | RuntimeFault | None]]
    )


class Guest(Actor[Word]):
    mailbox_size = 1

    def __init__(self, key: str, nature: Nature, ledger: Ledger) -> None:
        self.key = key
        self.nature = nature
        self.ledger = ledger

    async def on_start(self) -> None:
        self.ledger.alive[self.key] += 1
        assert self.ledger.alive[self.key] == 1, "two incarnations of one key"
        try:
            await self.wake_up()
        except BaseException:
            self.ledger.alive[self.key] -= 1
            raise

    async def wake_up(self) -> None:
        await trio.sleep(self.nature.start_takes)
        if self.nature.start_fails:
            raise BrokenError

    async def receive(self, message: Word) -> Name:
        self.ledger.begun.append(message.name)
        if message.takes:
            await trio.sleep(message.takes)
        match message.does:
            case "crash":
                raise BrokenError
            case "leave":
                self.stop()
            case _:
                pass
        return message.name

    async def on_stop(self) -> None:
        try:
            await trio.sleep(self.nature.stop_takes)
        finally:
            self.ledger.alive[self.key] -= 1


class Host(Actor[Nothing]):
    def __init__(self, directory: Directory[str, Word]) -> None:
        self.directory = directory

    async def on_start(self) -> None:
        self.host(self.directory)

    async def receive(self, message: Nothing) -> None:
        pass


async def sender(
    number: int, steps: list[Step], directory: Directory[str, Word], ledger: Ledger
) -> None:
    for position, step in enumerate(steps):
        if step.pause:
            await trio.sleep(step.pause)
        name = (number, position)
        word = Word(name, step.does, step.takes)
        outcome: Name | RuntimeFault | None = None
        with trio.fail_after(SILENCE):
            try:
                if step.told:
                    directory.address(step.key).tell(word)
                else:
                    outcome = await directory.address(step.key).ask(word)
            except RuntimeFault as error:
                outcome = error
        assert directory.live <= LIMIT
        ledger.outcomes[name] = (step, outcome)


async def play(
    senders: list[list[Step]], natures: list[Nature], end_at: int | None, *, kill: bool
) -> Ledger:
    ledger = Ledger()
    guests = 0

    def create(key: str) -> Guest:
        nonlocal guests
        guests += 1
        return Guest(key, natures[guests % len(natures)], ledger)

    directory: Directory[str, Word] = Directory(create, limit=LIMIT)
    tasks_before = trio.lowlevel.current_statistics().tasks_living
    async with System(grace=50) as system:
        host = await system.spawn(Host(directory), "host")
        async with trio.open_nursery() as nursery:
            for number, steps in enumerate(senders):
                nursery.start_soon(sender, number, steps, directory, ledger)
            if end_at is not None:
                await trio.sleep(end_at)
                if kill:
                    host.kill()
                else:
                    host.stop()
    assert trio.lowlevel.current_statistics().tasks_living == tasks_before
    assert directory.live == 0
    assert not +ledger.alive, "an incarnation did not end"
    return ledger


STEPS = st.builds(
    Step,
    key=st.sampled_from("abc"),
    does=st.sampled_from(["speak", "speak", "speak", "crash", "leave", "leave"]),
    takes=st.integers(0, 2),
    told=st.booleans(),
    pause=st.integers(0, 2),
)
NATURES = st.builds(
    Nature,
    start_takes=st.integers(0, 2),
    stop_takes=st.integers(0, 2),
    start_fails=st.sampled_from([False, False, False, True]),
)


@settings(max_examples=300)
@given(
    senders=st.lists(st.lists(STEPS, max_size=6), min_size=1, max_size=4),
    natures=st.lists(NATURES, min_size=1, max_size=4),
    end_at=st.none() | st.integers(0, 8),
    kill=st.booleans(),
    schedule=st.random_module(),
)
def test_a_message_to_a_key_is_handled_once_or_answered_by_an_end_and_no_key_lives_twice(
    *,
    senders: list[list[Step]],
    natures: list[Nature],
    end_at: int | None,
    kill: bool,
    schedule: object,
) -> None:
    async def program() -> Ledger:
        return await play(senders, natures, end_at, kill=kill)

    with capture_logs():
        ledger = trio.run(program, clock=MockClock(autojump_threshold=0))
    assert len(ledger.begun) == len(set(ledger.begun)), "a message was handled twice"
    assert len(ledger.outcomes) == sum(len(steps) for steps in senders)
    for name, (step, outcome) in ledger.outcomes.items():
        handled = name in ledger.begun
        match outcome:
            case DirectoryFull():
                assert not handled
            case NotAccepted():
                assert not handled
                # An ask finds the next incarnation as long as there is a host for it.
                assert step.told or end_at is not None
            case MailboxFull():
                assert not handled
                assert step.told
            case StartFailed():
                assert not handled
                assert isinstance(outcome.__cause__, BrokenError)
            case ActorCrashed():
                assert handled
                assert isinstance(outcome.__cause__, BrokenError)
            case ActorStopped():
                assert not step.told
            case None:
                assert step.told
            case RuntimeFault():
                raise AssertionError(outcome)
            case _:
                assert handled
                assert outcome == name
