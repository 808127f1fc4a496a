"""How long a restart is waited for, and what is seen of it from outside."""

from collections.abc import Iterator

import pytest
import trio
from structlog.testing import capture_logs
from structlog.typing import EventDict

from greenroom.runtime import (
    Actor,
    Backoff,
    Counts,
    Crashed,
    Ended,
    Event,
    Finished,
    Node,
    Permanent,
    Request,
    Restarting,
    Started,
    State,
    System,
    Transient,
)
from greenroom.runtime.testing import Trace

IN_VIRTUAL_TIME = True

POLICY = Transient(restarts=3, seconds=60, backoff=Backoff(first=1, factor=2, most=3, jitter=0))


class BrokenError(Exception):
    pass


class Do(Request[None], frozen=True):
    what: str


class Player(Actor[Do]):
    async def on_start(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive(self, message: Do) -> None:
        match message.what:
            case "crash":
                raise BrokenError
            case "stop":
                self.stop("value")
            case "nap":
                await trio.sleep(1)
            case _:
                pass


class SlowPlayer(Player):
    async def on_start(self) -> None:
        await trio.sleep(1)

    async def on_stop(self) -> None:
        await trio.sleep(1)


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as captured:
        yield captured


async def starts_of(system: System, *crashes_at: float, policy: Transient = POLICY) -> list[float]:
    """Crash an actor at the given times; return when it was started, from the system's events."""
    async with Trace(system) as trace:
        ref = await system.supervise(Player, "a", policy)
        for at in crashes_at:
            await trio.sleep_until(at)
            ref.tell(Do("crash"))
        await trio.sleep(100)
        return [at for at, event in trace.events if isinstance(event, Started)]


@pytest.mark.rule("S3")
async def test_each_restart_is_waited_for_longer_up_to_the_most() -> None:
    async with System() as system:
        assert await starts_of(system, 0, 10, 20) == [0, 0 + 1, 10 + 2, 20 + 3]


@pytest.mark.rule("S2", "S3")
async def test_a_restart_counts_for_a_stretch_from_its_beginning_and_not_for_longer() -> None:
    async with System() as system:
        # Those at 1 and 12 count no more at 61 and 72, and so each wait is the second's again.
        assert await starts_of(system, 0, 10, 61, 72) == [0, 1, 12, 61 + 2, 72 + 2]


@pytest.mark.rule("S2", "S3")
async def test_after_a_stretch_of_peace_the_wait_is_the_first_again() -> None:
    async with System() as system:
        assert await starts_of(system, 0, 10, 20, 83, 93) == [0, 1, 12, 23, 83 + 1, 93 + 2]


@pytest.mark.rule("S3")
async def test_who_waits_for_nothing_is_restarted_at_once() -> None:
    policy = Transient(backoff=Backoff(first=0))
    async with System() as system:
        assert await starts_of(system, 5, 5, 5, policy=policy) == [0, 5, 5, 5]


@pytest.mark.rule("S3")
async def test_a_permanent_actors_own_stops_are_waited_for_like_crashes() -> None:
    async with System() as system, Trace(system) as trace:
        ref = await system.supervise(Player, "a", Permanent(backoff=POLICY.backoff))
        for what in ("stop", "crash", "stop"):
            ref.tell(Do(what))
        await trio.sleep(100)
        assert [at for at, event in trace.events if isinstance(event, Started)] == [0, 1, 3, 6]


async def waits_of(seed: int | None) -> list[float]:
    policy = Transient(restarts=6, backoff=Backoff(first=1, factor=1, jitter=0.5))
    async with System(seed=seed) as system, Trace(system) as trace:
        ref = await system.supervise(Player, "a", policy)
        for _ in range(6):
            ref.tell(Do("crash"))
        await trio.sleep(100)
        return [event.wait for _, event in trace.events if isinstance(event, Restarting)]


@pytest.mark.rule("S3", "O5")
async def test_a_systems_seed_decides_its_waits() -> None:
    waits = await waits_of(seed=1)
    assert len(set(waits)) == 6
    assert all(0.5 <= wait <= 1 for wait in waits)
    assert await waits_of(seed=1) == waits
    assert await waits_of(seed=2) != waits
    assert await waits_of(seed=None) != await waits_of(seed=None)


@pytest.mark.rule("S3", "S6")
async def test_the_wait_begins_when_the_incarnation_has_ended() -> None:
    async with System() as system, Trace(system) as trace:
        ref = await system.supervise(SlowPlayer, "a", POLICY)
        ref.tell(Do("crash"))
        await trio.sleep(100)
        up, down, up_again = 0 + 1, 1 + 1, 2 + 1 + 1
        assert [at for at, _ in trace.events] == [up, down, up_again]


# Seen from outside


def plain(event: Event) -> Event | str:
    """Make an event comparable, for no error equals another."""
    match event:
        case Restarting(path, Crashed(BrokenError()), wait):
            return f"{path} crashed and waits {wait:g}"
        case Ended(path, Crashed(BrokenError())):
            return f"{path} crashed"
        case _:
            return event


@pytest.mark.rule("O1", "S1")
async def test_each_incarnation_each_restart_and_each_end_is_one_event() -> None:
    system = System()
    async with Trace(system) as trace, system:
        ref = await system.supervise(Player, "a", Permanent(backoff=POLICY.backoff))
        ref.tell(Do("crash"))
        ref.tell(Do("stop"))
        await ref.ask(Do("rest"))
        ref.stop()
    assert [(at, plain(event)) for at, event in trace.events] == [
        (0, Started("greenroom", "_Root", 0)),
        (0, Started("greenroom/a", "Player", 0)),
        (0, "greenroom/a crashed and waits 1"),
        (1, Started("greenroom/a", "Player", 1)),
        (1, Restarting("greenroom/a", Finished("value"), 2)),
        (3, Started("greenroom/a", "Player", 2)),
        (3, Ended("greenroom/a", Finished())),
        (3, Ended("greenroom", Finished())),
    ]
    assert system.counts() == Counts(started=4, restarted=2, finished=2)


class FrailPlayer(Player):
    """Starts in one life of two."""

    lives = 0

    async def on_start(self) -> None:
        FrailPlayer.lives += 1
        if FrailPlayer.lives % 2 == 0:
            raise BrokenError


@pytest.mark.rule("O1", "S1")
async def test_a_restart_is_counted_when_it_begins_and_a_start_when_it_has_succeeded() -> None:
    async with System() as system, Trace(system) as trace:
        ref = await system.supervise(FrailPlayer, "a", POLICY)
        ref.tell(Do("crash"))
        await trio.sleep(0.5)
        assert system.counts() == Counts(started=2)
        await trio.sleep(1)
        assert system.counts() == Counts(started=2, restarted=1)
        await ref.ask(Do("rest"))
        assert system.counts() == Counts(started=3, restarted=2)
        assert [(at, plain(event)) for at, event in trace.events] == [
            (0, Started("greenroom/a", "FrailPlayer", 0)),
            (0, "greenroom/a crashed and waits 1"),
            (1, "greenroom/a crashed and waits 2"),
            (3, Started("greenroom/a", "FrailPlayer", 2)),
        ]


@pytest.mark.rule("O1", "S4")
async def test_an_actor_that_is_told_to_end_while_it_is_down_has_one_end() -> None:
    async with System() as system, Trace(system) as trace:
        ref = await system.supervise(Player, "a", POLICY)
        ref.tell(Do("crash"))
        await trio.sleep(0.5)
        ref.stop()
        await ref.stopped()
        assert [(at, plain(event)) for at, event in trace.events][1:] == [
            (0, "greenroom/a crashed and waits 1"),
            (0.5, "greenroom/a crashed"),
        ]
        assert system.counts() == Counts(started=2, crashed=1)


@pytest.mark.rule("O1")
async def test_each_crash_and_each_restart_is_a_line_of_the_log(logs: list[EventDict]) -> None:
    async with System() as system:
        ref = await system.supervise(Player, "a", POLICY)
        ref.tell(Do("crash"))
        ref.tell(Do("crash"))
        await ref.ask(Do("rest"))
    crashed = [line for line in logs if line["event"] == "actor.crashed"]
    assert [line["actor"] for line in crashed] == ["greenroom/a"] * 2
    assert all(isinstance(line["exc_info"], BrokenError) for line in crashed)
    restarting = [line for line in logs if line["event"] == "actor.restarting"]
    assert [(line["actor"], line["wait"]) for line in restarting] == [
        ("greenroom/a", 1),
        ("greenroom/a", 2),
    ]
    assert {line["log_level"] for line in restarting} == {"warning"}


def seen(system: System) -> Node:
    [node] = system.tree().children
    return node


@pytest.mark.rule("O4")
async def test_the_tree_shows_what_a_restarted_actor_does_and_how_often_it_was_restarted() -> None:
    async with System() as system:
        ref = await system.supervise(SlowPlayer, "a", POLICY)
        ref.tell(Do("nap"))
        ref.tell(Do("crash"))
        ref.tell(Do("rest"))
        rows: list[tuple[State, int, int, str | None]] = []
        for _ in range(5):
            await trio.sleep(0.5)
            node = seen(system)
            rows.append((node.state, node.restarts, node.depth, node.message))
            await trio.sleep(0.5)
        assert rows == [
            (State.WORKING, 0, 2, "Do"),
            (State.STOPPING, 0, 1, None),
            (State.RESTARTING, 0, 1, None),
            (State.STARTING, 1, 1, None),
            (State.WAITING, 1, 0, None),
        ]
        node = seen(system)
        assert (node.path, node.actor, node.age) == ("greenroom/a", "SlowPlayer", 6)
