"""A watch goes with the incarnation that made it: nothing of it stays, on either side."""

import gc
from collections.abc import Callable
from weakref import ref as weak

import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    Backoff,
    Ending,
    Finished,
    Message,
    Permanent,
    Ref,
    Request,
    Subscription,
    System,
    watch,
)
from tests.runtime.conftest import count_of

AFTER_A_SECOND = Permanent(restarts=100, backoff=Backoff(first=1, factor=1, most=1, jitter=0))


class Watch(Request[None], frozen=True):
    pass


class Told(Message, frozen=True):
    by_life: int


class Feed(Subscription[int], frozen=True):
    pass


class Leave(Message, frozen=True):
    pass


class Nap(Request[None], frozen=True):
    seconds: float


Sight = Watch | Told | Feed | Leave | Nap


class Callback:
    """What a watch holds on to; it can be seen whether it still does."""

    def __init__(self, life: int) -> None:
        self.life = life

    def __call__(self, ending: Ending | None = None) -> Told:
        return Told(self.life)


class Watcher(Actor[Sight]):
    """Each life has its number; `seen` and `made` are of all lives."""

    def __init__(self, other: Ref[Leave], lives: list["weak[Watcher]"], seen: list[str]) -> None:
        lives.append(weak(self))
        self.life = len(lives)
        self.other = other
        self.seen = seen
        self.made: list[weak[Callback]] = []

    def callback(self) -> Callback:
        made = Callback(self.life)
        self.made.append(weak(made))
        return made

    async def receive(self, message: Sight) -> None:
        match message:
            case Watch():
                self.watch(self.other, self.callback())
            case Told(by_life):
                self.seen.append(f"life {self.life} is told by life {by_life}")
            case Feed():
                self.watch_consumer(self.stream_port(message), self.callback())
            case Leave():
                self.stop()
            case Nap(seconds):
                await trio.sleep(seconds)


class Other(Actor[Leave]):
    async def receive(self, message: Leave) -> None:
        self.stop("left")


def silent() -> structlog.typing.FilteringBoundLogger:
    """Make a log that keeps nothing alive."""

    def drop(*_: object) -> structlog.typing.ProcessorReturnValue:
        raise structlog.DropEvent

    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        None, processors=[drop], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    return log


class Scene:
    """One watcher, supervised, and one other to watch."""

    def __init__(self, watcher: Ref[Sight], other: Ref[Leave]) -> None:
        self.watcher = watcher
        self.other = other
        self.lives: list[weak[Watcher]] = []
        self.seen: list[str] = []

    @classmethod
    async def begin(cls, system: System, kind: type[Watcher] = Watcher) -> "Scene":
        other = await system.spawn(Other(), "other")
        lives: list[weak[Watcher]] = []
        seen: list[str] = []
        watcher = await system.supervise(
            lambda: kind(other, lives, seen), "watcher", AFTER_A_SECOND
        )
        scene = cls(watcher, other)
        scene.lives, scene.seen = lives, seen
        return scene

    async def callbacks_left(self, life: int) -> int:
        """Count what is left of the callbacks of the living actor of that life."""
        await wait_all_tasks_blocked()
        gc.collect()
        actor = self.lives[life - 1]()
        assert actor is not None
        return sum(made() is not None for made in actor.made)

    async def lives_left(self) -> list[int]:
        await wait_all_tasks_blocked()
        gc.collect()
        return [number for number, life in enumerate(self.lives, 1) if life() is not None]


@pytest.mark.rule("W1", "W3")
async def test_a_watch_that_has_fired_leaves_nothing_with_the_watcher(
    autojump_clock: MockClock,
) -> None:
    async with System(log=silent()) as system:
        scene = await Scene.begin(system)
        watches_before = count_of(watch.Watch)
        for _ in range(3):
            await scene.watcher.ask(Watch())
        assert await scene.callbacks_left(1) == 3
        assert count_of(watch.Watch) == watches_before + 3
        scene.other.tell(Leave())
        await scene.other.stopped()
        assert await scene.callbacks_left(1) == 0
        assert scene.seen == ["life 1 is told by life 1"] * 3
        await scene.watcher.ask(Watch())  # fires at once
        assert await scene.callbacks_left(1) == 0
        assert scene.seen == ["life 1 is told by life 1"] * 4
        async with scene.watcher.stream(Feed()):
            await wait_all_tasks_blocked()
        assert await scene.callbacks_left(1) == 0
        assert count_of(watch.Watch) == watches_before


def stop(ref: Ref[Sight]) -> None:
    ref.stop()


def kill(ref: Ref[Sight]) -> None:
    ref.kill()


def leave(ref: Ref[Sight]) -> None:
    """A permanent actor that leaves comes back."""
    ref.tell(Leave())


@pytest.mark.rule("W3")
@pytest.mark.parametrize("end", [stop, kill, leave])
async def test_a_watcher_that_has_ended_leaves_nothing_with_the_watched(
    autojump_clock: MockClock, end: Callable[[Ref[Sight]], None]
) -> None:
    async with System(log=silent()) as system:
        scene = await Scene.begin(system)
        watches_before = count_of(watch.Watch)
        for _ in range(3):
            await scene.watcher.ask(Watch())
        assert await scene.callbacks_left(1) == 3
        end(scene.watcher)
        await trio.sleep(2)
        assert 1 not in await scene.lives_left()
        assert count_of(watch.Watch) == watches_before
        assert len(scene.lives) == (2 if end is leave else 1)
        scene.other.tell(Leave())
        await scene.other.stopped()
        await wait_all_tasks_blocked()
    assert scene.seen == []


