"""A stop closes the mailbox in the same step, lets the message in hand be finished, and goes down."""

from collections.abc import Callable

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorStopped,
    Backoff,
    DeadLetter,
    Ending,
    Finished,
    Killed,
    Message,
    NotAccepted,
    Permanent,
    Ref,
    ReplyPort,
    Request,
    Subscription,
    System,
    Transient,
)


class Nap(Request[str], frozen=True):
    seconds: float


class Note(Message, frozen=True):
    pass


class Notes(Subscription[str], frozen=True):
    pass


class Leave(Request[str], frozen=True):
    """Stops, and is in hand for so many seconds more."""

    seconds: float


class Later(Request[str], frozen=True):
    """Is answered by the next `Nap`, at its end."""


Wish = Nap | Note | Notes | Leave | Later


class Sleeper(Actor[Wish]):
    mailbox_size = 3

    def __init__(self, diary: list[str], name: str = "sleeper", *children: "Sleeper") -> None:
        self.diary = diary
        self.name = name
        self.children = children
        self.ports: list[ReplyPort[str]] = []

    async def on_start(self) -> None:
        for child in self.children:
            ref = await self.spawn(child, child.name)
            ref.tell(Nap(5))

    async def receive(self, message: Wish) -> str:
        match message:
            case Nap(seconds):
                await trio.sleep(seconds)
                for port in self.ports:
                    port.answer("later")
            case Leave(seconds):
                self.stop()
                await trio.sleep(seconds)
            case Later():
                self.ports.append(self.reply_port(message))
            case Note() | Notes():
                pass
        self.note("hears")
        return "heard"

    async def on_stop(self) -> None:
        self.note("stops")

    def note(self, what: str) -> None:
        self.diary.append(f"{self.name} {what} at {trio.current_time():g}")


class Asks:
    """What came out of asks in the background, and when."""

    def __init__(self, nursery: trio.Nursery, ref: Ref[Wish]) -> None:
        self._nursery = nursery
        self._ref = ref
        self.of: dict[str, tuple[object, float]] = {}

    async def begin(self, name: str, request: Request[str]) -> None:
        self._nursery.start_soon(self._ask, name, request)
        await wait_all_tasks_blocked()

    async def _ask(self, name: str, request: Request[str]) -> None:
        outcome: object
        try:
            outcome = await self._ref.ask(request)
        except (ActorStopped, NotAccepted) as error:
            outcome = type(error)
        self.of[name] = (outcome, trio.current_time())


async def nothing_is_accepted_by(ref: Ref[Wish]) -> None:
    with pytest.raises(NotAccepted):
        ref.tell(Note())
    with pytest.raises(NotAccepted):
        await ref.ask(Nap(0))
    with pytest.raises(NotAccepted):
        async with ref.stream(Notes()):
            pytest.fail("there is no stream")


@pytest.mark.rule("E1", "A1", "M6")
async def test_a_stop_closes_the_mailbox_at_once_and_answers_what_waits(
    autojump_clock: MockClock,
) -> None:
    system = System()
    async with system.events() as events:
        async with system, trio.open_nursery() as nursery:
            ref = await system.spawn(Sleeper([]), "sleeper")
            asks = Asks(nursery, ref)
            await asks.begin("in hand", Nap(9))
            await asks.begin("waits", Nap(9))
            ref.tell(Note())
            await asks.begin("waits, too", Nap(9))
            await asks.begin("waits for room", Nap(9))
            await trio.sleep(1)
            ref.stop()
            await nothing_is_accepted_by(ref)
            await wait_all_tasks_blocked()
            assert system.counts().dead_letters == 1
            assert trio.current_time() == 1
        assert asks.of == {
            "waits": (ActorStopped, 1),
            "waits, too": (ActorStopped, 1),
            "waits for room": (NotAccepted, 1),
            "in hand": ("heard", 9),
        }
        assert DeadLetter("greenroom/sleeper", Note()) in [event async for event in events]


@pytest.mark.rule("E1", "A1")
async def test_an_actor_that_stops_by_itself_closes_its_mailbox_at_once(
    autojump_clock: MockClock,
) -> None:
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.spawn(Sleeper([]), "sleeper")
        asks = Asks(nursery, ref)
        await asks.begin("before", Nap(3))
        await asks.begin("leaves", Leave(9))
        await asks.begin("waits", Nap(9))
        await trio.sleep(4)
        await nothing_is_accepted_by(ref)
        await trio.sleep(100)
        assert asks.of == {
            "before": ("heard", 3),
            "waits": (ActorStopped, 3),
            "leaves": ("heard", 3 + 9),
        }


