"""A run repeats itself with its seed, leaves nothing changed and nobody behind, and always ends."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from random import Random

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    Backoff,
    Message,
    Permanent,
    Request,
    Restarting,
    RestartLimit,
    System,
)
from greenroom.runtime.testing import InjectedError, Trace, crash, no_task_left, run
from greenroom.runtime.testing.schedule import Schedule

TRIO = import_module("trio._core._run")
FOREVER = float("inf")


class Nap(Request[str], frozen=True):
    seconds: float


class Sleeper(Actor[Nap]):
    async def receive(self, message: Nap) -> str:
        await trio.sleep(message.seconds)
        return f"slept {message.seconds:g}"


class Parent(Actor[Message]):
    async def on_start(self) -> None:
        await self.spawn(Sleeper(), "child")

    async def receive(self, message: Message) -> None:
        pass


async def order(system: System) -> list[str]:
    """Return the order in which five tasks get their turns."""
    turns: list[str] = []

    async def take(name: str) -> None:
        for _ in range(10):
            turns.append(name)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for name in "abcde":
            nursery.start_soon(take, name)
    return turns


def seam() -> tuple[object, object]:
    return getattr(TRIO, Schedule.SOURCE), getattr(TRIO, Schedule.ALLOWED)


# Runs


@pytest.mark.rule("P1")
def test_a_seed_has_one_schedule_and_another_seed_another() -> None:
    orders = [run(order, seed=seed) for seed in (1, 2, 1, 2)]
    assert orders[:2] == orders[2:]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


@pytest.mark.rule("P1", "S3")
def test_the_systems_chance_follows_the_seed() -> None:
    async def story(system: System) -> list[float]:
        policy = Permanent(backoff=Backoff(first=1, jitter=1))
        async with Trace(system) as trace:
            ref = await system.supervise(Sleeper, "sleeper", policy)
            crash(ref)
            await ref.ask(Nap(0))
            return [event.wait for _, event in trace.events if isinstance(event, Restarting)]

    waits = [run(story, seed=seed) for seed in (1, 2, 1)]
    assert waits[0] == waits[2] != waits[1]
    assert [len(each) for each in waits] == [1, 1, 1]


@pytest.mark.rule("P1")
def test_a_run_begins_at_zero_and_takes_no_real_time_to_wait() -> None:
    async def story(system: System) -> tuple[float, float]:
        begin = trio.current_time()
        ref = await system.spawn(Sleeper(), "sleeper")
        await ref.ask(Nap(86400))
        return begin, trio.current_time()

    begin = time.monotonic()
    assert run(story, patience=100_000) == (0, 86400)
    assert time.monotonic() - begin < 20


@pytest.mark.rule("P2")
@pytest.mark.parametrize("error", [None, ValueError("broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("allowed", [True, False])
def test_a_run_leaves_trio_as_it_found_it(
    monkeypatch: pytest.MonkeyPatch, error: BaseException | None, *, allowed: bool
) -> None:
    monkeypatch.setattr(TRIO, Schedule.ALLOWED, allowed)
    source, _ = before = seam()
    assert isinstance(source, Random)
    state = source.getstate()

    async def story(system: System) -> None:
        within = seam()
        assert within[0] is not source
        assert within[1] is True
        await trio.sleep(1)
        if error is not None:
            raise error

    if error is None:
        run(story)
    else:
        with pytest.raises(type(error)) as raised:
            run(story)
        assert raised.value is error
    assert seam() == before
    assert source.getstate() == state


SCRIPT = """
import trio
from greenroom.runtime import *
from greenroom.runtime.testing import *

class Nothing(Actor[Message]):
    async def on_start(self):
        await trio.lowlevel.checkpoint()

    async def receive(self, message):
        pass

async def story(system):
    async with Trace(system) as trace, trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(system.spawn, Nothing(), str(number))
    return trace.lines

