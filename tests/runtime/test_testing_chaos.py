"""A crash on order is the actor's own; chaos keeps its bounds and repeats itself; traces miss nothing."""

from functools import partial
from random import Random

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorCrashed,
    Backoff,
    DeadLetter,
    Directory,
    Ended,
    Message,
    Permanent,
    Request,
    Started,
    StartFailed,
    System,
    Transient,
)
from greenroom.runtime.testing import Blow, Chaos, InjectedError, Trace, actors, crash, run

FOREVER = float("inf")


class Nap(Request[str], frozen=True):
    seconds: float


class Note(Message, frozen=True):
    word: str


class Sleeper(Actor[Nap | Note]):
    """Sleeps as long as it is told, in `receive` and, where it starts so, in its other hooks."""

    def __init__(self, *, start: float = 0) -> None:
        self.start = start
        self.words: list[str] = []

    async def on_start(self) -> None:
        await trio.sleep(self.start)

    async def receive(self, message: Nap | Note) -> str:
        match message:
            case Nap(seconds):
                await trio.sleep(seconds)
                return f"slept {seconds:g}"
            case Note(word):
                self.words.append(word)
                return word


class Parent(Actor[Nap]):
    """Supervises a sleeper."""

    def __init__(self, policy: Permanent | Transient) -> None:
        self.policy = policy
        self.lives = 0

    def create(self) -> Sleeper:
        self.lives += 1
        return Sleeper()

    async def on_start(self) -> None:
        self.child = await self.supervise(self.create, "child", self.policy)

    async def receive(self, message: Nap) -> str:
        return await self.child.ask(message)


# Crashes


@pytest.mark.rule("P6", "C1", "C2", "C3", "S1")
def test_a_crash_on_order_is_an_actors_own() -> None:
    async def story(system: System) -> None:
        parent = Parent(Transient())
        await system.spawn(parent, "parent")
        errors: list[BaseException | None] = []
        error = ValueError("on order")

        async def ask() -> None:
            with pytest.raises(ActorCrashed) as caught:
                await parent.child.ask(Nap(FOREVER))
            errors.append(caught.value.__cause__)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            parent.child.tell(Note("waits"))
            crash(parent.child, error)
            crash(parent.child, KeyError("one too many"))
        assert errors == [error]
        assert await parent.child.ask(Nap(1)) == "slept 1"
        assert parent.lives == 2
        assert system.counts().dead_letters == 0

    with capture_logs():
        run(story)


@pytest.mark.rule("P6", "B2")
def test_a_crash_of_one_that_starts_is_its_spawners() -> None:
    async def story(system: System) -> None:
        async with trio.open_nursery() as nursery:

            async def spawn() -> None:
                with pytest.raises(StartFailed) as caught:
                    await system.spawn(Sleeper(start=FOREVER), "slow")
                assert isinstance(caught.value.__cause__, InjectedError)

            nursery.start_soon(spawn)
            await wait_all_tasks_blocked()
            (ref,) = actors(system)
            crash(ref)
        assert actors(system) == []

    with capture_logs():
        run(story)


@pytest.mark.rule("P6")
def test_a_crash_of_one_at_its_end_or_between_two_lives_does_nothing() -> None:
    async def story(system: System) -> None:
        policy = Permanent(backoff=Backoff(first=10, jitter=0))
        ref = await system.supervise(Sleeper, "sleeper", policy)
        crash(ref)
        await trio.sleep(5)
        crash(ref)
        await trio.sleep(6)
        assert system.counts().restarted == 1
        assert await ref.ask(Nap(1)) == "slept 1"
        ref.stop()
        crash(ref)
        await ref.stopped()
        crash(ref)
        assert (system.counts().finished, system.counts().crashed) == (1, 0)

    with capture_logs():
        run(story)


class House(Actor[Note]):
    def __init__(self) -> None:
        self.guests: Directory[str, Nap | Note] = Directory(lambda key: Sleeper(), limit=50)

    async def on_start(self) -> None:
        self.host(self.guests)
        await self.spawn(Sleeper(), "cellar")

    async def receive(self, message: Note) -> None:
        pass


@pytest.mark.rule("P6")
def test_all_living_actors_can_be_had_keyed_ones_too() -> None:
    async def story(system: System) -> list[str]:
        house = House()
        await system.spawn(house, "house")
        await house.guests.address("ada").ask(Nap(1))
        await system.spawn(Sleeper(), "garden")
        refs = actors(system)
        assert refs[0] is house.ref
        return [ref.path for ref in refs]

    cellar, ada = "greenroom/house/cellar", "greenroom/house/ada"
    assert run(story) == ["greenroom/house", cellar, ada, "greenroom/garden"]