@pytest.mark.rule("E1", "C3")
async def test_a_permanent_child_that_stops_by_itself_keeps_its_mailbox_open(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    policy = Permanent(backoff=Backoff(first=1, jitter=0))
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.supervise(lambda: Sleeper(diary), "sleeper", policy)
        asks = Asks(nursery, ref)
        await asks.begin("leaves", Leave(9))
        ref.tell(Note())
        await asks.begin("waits", Nap(2))
        await asks.begin("waits, too", Nap(2))
        await trio.sleep_until(11)
        ref.stop()  # this one counts for a permanent child as well
        await nothing_is_accepted_by(ref)
        await ref.stopped()
        assert asks.of == {
            "leaves": ("heard", 9),
            "waits, too": (ActorStopped, 11),
            "waits": ("heard", 9 + 1 + 2),
        }
    assert diary == [
        "sleeper hears at 9",
        "sleeper stops at 9",
        "sleeper hears at 10",
        "sleeper hears at 12",
        "sleeper stops at 12",
    ]


@pytest.mark.rule("E1", "S1")
async def test_a_transient_child_that_stops_by_itself_closes_its_mailbox_at_once(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.supervise(lambda: Sleeper(diary), "sleeper", Transient())
        asks = Asks(nursery, ref)
        await asks.begin("leaves", Leave(9))
        await nothing_is_accepted_by(ref)
        await ref.stopped()
        assert asks.of == {"leaves": ("heard", 9)}
    assert diary == ["sleeper hears at 9", "sleeper stops at 9"]


@pytest.mark.rule("E1", "E3")
async def test_the_message_in_hand_comes_before_the_children_and_they_before_the_cleanup(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    async with System() as system:
        old, young = Sleeper(diary, "old"), Sleeper(diary, "young")
        ref = await system.spawn(Sleeper(diary, "parent", old, young), "parent")
        ref.tell(Nap(6))
        await wait_all_tasks_blocked()
        ref.stop()
        await ref.stopped()
    assert sorted(diary[:2]) == ["old hears at 5", "young hears at 5"]
    assert diary[2:] == [
        "parent hears at 6",
        "young stops at 6",
        "old stops at 6",
        "parent stops at 6",
    ]


@pytest.mark.rule("E1", "A4")
async def test_what_was_deferred_may_be_answered_until_the_end_of_the_message_in_hand(
    autojump_clock: MockClock,
) -> None:
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.spawn(Sleeper([]), "sleeper")
        asks = Asks(nursery, ref)
        await asks.begin("deferred", Later())
        await asks.begin("in hand", Nap(4))
        ref.stop()
        await trio.sleep(100)
    assert asks.of == {"deferred": ("later", 4), "in hand": ("heard", 4)}


def stop_twice(ref: Ref[Wish]) -> None:
    ref.stop()
    ref.stop()


def kill_and_stop(ref: Ref[Wish]) -> None:
    ref.kill()
    ref.stop()


def stop_and_kill(ref: Ref[Wish]) -> None:
    ref.stop()
    ref.kill()


@pytest.mark.rule("E1", "E2", "C5")
@pytest.mark.parametrize(
    ("end", "ending"),
    [(stop_twice, Finished()), (kill_and_stop, Killed()), (stop_and_kill, Killed())],
)
async def test_a_stop_and_a_kill_may_be_said_again_and_the_kill_counts(
    autojump_clock: MockClock, end: Callable[[Ref[Wish]], None], ending: Ending
) -> None:
    endings: list[Ending] = []
    diary: list[str] = []
    async with System() as system:
        ref = await system.spawn(Sleeper(diary), "sleeper")
        ref.on_end(endings.append)
        ref.tell(Nap(9))
        await wait_all_tasks_blocked()
        end(ref)
        await ref.stopped()
        end(ref)
        assert trio.current_time() == (9 if isinstance(ending, Finished) else 0)
    assert endings == [ending]
    assert diary[-1:] == [f"sleeper stops at {trio.current_time():g}"]
    assert diary.count(diary[-1]) == 1


@pytest.mark.rule("E1", "M7")
async def test_a_stop_reaches_an_actor_that_lets_its_neighbours_run(
    autojump_clock: MockClock,
) -> None:
    class Flooded(Sleeper):
        mailbox_size = 100

    endings: list[Ending] = []
    diary: list[str] = []
    async with System() as system:
        ref = await system.spawn(Flooded(diary), "flooded")
        ref.on_end(endings.append)
        for _ in range(100):
            ref.tell(Note())
        while not diary:
            await trio.lowlevel.checkpoint()
        heard = len(diary)
        assert heard < 100
        ref.stop()
        await ref.stopped()
        assert diary == ["sleeper hears at 0"] * heard + ["sleeper stops at 0"]
    assert endings == [Finished()]
    assert system.counts().dead_letters == 100 - heard


@pytest.mark.rule("E2", "A1")
async def test_a_kill_closes_the_mailbox_at_once_and_cancels_all_that_is_below(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    async with System() as system, trio.open_nursery() as nursery:
        low = Sleeper(diary, "low")
        ref = await system.spawn(Sleeper(diary, "top", Sleeper(diary, "middle", low)), "top")
        asks = Asks(nursery, ref)
        await asks.begin("in hand", Nap(9))
        await asks.begin("waits", Nap(9))
        await trio.sleep(1)
        ref.kill()
        await nothing_is_accepted_by(ref)
        await ref.stopped()
        assert trio.current_time() == 1
        await wait_all_tasks_blocked()
    assert asks.of == {"in hand": (ActorStopped, 1), "waits": (ActorStopped, 1)}
    assert diary == ["low stops at 1", "middle stops at 1", "top stops at 1"]


@pytest.mark.rule("E1", "B4")
async def test_an_actor_that_was_stopped_takes_no_more_children(autojump_clock: MockClock) -> None:
    class Parent(Sleeper):
        async def receive(self, message: Wish) -> str:
            await trio.sleep(2)
            with pytest.raises(NotAccepted):
                await self.spawn(Sleeper(self.diary), "late")
            self.note("is refused")
            return "heard"

    diary: list[str] = []
    with capture_logs():
        async with System() as system:
            ref = await system.spawn(Parent(diary), "parent")
            ref.tell(Note())
            await wait_all_tasks_blocked()
            ref.stop()
            await ref.stopped()
    assert diary == ["sleeper is refused at 2", "sleeper stops at 2"]
