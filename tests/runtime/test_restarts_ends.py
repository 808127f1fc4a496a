"""Who comes back and who does not: after a start that fails, after its own stop, after being told."""

from collections.abc import Callable, Iterator

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorStopped,
    Backoff,
    Crashed,
    Ending,
    Finished,
    Killed,
    NotAccepted,
    Permanent,
    Ref,
    Request,
    StartFailed,
    System,
    Transient,
)

IN_VIRTUAL_TIME = True

WAITS = Backoff(first=1, jitter=0)
TRANSIENT, PERMANENT = Transient(backoff=WAITS), Permanent(backoff=WAITS)


class BrokenError(Exception):
    pass


class Do(Request[str], frozen=True):
    what: str
    seconds: float = 0


class Player(Actor[Do]):
    mailbox_size = 2

    def __init__(self, number: int, diary: list[str]) -> None:
        self.number = number
        self.diary = diary

    def note(self, what: str) -> str:
        self.diary.append(f"{self.number}: {what} at {trio.current_time():g}")
        return f"{self.number}: {what}"

    async def on_start(self) -> None:
        self.note("start")

    async def receive(self, message: Do) -> str:
        await trio.sleep(message.seconds)
        if message.what.startswith("stop"):
            self.stop("value")
        if message.what.endswith("crash"):
            raise BrokenError
        return self.note(message.what)

    async def on_stop(self) -> None:
        self.note("end")


class Lives:
    """Creates the incarnations of one actor, numbered from 1, and keeps their diary."""

    def __init__(self, kind: Callable[[int, list[str]], Player] = Player) -> None:
        self.kind = kind
        self.count = 0
        self.diary: list[str] = []

    def __call__(self) -> Player:
        self.count += 1
        return self.kind(self.count, self.diary)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


# Starts that fail


class Frail(Player):
    """Fails to start in its second and third life."""

    async def on_start(self) -> None:
        await super().on_start()
        if self.number in {2, 3}:
            raise BrokenError


@pytest.mark.rule("S1", "S3", "C3", "C5")
async def test_a_start_that_fails_at_a_restart_is_a_failure_like_any_other() -> None:
    lives = Lives(Frail)
    async with System() as system:
        ref = await system.supervise(lives, "a", TRANSIENT)
        ref.tell(Do("crash"))
        ref.tell(Do("a"))
        assert await ref.ask(Do("b")) == "4: b"
    assert lives.diary == [
        *("1: start at 0", "1: end at 0", "2: start at 1", "3: start at 3", "4: start at 7"),
        *("4: a at 7", "4: b at 7", "4: end at 7"),
    ]


@pytest.mark.rule("S1", "S3")
async def test_what_cannot_be_created_again_fails_to_start_and_is_tried_again() -> None:
    lives = Lives()

    def create() -> Player:
        player = lives()
        if player.number in {2, 3}:
            raise BrokenError
        return player

    async with System() as system:
        ref = await system.supervise(create, "a", TRANSIENT)
        ref.tell(Do("crash"))
        assert await ref.ask(Do("a")) == "4: a"
    assert lives.diary[1:3] == ["1: end at 0", "4: start at 7"]


@pytest.mark.rule("S6", "C1", "B3")
async def test_what_a_failed_start_has_begun_is_gone_before_the_next() -> None:
    class Parent(Frail):
        async def on_start(self) -> None:
            await self.spawn(Player(self.number * 10, self.diary), "child")
            await super().on_start()

    lives = Lives(Parent)
    async with System() as system:
        ref = await system.supervise(lives, "a", TRANSIENT)
        ref.tell(Do("crash"))
        assert await ref.ask(Do("a")) == "4: a"
    assert lives.diary[4:7] == ["20: start at 1", "2: start at 1", "20: end at 1"]


