"""A performance takes the time that its script says, of trio's clock, and keeps a channel's promises."""

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints

from greenroom.actors.channels.channel import Channel, Deltas, Finish, FinishReason, TextDelta
from greenroom.actors.channels.script import perform
from greenroom.actors.channels.scripted import ScriptedChannel
from greenroom.actors.entries import Prompt
from greenroom.actors.failure import FailureKind, TurnFailed
from tests.actors.conftest import user

CHANNEL: Channel = ScriptedChannel()


def prompt(text: str) -> Prompt:
    return Prompt("m", (user(text),))


async def read(text: str) -> list[tuple[float, Deltas]]:
    """Each batch, with the time of its coming."""
    async with CHANNEL.open(prompt(text)) as batches:
        return [(trio.current_time(), deltas) async for deltas in batches]


async def test_it_plays_what_the_script_says() -> None:
    played = [deltas for _, deltas in await read("Hello")]
    assert played == list(perform(prompt("Hello")))


async def test_it_is_silent_for_as_long_as_it_is_told(autojump_clock: MockClock) -> None:
    batches = await read("[say a b][wait 10][slow 2]")
    assert [at for at, _ in batches] == [10, 12, 12]


async def test_it_has_begun_to_answer_when_it_is_entered(autojump_clock: MockClock) -> None:
    async with CHANNEL.open(prompt("[say a b][wait 10]")) as batches:
        assert trio.current_time() == 10
        assert await anext(batches) == (TextDelta("a"),)


async def test_a_failure_before_the_first_word_happens_on_entering(
    autojump_clock: MockClock,
) -> None:
    with pytest.raises(TurnFailed) as caught:
        async with CHANNEL.open(prompt("[wait 10][fail upstream_rate_limited]")):
            pass
    assert caught.value.failure.kind is FailureKind.UPSTREAM_RATE_LIMITED
    assert trio.current_time() == 10


async def test_a_failure_in_the_middle_happens_after_the_words_before_it() -> None:
    async with CHANNEL.open(prompt("[say a b c][fail internal after 2]")) as batches:
        assert [await anext(batches), await anext(batches)] == [
            (TextDelta("a"),),
            (TextDelta(" b"),),
        ]
        with pytest.raises(TurnFailed) as caught:
            await anext(batches)
    assert caught.value.failure.kind is FailureKind.INTERNAL


async def test_after_the_end_there_is_nothing() -> None:
    async with CHANNEL.open(prompt("[say a]")) as batches:
        _, last = [deltas async for deltas in batches]
        assert last[0] == Finish(FinishReason.STOP)
        with pytest.raises(StopAsyncIteration):
            await anext(batches)


async def test_nor_after_it_was_left() -> None:
    async with CHANNEL.open(prompt("[say a b c]")) as batches:
        await anext(batches)
    with pytest.raises(StopAsyncIteration):
        await anext(batches)


async def test_a_silence_can_be_left(autojump_clock: MockClock) -> None:
    with trio.move_on_after(3):
        await read("[wait 10]")
    async with CHANNEL.open(prompt("[say a b][slow 10]")) as batches:
        await anext(batches)
        with trio.move_on_after(3):
            await anext(batches)
    assert trio.current_time() == 6


async def test_performances_know_nothing_of_each_other(autojump_clock: MockClock) -> None:
    heard: dict[int, str] = {}

    async def listen(number: int) -> None:
        batches = await read(f"[say {number} {number}][slow 1]")
        heard[number] = "".join(
            delta.text for _, deltas in batches for delta in deltas if isinstance(delta, TextDelta)
        )

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(listen, number)
    assert heard == {number: f"{number} {number}" for number in range(20)}
    assert trio.current_time() == 1


async def test_its_neighbours_get_their_chance_at_every_word() -> None:
    async with CHANNEL.open(prompt("[say a b c]")) as batches:
        await anext(batches)  # this one was played on entering
        for _ in range(2):
            with assert_checkpoints():
                await anext(batches)
    with assert_checkpoints():
        await CHANNEL.aclose()
