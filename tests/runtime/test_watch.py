"""A watch fires once, on the signal lane, whatever happened to the watched and to the mailbox."""

from collections.abc import Callable

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    Crashed,
    Ending,
    Finished,
    Killed,
    Message,
    Ref,
    Request,
    StreamPort,
    Subscription,
    System,
)


class Watch(Message, frozen=True):
    name: str


class Ended(Message, frozen=True):
    """A signal: `name` has ended."""

    name: str
    how: str


class Left(Message, frozen=True):
    """A signal: the consumer of the feed of `number` has left."""

    number: int


class Nap(Request[None], frozen=True):
    seconds: float


class Note(Message, frozen=True):
    pass


class Seen(Request[list[str]], frozen=True):
    pass


class Feed(Subscription[int], frozen=True):
    number: int


class CloseFeeds(Message, frozen=True):
    pass


Sight = Watch | Ended | Left | Nap | Note | Seen | Feed | CloseFeeds


class Watcher(Actor[Sight]):
    mailbox_size = 1

    def __init__(self, **watched: Ref[Note]) -> None:
        self.watched = watched
        self.seen: list[str] = []
        self.feeds: list[StreamPort[int]] = []

    def ended(self, name: str) -> Callable[[Ending], Ended]:
        return lambda ending: Ended(name, type(ending).__name__)

    async def receive(self, message: Sight) -> object:
        match message:
            case Watch(name):
                self.watch(self.watched[name], self.ended(name))
            case Ended(name, how):
                self.seen.append(f"{name} {how} at {trio.current_time():g}")
            case Left(number):
                self.seen.append(f"left {number}")
            case Nap(seconds):
                await trio.sleep(seconds)
            case Note():
                self.seen.append("note")
            case Seen():
                return list(self.seen)
            case Feed(number):
                feed = self.stream_port(message)
                self.watch_consumer(feed, lambda: Left(number))
                self.feeds.append(feed)
            case CloseFeeds():
                for feed in self.feeds:
                    feed.close()
        return None


class Watched(Actor[Note]):
    async def receive(self, message: Note) -> None:
        raise ValueError("broken")


def stop(ref: Ref[Note]) -> None:
    ref.stop()


def kill(ref: Ref[Note]) -> None:
    ref.kill()


def crash(ref: Ref[Note]) -> None:
    ref.tell(Note())


ENDINGS = [(stop, Finished), (kill, Killed), (crash, Crashed)]


@pytest.mark.rule("W1")
@pytest.mark.parametrize(("end", "ending"), ENDINGS)
async def test_a_watch_tells_how_the_watched_ended(
    autojump_clock: MockClock, end: Callable[[Ref[Note]], None], ending: type
) -> None:
    with capture_logs():
        async with System() as system:
            ref = await system.spawn(Watched(), "watched")
            watcher = await system.spawn(Watcher(a=ref), "watcher")
            watcher.tell(Watch("a"))
            await trio.sleep(1)
            assert await watcher.ask(Seen()) == []
            end(ref)
            await trio.sleep(1)
            assert await watcher.ask(Seen()) == [f"a {ending.__name__} at 1"]


@pytest.mark.rule("W1")
@pytest.mark.parametrize(("end", "ending"), ENDINGS)
async def test_a_watch_of_one_who_has_ended_already_fires_at_once(
    autojump_clock: MockClock, end: Callable[[Ref[Note]], None], ending: type
) -> None:
    with capture_logs():
        async with System() as system:
            ref = await system.spawn(Watched(), "watched")
            end(ref)
            await ref.stopped()
            watcher = await system.spawn(Watcher(a=ref), "watcher")
            watcher.tell(Watch("a"))
            await trio.sleep(1)
            assert await watcher.ask(Seen()) == [f"a {ending.__name__} at 0"]


@pytest.mark.rule("W1")
async def test_each_watch_fires_once(autojump_clock: MockClock) -> None:
    async with System() as system:
        a, b = [await system.spawn(Watched(), name) for name in "ab"]
        watcher = await system.spawn(Watcher(a=a, b=b), "watcher")
        for name in "aab":
            await watcher.ask(Nap(0))
            watcher.tell(Watch(name))
        await watcher.ask(Nap(0))
        b.stop()
        a.stop()
        await trio.sleep(1)
        seen = await watcher.ask(Seen())
        assert sorted(seen) == ["a Finished at 0", "a Finished at 0", "b Finished at 0"]


