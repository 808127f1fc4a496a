"""A restart is a new actor behind the same ref: what waits stays, and all else goes."""

from collections.abc import Callable, Iterator

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Backoff,
    Ending,
    Finished,
    Killed,
    MailboxFull,
    Message,
    NotAccepted,
    Permanent,
    Ref,
    Request,
    StreamPort,
    Subscription,
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


class Feed(Subscription[str], frozen=True):
    pass


class Heard(Message, frozen=True):
    """A signal."""


Play = Do | Feed | Heard


class Player(Actor[Play]):
    mailbox_size = 3

    def __init__(self, number: int, diary: list[str]) -> None:
        self.number = number
        self.diary = diary
        self.feeds: list[StreamPort[str]] = []

    def note(self, what: str) -> str:
        self.diary.append(f"{self.number}: {what} at {trio.current_time():g}")
        return f"{self.number}: {what}"

    async def on_start(self) -> None:
        self.note("start")

    async def receive(self, message: Play) -> str | None:
        match message:
            case Do(what, seconds):
                await trio.sleep(seconds)
                return await self.do(what, message)
            case Feed():
                port = self.stream_port(message)
                await port.send("event")
                self.feeds.append(port)
            case Heard():
                self.note("heard")
        return None

    async def do(self, what: str, message: Do) -> str:
        match what:
            case "crash":
                raise BrokenError
            case "stop":
                self.stop("value")
            case "defer":
                self.reply_port(message)
            case _:
                pass
        return self.note(what)

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


@pytest.mark.rule("S1", "S6")
async def test_a_restart_is_a_new_actor_behind_the_same_ref() -> None:
    refs: list[Ref[Play]] = []

    class Known(Player):
        async def on_start(self) -> None:
            refs.append(self.ref)

    lives = Lives(Known)
    async with System() as system:
        ref = await system.supervise(lives, "a", TRANSIENT)
        assert await ref.ask(Do("x")) == "1: x"
        ref.tell(Do("crash"))
        assert await ref.ask(Do("x")) == "2: x"
        ref.tell(Do("crash"))
        assert await ref.ask(Do("x")) == "3: x"
    assert refs == [ref, ref, ref]


@pytest.mark.rule("S3", "S6")
async def test_the_next_actor_is_created_when_it_begins_and_not_before() -> None:
    lives = Lives()
    async with System() as system:
        ref = await system.supervise(lives, "a", TRANSIENT)
        ref.tell(Do("crash"))
        await trio.sleep(0.999)
        assert lives.count == 1
        await trio.sleep(0.001)
        await wait_all_tasks_blocked()
        assert lives.count == 2
    assert lives.diary == ["1: start at 0", "1: end at 0", "2: start at 1", "2: end at 1"]


# Messages


@pytest.mark.rule("C2", "C3", "M2", "M5")
async def test_what_waits_stays_in_order_and_what_crashed_is_answered_and_not_handled_again() -> (
    None
):
    lives = Lives()
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.supervise(lives, "a", TRANSIENT)

        async def crash() -> None:
            with pytest.raises(ActorCrashed) as caught:
                await ref.ask(Do("crash", seconds=1))
            assert isinstance(caught.value.__cause__, BrokenError)
            assert trio.current_time() == 1

        nursery.start_soon(crash)
        await wait_all_tasks_blocked()
        for what in "abc":
            ref.tell(Do(what))
        await ref.ask(Do("d"))
        ref.stop()
    handled = [f"2: {what} at 2" for what in "abcd"]
    assert lives.diary == ["1: start at 0", "1: end at 1", "2: start at 2", *handled, "2: end at 2"]


@pytest.mark.rule("C3", "M4")
async def test_asks_that_wait_for_room_are_served_after_the_restart_in_order() -> None:
    lives = Lives()
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.supervise(lives, "a", TRANSIENT)
        ref.tell(Do("crash", seconds=1))
        await wait_all_tasks_blocked()
        for what in "abcdefg":
            nursery.start_soon(ref.ask, Do(what))
            await wait_all_tasks_blocked()
    assert lives.diary[3:-1] == [f"2: {what} at 2" for what in "abcdefg"]


@pytest.mark.rule("C3", "M3", "M4")
async def test_an_actor_that_is_down_accepts_tells_until_its_mailbox_is_full() -> None:
    lives = Lives()
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.supervise(lives, "a", TRANSIENT)
        ref.tell(Do("crash"))
        await trio.sleep(0.5)
        for what in "abc":
            ref.tell(Do(what))
        with pytest.raises(MailboxFull):
            ref.tell(Do("one too many"))
        nursery.start_soon(ref.ask, Do("d"))
        await trio.sleep(1)
        assert system.counts().dead_letters == 0
    assert lives.diary[3:-1] == [f"2: {what} at 1" for what in "abcd"]