@pytest.mark.rule("B2", "B3")
async def test_a_first_start_that_fails_is_its_spawners_and_nothing_is_left_or_restarted() -> None:
    class Broken(Player):
        async def on_start(self) -> None:
            await self.supervise(Lives(), "child", PERMANENT)
            raise BrokenError

    broken, lives = Lives(Broken), Lives()
    async with System() as system:
        with pytest.raises(StartFailed) as caught:
            await system.supervise(broken, "a", PERMANENT)
        assert isinstance(caught.value.__cause__, BrokenError)
        assert system.tree().children == ()
        await system.supervise(lives, "a", PERMANENT)
        await trio.sleep(100)
        assert system.counts().restarted == 0
    assert (broken.count, lives.count) == (1, 1)


@pytest.mark.rule("B2", "B3")
async def test_what_cannot_be_created_at_first_is_its_spawners_error() -> None:
    def create() -> Player:
        raise BrokenError

    async with System() as system:
        with pytest.raises(BrokenError):
            await system.supervise(create, "a", PERMANENT)
        assert system.tree().children == ()
        await system.supervise(Lives(), "a", PERMANENT)


# Stopping by itself


@pytest.mark.rule("S1", "E1")
async def test_a_permanent_actor_that_stops_by_itself_comes_back_and_its_mailbox_stays_open() -> (
    None
):
    lives = Lives()
    async with System() as system:
        ref = await system.supervise(lives, "a", PERMANENT)
        ref.tell(Do("stop"))
        ref.tell(Do("a"))
        await trio.sleep(0.5)
        assert await ref.ask(Do("b")) == "2: b"
    assert lives.diary[1:5] == ["1: stop at 0", "1: end at 0", "2: start at 1", "2: a at 1"]


@pytest.mark.rule("S1", "E1", "C3")
async def test_a_transient_actor_that_stops_by_itself_ends_for_good() -> None:
    lives = Lives()
    endings: list[Ending] = []
    async with System() as system:
        ref = await system.supervise(lives, "a", TRANSIENT)
        ref.on_end(endings.append)
        ref.tell(Do("stop"))
        with pytest.raises(ActorStopped):
            await ref.ask(Do("a"))
        await trio.sleep(100)
        assert endings == [Finished("value")]
    assert lives.diary == ["1: start at 0", "1: stop at 0", "1: end at 0"]


@pytest.mark.rule("S1", "E1")
async def test_a_transient_actor_that_said_stop_ends_for_good_even_if_it_crashes_then() -> None:
    lives = Lives()
    endings: list[Ending] = []
    async with System() as system:
        ref = await system.supervise(lives, "a", TRANSIENT)
        ref.on_end(endings.append)
        ref.tell(Do("stop and crash"))
        await trio.sleep(100)
        assert isinstance(endings[0], Crashed)
    assert lives.diary == ["1: start at 0", "1: end at 0"]


@pytest.mark.rule("S1", "E1", "S2")
async def test_a_permanent_actor_that_crashes_after_it_said_stop_comes_back() -> None:
    async with System() as system:
        ref = await system.supervise(Lives(), "a", PERMANENT)
        ref.tell(Do("stop and crash"))
        assert await ref.ask(Do("x")) == "2: x"


@pytest.mark.rule("C5")
async def test_a_cleanup_that_fails_changes_nothing_of_what_follows() -> None:
    class Untidy(Player):
        async def on_stop(self) -> None:
            raise BrokenError

    async with System() as system:
        crashed = await system.supervise(Lives(Untidy), "a", TRANSIENT)
        stopped = await system.supervise(Lives(Untidy), "b", TRANSIENT)
        crashed.tell(Do("crash"))
        stopped.tell(Do("stop"))
        assert await crashed.ask(Do("x")) == "2: x"
        await stopped.stopped()


# Being told


class Slow(Player):
    """Starts and ends within a second each, so that it can be told in each of its states."""

    async def on_start(self) -> None:
        await trio.sleep(1)

    async def on_stop(self) -> None:
        await trio.sleep(1)
        self.note("end")


async def slow_one_crashes(ref: Ref[Do]) -> None:
    """At 1 it has started; at 2 it crashes, at 3 it is down, at 4 it begins, at 5 it has started."""
    ref.tell(Do("crash", seconds=1))
    await wait_all_tasks_blocked()