# Chaos


async def ravage(seed: int, system: System) -> tuple[list[Blow], list[str]]:
    async with Trace(system) as trace:
        house = House()
        await system.spawn(house, "house")
        for number in range(20):
            await house.guests.address(str(number)).ask(Nap(0))
        random = Random(seed)
        chaos = Chaos(system, random, deeds=("crash", "kill"), aim=lambda path: path[-1].isdigit())
        await chaos.rage(8, 1000)
        assert trio.current_time() <= 1000
        await trio.sleep(10)
        assert house.guests.live == 12
        return chaos.blows, trace.lines


@pytest.mark.rule("P7")
def test_chaos_hits_as_often_as_it_is_told_whom_it_is_aimed_at_and_repeats_itself() -> None:
    with capture_logs():
        plays = [run(partial(ravage, seed), seed=seed) for seed in (1, 2, 1)]
    assert plays[0] == plays[2] != plays[1]
    blows, lines = plays[0]
    assert len(blows) == 8
    assert len({blow.path for blow in blows}) == 8
    assert {blow.deed for blow in blows} == {"crash", "kill"}
    assert [blow.at for blow in blows] == sorted(blow.at for blow in blows)
    ends = [line for line in lines if " Ended" in line]
    assert sum("Crashed" in line for line in ends) == [blow.deed for blow in blows].count("crash")


@pytest.mark.rule("P7")
def test_chaos_without_a_target_does_nothing_and_never_hits_the_root() -> None:
    async def story(system: System) -> None:
        chaos = Chaos(system, Random(0))
        assert chaos.strike() is None
        await system.spawn(Sleeper(), "sleeper")
        for _ in range(10):
            chaos.strike()
            await wait_all_tasks_blocked()
        assert [blow.path for blow in chaos.blows] == ["greenroom/sleeper"]
        await system.spawn(Sleeper(), "sleeper")

    with capture_logs():
        run(story)


# Traces


@pytest.mark.rule("P8", "O1")
def test_a_trace_has_every_event_with_its_time_and_changes_no_schedule() -> None:
    async def untraced(system: System) -> list[int]:
        await (await system.spawn(Sleeper(), "sleeper")).ask(Nap(3))
        turns: list[int] = []

        async def take(number: int) -> None:
            for _ in range(10):
                turns.append(number)
                await trio.sleep(1)

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(take, number)
        return turns

    async def traced(system: System) -> list[int]:
        async with Trace(system) as trace:
            turns = await untraced(system)
            assert trace.events == [(0, Started("greenroom/sleeper", "Sleeper", 0))]
        return turns

    assert run(traced) == run(untraced)


@pytest.mark.rule("P8", "O2")
async def test_a_trace_around_a_system_misses_nothing_of_it(autojump_clock: MockClock) -> None:
    sleeper = Sleeper()
    sleeper.mailbox_size = 500
    system = System("house")
    with capture_logs():
        async with Trace(system) as trace, system:
            ref = await system.spawn(sleeper, "sleeper")
            for number in range(401):
                ref.tell(Note(str(number)))
            ref.kill()  # in one step, more dead letters than a subscription's buffer holds
            await trio.sleep(2)
    events = [event for _, event in trace.events]
    assert [type(event) for event in events] == [Started] * 2 + [DeadLetter] * 400 + [Ended] * 2
    assert [at for at, _ in trace.events] == [0] * 403 + [2]
    assert trace.lines[1] == "0.000000 Started(path='house/sleeper', actor='Sleeper', restarts=0)"
    assert trace.lines[-1] == "2.000000 Ended(path='house', ending=Finished(value=None))"


@pytest.mark.rule("P8")
async def test_a_trace_compares_errors_by_what_they_say(autojump_clock: MockClock) -> None:
    async def play() -> Trace:
        async with System("house") as system, Trace(system) as trace:
            ref = await system.spawn(Sleeper(), "sleeper")
            crash(ref, ValueError("broken"))
            await ref.stopped()
        return trace

    begin = trio.current_time()
    with capture_logs():
        one, other = await play(), await play()
    assert trio.current_time() == begin
    assert one.lines == other.lines
    assert "Crashed(error=ValueError('broken'))" in one.lines[-1]
    assert one.events != other.events