@pytest.mark.rule("W2", "M2")
async def test_a_signal_passes_a_full_mailbox_and_those_who_wait_for_room(
    autojump_clock: MockClock,
) -> None:
    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.spawn(Watched(), "watched")
        actor = Watcher(a=ref)
        watcher = await system.spawn(actor, "watcher")
        watcher.tell(Watch("a"))
        nursery.start_soon(watcher.ask, Nap(3))
        await wait_all_tasks_blocked()
        watcher.tell(Note())
        nursery.start_soon(watcher.ask, Nap(2))
        await wait_all_tasks_blocked()
        ref.stop()
        await trio.sleep(10)
        assert actor.seen == ["a Finished at 3", "note"]


@pytest.mark.rule("W3")
async def test_a_watcher_that_has_ended_is_left_in_peace(autojump_clock: MockClock) -> None:
    async with System() as system:
        ref = await system.spawn(Watched(), "watched")
        actor = Watcher(a=ref)
        watcher = await system.spawn(actor, "watcher")
        watcher.tell(Watch("a"))
        await watcher.ask(Nap(0))
        watcher.stop()
        await watcher.stopped()
        ref.stop()
        await ref.stopped()
        assert actor.seen == []


@pytest.mark.rule("W2", "C1")
async def test_a_signal_that_cannot_be_made_is_the_watchers_crash(
    autojump_clock: MockClock,
) -> None:
    class Blind(Watcher):
        def ended(self, name: str) -> Callable[[Ending], Ended]:
            def broken(ending: Ending) -> Ended:
                raise ValueError(ending)

            return broken

    endings: list[Ending] = []
    with capture_logs():
        async with System() as system:
            ref = await system.spawn(Watched(), "watched")
            watcher = await system.spawn(Blind(a=ref), "watcher")
            watcher.on_end(endings.append)
            watcher.tell(Watch("a"))
            await watcher.ask(Nap(0))
            ref.stop()
            await watcher.stopped()
    assert isinstance(endings[0], Crashed)


@pytest.mark.rule("W1", "W4")
async def test_on_end_is_called_before_anybody_else_runs(autojump_clock: MockClock) -> None:
    async with System() as system:
        ref = await system.spawn(Watched(), "watched")
        order: list[str] = []

        async def wait() -> None:
            await ref.stopped()
            order.append("stopped")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            ref.on_end(lambda _: order.append("on_end"))
            ref.stop()
    assert order == ["on_end", "stopped"]


@pytest.mark.rule("W2")
async def test_a_consumer_that_leaves_is_a_signal(autojump_clock: MockClock) -> None:
    async with System() as system:
        watcher = await system.spawn(Watcher(), "watcher")
        async with watcher.stream(Feed(1)):
            assert await watcher.ask(Seen()) == []
        assert await watcher.ask(Seen()) == ["left 1"]


@pytest.mark.rule("W2")
async def test_a_consumer_that_left_before_its_subscription_was_read_is_a_signal(
    autojump_clock: MockClock,
) -> None:
    async with System() as system, trio.open_nursery() as nursery:
        watcher = await system.spawn(Watcher(), "watcher")
        nursery.start_soon(watcher.ask, Nap(3))
        await wait_all_tasks_blocked()
        async with watcher.stream(Feed(1)):
            pass
        assert await watcher.ask(Seen()) == ["left 1"]


@pytest.mark.rule("W2")
async def test_a_consumer_leaves_an_ended_stream_as_well(autojump_clock: MockClock) -> None:
    async with System() as system:
        watcher = await system.spawn(Watcher(), "watcher")
        async with watcher.stream(Feed(1)) as events:
            watcher.tell(CloseFeeds())
            assert [event async for event in events] == []
            assert await watcher.ask(Seen()) == []
        assert await watcher.ask(Seen()) == ["left 1"]