print(*run(story, seed=5), sep="\\n", file=sys.stderr)
"""


@pytest.mark.rule("P1")
def test_a_script_plays_the_same_in_another_process_whatever_its_hashes_are() -> None:
    traces = [
        subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", f"import sys{SCRIPT}"],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stderr.splitlines()
        for seed in ("1", "2")
    ]
    assert traces[0] == traces[1]
    assert len(traces[0]) == 20
    assert traces[0] != sorted(traces[0])


@pytest.mark.rule("P2")
def test_what_a_story_raises_comes_out_as_it_is_and_tells_the_seed() -> None:
    async def story(system: System) -> None:
        await system.spawn(Sleeper(), "sleeper")
        raise KeyError("broken")

    with pytest.raises(KeyError) as raised:
        run(story, seed=77)
    assert raised.value.__notes__ == ["(in a run with seed=77)"]


@pytest.mark.rule("P2", "S5")
def test_a_system_that_ends_by_itself_ends_the_run() -> None:
    async def story(system: System) -> None:
        crash(await system.supervise(Sleeper, "sleeper", Permanent(restarts=0)))
        await trio.sleep_forever()

    with capture_logs(), pytest.raises(RestartLimit) as raised:
        run(story)
    assert isinstance(raised.value.__cause__, InjectedError)


@pytest.mark.rule("P2")
def test_runs_in_many_threads_are_as_repeatable_as_one() -> None:
    before = seam()
    alone = [run(order, seed=seed) for seed in range(4)]
    found: dict[int, list[list[str]]] = {seed: [] for seed in range(4)}
    meeting = threading.Barrier(5)

    async def busy() -> None:
        for _ in range(300):
            await trio.lowlevel.checkpoint()

    def play(seed: int) -> None:
        meeting.wait()
        for _ in range(5):
            found[seed].append(run(order, seed=seed))

    def disturb() -> None:
        meeting.wait()
        trio.run(busy)

    threads = [threading.Thread(target=play, args=(seed,)) for seed in range(4)]
    threads.append(threading.Thread(target=disturb))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {seed: [alone[seed]] * 5 for seed in range(4)}
    assert seam() == before


@pytest.mark.rule("P2")
def test_a_run_may_have_another_in_a_thread_of_its_own() -> None:
    alone = run(order, seed=1)

    async def story(system: System) -> list[list[str]]:
        within = await trio.to_thread.run_sync(lambda: run(order, seed=1))
        return [within, await order(system)]

    before = seam()
    within, _ = run(story, seed=2, patience=FOREVER)
    assert within == alone
    assert seam() == before


@pytest.mark.rule("P2")
def test_a_run_in_the_middle_of_another_is_an_error_and_disturbs_nothing() -> None:
    async def story(system: System) -> list[str]:
        with pytest.raises(RuntimeError, match="run"):
            run(order, seed=2)
        return await order(system)

    async def same(system: System) -> list[str]:
        return await order(system)

    before = seam()
    assert run(story, seed=1) == run(same, seed=1)
    assert seam() == before


@pytest.mark.rule("P1")
@pytest.mark.parametrize("name", [Schedule.SOURCE, Schedule.ALLOWED])
def test_a_trio_without_a_seam_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delattr(TRIO, name)
    with pytest.raises(RuntimeError, match=rf"the schedule of trio {trio.__version__} .*{name}"):
        run(order)


# What is left, and what never ends


@pytest.mark.rule("P3")
def test_a_task_that_a_story_leaves_behind_is_named() -> None:
    async def story(system: System) -> None:
        trio.lowlevel.spawn_system_task(trio.sleep_forever, name="the forgotten one")

    with pytest.raises(AssertionError, match=r"^tasks left behind: the forgotten one\n"):
        run(story)


@pytest.mark.rule("P3")
async def test_tasks_that_are_left_are_named_and_those_from_before_are_not(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever, name="before")
        error = pytest.raises(AssertionError, match=r"^tasks left behind: one, two$")
        with error, no_task_left():
            nursery.start_soon(trio.sleep_forever, name="two")
            nursery.start_soon(trio.sleep_forever, name="one")
        with no_task_left():
            async with System() as system:
                await system.spawn(Parent(), "parent")
        nursery.cancel_scope.cancel()


@pytest.mark.rule("P3")
async def test_an_actor_that_is_left_is_named_by_its_path(autojump_clock: MockClock) -> None:
    left = "house/parent, house/parent/child"
    async with System("house") as system:
        with pytest.raises(AssertionError, match=rf"^tasks left behind: {left}$"), no_task_left():
            await system.spawn(Parent(), "parent")


@pytest.mark.rule("P3")
async def test_an_error_is_not_hidden_by_the_tasks_that_it_leaves(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        error = pytest.raises(KeyError)
        with error, no_task_left():
            nursery.start_soon(trio.sleep_forever)
            raise KeyError
        nursery.cancel_scope.cancel()


async def wait_for_itself(system: System) -> None:
    await trio.sleep_forever()


async def wait_for_an_answer(system: System) -> None:
    ref = await system.spawn(Sleeper(), "sleeper")
    await ref.ask(Nap(FOREVER))


async def wait_in_a_nursery(system: System) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_for_itself, system)
        nursery.start_soon(wait_for_an_answer, system)


async def wait_with_a_beat(system: System) -> None:
    while True:  # noqa: ASYNC110 - as an actor's heart beats
        await trio.sleep(1)


@pytest.mark.rule("P3")
@pytest.mark.parametrize(
    ("story", "places"),
    [
        (wait_for_itself, {"wait_for_itself"}),
        (wait_for_an_answer, {"wait_for_an_answer"}),
        (wait_in_a_nursery, {"wait_for_itself", "wait_for_an_answer", "wait_in_a_nursery"}),
        (wait_with_a_beat, {"wait_with_a_beat"}),
    ],
)
def test_a_story_that_never_ends_fails_in_no_real_time_and_says_where(
    story: Callable[[System], Awaitable[None]], places: set[str]
) -> None:
    begin = time.monotonic()
    with capture_logs(), pytest.raises(AssertionError) as raised:
        run(story, patience=500)
    assert time.monotonic() - begin < 20
    said, _, place = str(raised.value).partition(": it was at ")
    assert said == "the story did not end within 500 virtual seconds"
    assert place.rpartition(", in ")[2] in places
    assert __file__ in place


@pytest.mark.rule("P3")
def test_a_story_that_takes_no_notice_of_its_end_has_failed_too() -> None:
    async def story(system: System) -> str:
        with trio.CancelScope(shield=True):
            await trio.sleep(15)
        return "done"

    with pytest.raises(AssertionError, match=r"within 10 virtual seconds\n"):
        run(story, patience=10)
    assert run(story, patience=20) == "done"


@pytest.mark.rule("P3", "E6")
@pytest.mark.parametrize("ends", [True, False])
def test_an_actor_that_cannot_be_cancelled_does_not_hold_the_run_and_is_named(
    *, ends: bool
) -> None:
    class Shielded(Actor[Nap]):
        async def receive(self, message: Nap) -> None:
            with trio.CancelScope(shield=True), trio.CancelScope(shield=True):
                await trio.sleep_forever()

    async def story(system: System) -> None:
        ref = await system.spawn(Shielded(), "shielded")
        ref.tell(Nap(0))
        await wait_all_tasks_blocked()
        if not ends:
            await trio.sleep_forever()

    before = seam()
    with capture_logs(), pytest.raises(AssertionError) as raised:
        run(story)
    assert str(raised.value).startswith("the story did not end within 3600 virtual seconds")
    assert str(raised.value).endswith("; could not be cancelled: greenroom/shielded")
    assert seam() == before