IN_HAND, CLEANING, DOWN, STARTING, IDLE = 1.5, 2.5, 3.5, 4.5, 5.5


def stop(ref: Ref[Do]) -> None:
    ref.stop()


def kill(ref: Ref[Do]) -> None:
    ref.kill()


def crash(ref: Ref[Do]) -> None:
    ref.tell(Do("crash"))


@pytest.mark.rule("S1", "S4", "E1", "E2", "C3")
@pytest.mark.parametrize(
    ("told", "at", "ends_at", "ending", "lives"),
    [
        (stop, IN_HAND, 3, Crashed, 1),
        (stop, CLEANING, 3, Crashed, 1),
        (stop, DOWN, 3.5, Crashed, 1),
        (stop, STARTING, 6, Finished, 2),
        (stop, IDLE, 6.5, Finished, 2),
        (kill, IN_HAND, 2.5, Killed, 1),
        (kill, CLEANING, 3, Crashed, 1),
        (kill, DOWN, 3.5, Crashed, 1),
        (kill, STARTING, 4.5, Killed, 2),
        (kill, IDLE, 6.5, Killed, 2),
    ],
)
async def test_who_is_told_to_end_ends_for_good_and_takes_no_message_from_then_on(
    told: Callable[[Ref[Do]], None], at: float, ends_at: float, ending: type, lives: int
) -> None:
    created = Lives(Slow)
    endings: list[Ending] = []
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.supervise(created, "a", PERMANENT)
        ref.on_end(endings.append)
        await slow_one_crashes(ref)

        async def ask() -> None:
            with pytest.raises(ActorStopped):
                await ref.ask(Do("x"))
            assert trio.current_time() == at

        if at < IDLE:
            ref.tell(Do("y"))
            nursery.start_soon(ask)
        await trio.sleep_until(at)
        told(ref)
        with pytest.raises(NotAccepted):
            ref.tell(Do("x"))
        await ref.stopped()
        assert trio.current_time() == ends_at
        assert system.counts().dead_letters == (at < IDLE)
        await trio.sleep(100)
    assert isinstance(endings[0], ending)
    assert created.count == lives


class Parent(Player):
    async def on_start(self) -> None:
        self.created = Lives(Slow)
        self.child = await self.supervise(self.created, "child", PERMANENT)


def leave(_: Ref[Do]) -> None:
    """Leaving the system stops it."""


STOPPED = [(IN_HAND, 3, 1), (CLEANING, 3, 1), (DOWN, 3.5, 1), (STARTING, 6, 2), (IDLE, 6.5, 2)]
KILLED = [(IN_HAND, 2.5, 1), (CLEANING, 3, 1), (DOWN, 3.5, 1), (STARTING, 4.5, 2), (IDLE, 6.5, 2)]


@pytest.mark.rule("S1", "S4", "C1", "E5")
@pytest.mark.parametrize(
    ("told", "at", "ends_at", "lives"),
    [(told, *row) for told in (stop, leave) for row in STOPPED]
    + [(told, *row) for told in (kill, crash) for row in KILLED],
)
async def test_the_parents_end_is_the_childs_whatever_it_does(
    told: Callable[[Ref[Do]], None], at: float, ends_at: float, lives: int
) -> None:
    parent = Parent(1, [])
    async with System() as system:
        ref = await system.spawn(parent, "parent")
        await slow_one_crashes(parent.child)
        await trio.sleep_until(at)
        told(ref)
    assert trio.current_time() == ends_at
    assert parent.created.count == lives


@pytest.mark.rule("B3", "S4")
async def test_a_name_stays_taken_while_its_actor_is_down() -> None:
    async with System() as system:
        ref = await system.supervise(Lives(), "a", TRANSIENT)
        ref.tell(Do("crash"))
        await trio.sleep(0.5)
        with pytest.raises(ValueError, match="'a'"):
            await system.spawn(Player(1, []), "a")
        ref.stop()
        await ref.stopped()
        await system.spawn(Player(1, []), "a")
        assert trio.current_time() == 0.5