@pytest.mark.rule("W3")
@pytest.mark.parametrize("end", [stop, kill, leave])
async def test_a_watcher_that_has_ended_leaves_nothing_with_a_consumer_that_stays(
    autojump_clock: MockClock, end: Callable[[Ref[Sight]], None]
) -> None:
    async with System(log=silent()) as system:
        scene = await Scene.begin(system)
        async with scene.watcher.stream(Feed()):
            assert await scene.callbacks_left(1) == 1
            end(scene.watcher)
            await trio.sleep(2)
            assert 1 not in await scene.lives_left()
    assert scene.seen == []


@pytest.mark.rule("W3", "S6")
async def test_of_many_lives_only_the_one_that_lives_is_told(autojump_clock: MockClock) -> None:
    async with System(log=silent()) as system:
        scene = await Scene.begin(system)
        for _ in range(5):
            await scene.watcher.ask(Watch())
            scene.watcher.tell(Leave())
            await trio.sleep(2)
        await scene.watcher.ask(Watch())
        assert await scene.lives_left() == [6]
        scene.other.tell(Leave())
        await trio.sleep(1)
        assert scene.seen == ["life 6 is told by life 6"]


@pytest.mark.rule("W3", "S6")
async def test_a_signal_that_waits_goes_with_the_life_that_it_was_for(
    autojump_clock: MockClock,
) -> None:
    async with System(log=silent()) as system, trio.open_nursery() as nursery:
        scene = await Scene.begin(system)
        await scene.watcher.ask(Watch())
        nursery.start_soon(scene.watcher.ask, Nap(5))
        await wait_all_tasks_blocked()
        life = scene.lives[0]()
        assert life is not None
        life.stop()  # after the message in hand
        del life
        scene.other.tell(Leave())
        await trio.sleep(10)
        assert await scene.lives_left() == [2]
        assert scene.seen == []


@pytest.mark.rule("W3", "S6")
async def test_what_a_clean_up_watches_is_not_told_to_the_next_life(
    autojump_clock: MockClock,
) -> None:
    class Late(Watcher):
        async def on_stop(self) -> None:
            if self.life == 1:
                self.watch(self.other, self.callback())

    async with System(log=silent()) as system:
        scene = await Scene.begin(system, Late)
        scene.watcher.tell(Leave())
        await trio.sleep(2)
        assert await scene.lives_left() == [2]
        scene.other.tell(Leave())
        await trio.sleep(1)
        assert scene.seen == []


@pytest.mark.rule("W3", "S6", "T2")
async def test_a_consumer_that_leaves_later_is_not_told_to_the_next_life(
    autojump_clock: MockClock,
) -> None:
    async with System(log=silent()) as system:
        scene = await Scene.begin(system)
        async with scene.watcher.stream(Feed()):
            await wait_all_tasks_blocked()
            scene.watcher.tell(Leave())
            await trio.sleep(2)
            assert len(scene.lives) == 2
        await trio.sleep(1)
        assert scene.seen == []


@pytest.mark.rule("W1", "W4")
async def test_a_restart_is_no_end_for_those_who_watch_and_wait(autojump_clock: MockClock) -> None:
    async with System(log=silent()) as system, trio.open_nursery() as nursery:
        lives: list[weak[Watcher]] = []
        seen: list[str] = []
        waited: list[float] = []
        endings: list[Ending] = []
        other = await system.supervise(Other, "other", AFTER_A_SECOND)
        watcher = await system.spawn(Watcher(other, lives, seen), "watcher")
        await watcher.ask(Watch())
        other.on_end(endings.append)

        async def wait() -> None:
            await other.stopped()
            waited.append(trio.current_time())

        for _ in range(2):
            nursery.start_soon(wait)
        for _ in range(3):
            other.tell(Leave())
            await trio.sleep(2)
        assert (seen, waited, endings) == ([], [], [])
        other.stop()
        await trio.sleep(1)
        assert seen == ["life 1 is told by life 1"]
        assert waited == [6, 6]
        assert endings == [Finished()]
        await other.stopped()  # at once, for whoever comes late
        assert trio.current_time() == 7


@pytest.mark.rule("W3")
async def test_who_watches_itself_is_told_nothing(autojump_clock: MockClock) -> None:
    class Mirror(Watcher):
        async def on_start(self) -> None:
            self.watch(self.ref, self.callback())

    async with System(log=silent()) as system:
        scene = await Scene.begin(system, Mirror)
        scene.watcher.tell(Leave())
        await trio.sleep(2)
        scene.watcher.stop()
        await scene.watcher.stopped()
        assert await scene.lives_left() == []
        assert scene.seen == []


@pytest.mark.rule("W2", "W3")
async def test_a_watcher_that_is_stopping_is_told_nothing(autojump_clock: MockClock) -> None:
    async with System(log=silent()) as system, trio.open_nursery() as nursery:
        scene = await Scene.begin(system)
        await scene.watcher.ask(Watch())
        nursery.start_soon(scene.watcher.ask, Nap(5))
        await wait_all_tasks_blocked()
        scene.watcher.stop()
        scene.other.tell(Leave())
        await scene.other.stopped()
        await scene.watcher.stopped()
        assert trio.current_time() == 5
        assert scene.seen == []