# What a crash takes along


@pytest.mark.rule("A4", "S6")
@pytest.mark.parametrize(("end", "fault"), [("crash", ActorCrashed), ("stop", ActorStopped)])
async def test_open_ports_are_settled_by_the_end_of_their_incarnation(
    end: str, fault: type[Exception]
) -> None:
    read: list[str] = []
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.supervise(Lives(), "a", PERMANENT)

        async def ask() -> None:
            with pytest.raises(fault):
                await ref.ask(Do("defer"))
            assert trio.current_time() == 1

        async def stream() -> None:
            async with ref.stream(Feed()) as events:
                read.append(await anext(events))
                with pytest.raises(fault):
                    await anext(events)
            assert trio.current_time() == 1

        nursery.start_soon(ask)
        nursery.start_soon(stream)
        await trio.sleep(1)
        ref.tell(Do(end))
    assert read == ["event"]


@pytest.mark.rule("W3", "S6")
@pytest.mark.parametrize("ends_at", [0.5, 1.5, 2.5])  # the watcher is at work, is down, is another
async def test_a_watch_does_not_reach_the_next_incarnation(ends_at: float) -> None:
    async with System() as system:
        other = await system.spawn(Player(0, []), "other")

        class Watching(Player):
            async def on_start(self) -> None:
                if self.number == 1:
                    self.watch(other, lambda _: Heard())

        lives = Lives(Watching)
        ref = await system.supervise(lives, "a", TRANSIENT)
        ref.tell(Do("crash", seconds=1))
        await trio.sleep(ends_at)
        other.stop()
        await trio.sleep(5)
        assert await ref.ask(Do("x")) == "2: x"
    assert "heard" not in "".join(lives.diary)


@pytest.mark.rule("W1", "W4")
async def test_who_watches_and_who_waits_learns_of_the_end_for_good_alone() -> None:
    endings: list[Ending] = []
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.supervise(Lives(), "a", TRANSIENT)
        ref.on_end(endings.append)

        async def wait() -> None:
            await ref.stopped()
            assert trio.current_time() == 5

        nursery.start_soon(wait)
        ref.tell(Do("crash"))
        await trio.sleep(2)
        ref.tell(Do("crash"))
        await trio.sleep(3)
        assert endings == []
        ref.tell(Do("stop"))
    assert endings == [Finished("value")]


class Parent(Player):
    """Has a child with a name; its incarnations and their children write into one diary."""

    async def on_start(self) -> None:
        await super().on_start()
        await self.spawn(Child(self.number * 10, self.diary), "child")


class Child(Player):
    async def on_stop(self) -> None:
        await trio.sleep(2)
        await super().on_stop()


@pytest.mark.rule("S6", "C1", "B3")
async def test_children_end_with_their_parents_incarnation_and_the_next_has_its_own() -> None:
    lives = Lives(Parent)
    async with System() as system:
        ref = await system.supervise(lives, "a", TRANSIENT)
        ref.tell(Do("crash"))
        assert await ref.ask(Do("x")) == "2: x"
    assert lives.diary == [
        *("1: start at 0", "10: start at 0", "10: end at 2", "1: end at 2"),
        *("2: start at 3", "20: start at 3", "2: x at 3"),
        *("20: end at 5", "2: end at 5"),
    ]


@pytest.mark.rule("S6", "C1")
async def test_a_child_is_killed_by_its_parents_crash_supervised_or_not() -> None:
    children: list[Ref[Play]] = []
    endings: list[Ending] = []

    class House(Player):
        async def on_start(self) -> None:
            children.append(await self.spawn(Player(10, self.diary), "spawned"))
            children.append(await self.supervise(Lives(), "supervised", PERMANENT))
            for child in children[-2:]:
                child.on_end(endings.append)

    async with System() as system:
        ref = await system.supervise(Lives(House), "a", TRANSIENT)
        ref.tell(Do("crash"))
        await trio.sleep(0.5)
        assert endings == [Killed(), Killed()]
        for child in children:
            with pytest.raises(NotAccepted):
                child.tell(Do("x"))
        await trio.sleep(1)
        assert len(children) == 4
        assert [await child.ask(Do("x")) for child in children[2:]] == ["10: x", "1: x"]
