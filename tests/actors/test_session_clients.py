"""Whatever a client does, it holds no session but its own; an ephemeral session leaves no actor."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.channels.channel import Deltas, Finish, FinishReason, TextDelta
from greenroom.actors.entries import AssistantEntry, Entry
from greenroom.actors.failure import TurnFailed
from greenroom.actors.provider import Lease
from greenroom.actors.turn import TurnEvent
from tests.actors.conftest import (
    FAULT,
    SLOW,
    STOP,
    Outcome,
    PlayedChannel,
    Reader,
    Stage,
    Step,
    a_system,
    result,
    set_stage,
    user,
    words,
)

# Readers


async def test_a_client_that_never_reads_holds_its_own_session_and_no_other(
    autojump_clock: MockClock,
) -> None:
    channel = PlayedChannel(words(*["x"] * 1000))
    async with a_system() as house, trio.open_nursery() as nursery:
        stage = await set_stage(house, channel)
        async with stage.open("stuck", user("a")):
            await wait_all_tasks_blocked()
            behind = await Reader(stage, "stuck", user("b")).join(nursery)
            other = await stage.ask("free", user("c"))
            assert len(other.text) == 1000
            await trio.sleep(300)
            assert (behind.done_at, channel.under_way) == (None, 1)
        await wait_all_tasks_blocked()
        assert behind.done_at == 300
        assert behind.failure is None
    kept = channel.heard()[1]
    assert isinstance(kept, AssistantEntry)
    assert kept.interrupted
    assert len(kept.text or "") < 20, "the model went on although nobody read"


async def test_a_client_that_reads_late_misses_nothing(autojump_clock: MockClock) -> None:
    async with a_system() as house:
        stage = await set_stage(house, PlayedChannel(words(*["x"] * 100)))
        async with stage.open("k", user("a")) as events:
            await trio.sleep(100)
            all_events = [event async for event in events]
    assert len(all_events) == 102


async def test_a_client_that_reads_only_after_the_limit_is_not_told_that_it_has_all(
    autojump_clock: MockClock,
) -> None:
    last: Deltas = (TextDelta("the end"), Finish(FinishReason.STOP))
    channel = PlayedChannel([*[(TextDelta("x"),)] * 15, last], words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel, time_limit=20)
        read: list[TurnEvent] = []
        async with stage.open("k", user("a")) as events:
            await trio.sleep(100)
            read += [await anext(events) for _ in range(16)]
            with pytest.raises(TurnFailed):
                await anext(events)
        assert Outcome(tuple(read), None).text == "x" * 15
        await stage.ask("k", user("b"))
    assert channel.heard()[1] == AssistantEntry("x" * 15, interrupted=True)


async def test_a_reader_that_is_slow_is_waited_for_and_the_next_turn_waits_as_well(
    autojump_clock: MockClock,
) -> None:
    async with a_system() as house, trio.open_nursery() as nursery:
        stage = await set_stage(house, PlayedChannel(words(*["x"] * 40)))
        async with stage.open("k", user("a")) as events:
            await anext(events)
            two = await Reader(stage, "k", user("b")).join(nursery)
            count = 0
            async for _ in events:
                count += 1
                await trio.sleep(1)
        assert count == 41
    # The last of them wait in the stream's buffer, and the session need not.
    assert two.done_at is not None
    assert 20 <= two.done_at <= 26


# Ephemeral sessions


async def no_session_is_left(stage: Stage) -> bool:
    await wait_all_tasks_blocked()
    return (await stage.status()).live_sessions == 0


async def test_a_session_lives_on_after_its_turn_and_an_ephemeral_one_does_not() -> None:
    async with a_system() as house:
        stage = await set_stage(house, PlayedChannel())
        assert (await stage.ask("k", user("a"), ephemeral=True)).ended
        assert await no_session_is_left(stage)
        assert (await stage.ask("k", user("a"))).ended
        assert not await no_session_is_left(stage)


Ending = tuple[tuple[Step, ...], Entry]


@pytest.mark.parametrize(
    ("steps", "entry"),
    [
        pytest.param((FAULT,), user("a"), id="a failure"),
        pytest.param(((TextDelta("One"),), FAULT), user("a"), id="a failure in the middle"),
        pytest.param(((TextDelta("One"),),), user("a"), id="no end"),
        pytest.param((1e9,), user("a"), id="the time limit"),
        pytest.param(words("Yes."), result("c1"), id="a refusal"),
        pytest.param((RuntimeError("a bug"),), user("a"), id="a crash"),
    ],
)
async def test_an_ephemeral_session_leaves_no_actor_after(
    autojump_clock: MockClock, steps: tuple[Step, ...], entry: Entry, trouble: list[str]
) -> None:
    async with a_system() as house:
        stage = await set_stage(house, PlayedChannel(steps), time_limit=60)
        outcome = await stage.ask("k", entry, ephemeral=True)
        assert outcome.failure is not None
        assert await no_session_is_left(stage)
    if isinstance(steps[0], RuntimeError):
        trouble.remove("actor.crashed")


@pytest.mark.parametrize("when", [None, 0, 4], ids=["before", "at the start", "in the middle"])
async def test_an_ephemeral_session_leaves_no_actor_after_a_client_that_left(
    autojump_clock: MockClock, when: int | None
) -> None:
    async with a_system() as house:
        stage = await set_stage(house, PlayedChannel(SLOW))
        async with stage.open("k", user("a"), ephemeral=True):
            if when is not None:
                await wait_all_tasks_blocked()
                await trio.sleep(when)
        assert await no_session_is_left(stage)
        assert trio.current_time() == (when or 0)


async def test_an_ephemeral_session_leaves_no_actor_when_its_provider_is_busy() -> None:
    async with a_system() as house:
        stage = await set_stage(house, PlayedChannel(), max_concurrent=1, max_waiting=0)
        async with stage.provider.stream(Lease("m")) as lease:
            await anext(lease)
            outcome = await stage.ask("k", user("a"), ephemeral=True)
        assert outcome.failure is not None
        assert outcome.failure.code == "provider_busy"
        assert await no_session_is_left(stage)


# Many


async def test_two_hundred_sessions_stream_at_once_in_the_time_of_one(
    autojump_clock: MockClock,
) -> None:
    steps: list[Step] = []
    for number in range(50):
        steps += [0.1, (TextDelta(f"{number} "),)]
    channel = PlayedChannel([*steps, STOP])
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with a_system() as house:
        stage = await set_stage(house, channel)
        readers = [Reader(stage, f"k{i}", user("Hi"), ephemeral=i % 2 == 0) for i in range(200)]
        async with trio.open_nursery() as nursery:
            for reader in readers:
                nursery.start_soon(reader.read)
        assert trio.current_time() == pytest.approx(5)
        assert channel.most_under_way == 200
        text = "".join(f"{number} " for number in range(50))
        assert {reader.outcome.text for reader in readers if reader.outcome} == {text}
        assert all(reader.outcome and reader.outcome.ended for reader in readers)
        await wait_all_tasks_blocked()
        assert (await stage.status()).live_sessions == 100
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert (channel.closed, channel.under_way) == (1, 0)


async def test_more_sessions_than_the_provider_has_permits_take_their_turns(
    autojump_clock: MockClock,
) -> None:
    channel = PlayedChannel(SLOW)
    async with a_system() as house:
        stage = await set_stage(house, channel, max_concurrent=10)
        readers = [Reader(stage, f"k{i}", user("Hi")) for i in range(50)]
        async with trio.open_nursery() as nursery:
            for reader in readers:
                nursery.start_soon(reader.read)
    assert channel.most_under_way == 10
    done = sorted(reader.done_at or 0 for reader in readers)
    assert done == [float(10 * (1 + i // 10)) for i in range(50)]
