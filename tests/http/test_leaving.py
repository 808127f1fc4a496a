"""Rules of a client that leaves: its run ends at the same instant, and nobody else's does."""

import pytest
import trio

from greenroom.actors.channels.channel import TextDelta
from tests.conftest import STOP, PlayedChannel, words
from tests.http.conftest import Call, Site, chat

IN_VIRTUAL_TIME = True

KEY = {"x-openclaw-session-key": "k"}
LATER = 7.25


async def left_after(nursery: trio.Nursery, call: Call, seconds: float = LATER) -> float:
    """Run a call, leave it after some seconds; when its application was done with it."""
    nursery.start_soon(call.run)
    await trio.sleep(seconds)
    call.leave()
    await call.over.wait()
    assert call.crash is None
    assert call.over_at is not None
    return call.over_at


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_before_the_first_event_ends_the_run_at_once(
    stream: bool, nursery: trio.Nursery
) -> None:
    channel = PlayedChannel([1000.0, *words("late")])
    async with Site(channel) as site:
        call = site.call(chat(stream=stream))
        assert await left_after(nursery, call) == LATER
        await trio.testing.wait_all_tasks_blocked()
        assert channel.left == [LATER]
        assert call.status == 0


@pytest.mark.parametrize("seconds", [LATER, 14.0, 40.0])
async def test_leaving_a_silent_stream_ends_the_run_at_once(
    seconds: float, nursery: trio.Nursery
) -> None:
    channel = PlayedChannel([(TextDelta("a"),), 1000.0, STOP])
    async with Site(channel) as site:
        assert await left_after(nursery, site.call(chat(stream=True)), seconds) == seconds
        await trio.testing.wait_all_tasks_blocked()
        assert channel.left == [seconds]


async def test_leaving_a_stream_that_waits_for_its_status_no_longer_ends_the_run_at_once(
    nursery: trio.Nursery,
) -> None:
    channel = PlayedChannel([1000.0, STOP])
    async with Site(channel) as site:
        assert await left_after(nursery, site.call(chat(stream=True)), 12) == 12
        await trio.testing.wait_all_tasks_blocked()
        assert channel.left == [12]


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_in_the_middle_of_the_words_ends_the_run_at_once(
    stream: bool, nursery: trio.Nursery
) -> None:
    steps = [step for _ in range(1000) for step in ((TextDelta("a "),), 0.5)]
    channel = PlayedChannel([*steps, STOP])
    async with Site(channel) as site:
        assert await left_after(nursery, site.call(chat(stream=stream))) == LATER
        await trio.testing.wait_all_tasks_blocked()
        assert channel.left == [LATER]
        assert channel.given == 15


async def test_leaving_a_write_that_waits_ends_the_run_at_once(nursery: trio.Nursery) -> None:
    channel = PlayedChannel([*[(TextDelta("a "),)] * 1000, STOP])
    async with Site(channel) as site:
        call = site.call(chat(stream=True))
        call.stop_reading()
        assert await left_after(nursery, call) == LATER
        await trio.testing.wait_all_tasks_blocked()
        assert channel.left == [LATER]


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_while_the_turn_is_queued_means_it_never_runs(
    stream: bool, nursery: trio.Nursery
) -> None:
    channel = PlayedChannel([20.0, *words("one")], words("two"))
    async with Site(channel) as site:
        first = site.call(chat("first"), headers=KEY)
        nursery.start_soon(first.run)
        await trio.testing.wait_all_tasks_blocked()
        queued = site.call(chat("queued", stream=stream), headers=KEY)
        assert await left_after(nursery, queued) == LATER
        third = await site.post(chat("third"), headers=KEY)
        assert (await first.answer()).status == third.status == 200
        assert len(channel.prompts) == 2
        assert channel.left == [20, 20]


async def test_one_who_leaves_takes_nobody_along(nursery: trio.Nursery) -> None:
    channel = PlayedChannel([20.0, *words("one")])
    async with Site(channel) as site:
        stays = site.call(chat(stream=True))
        nursery.start_soon(stays.run)
        await left_after(nursery, site.call(chat(stream=True)))
        assert (await stays.answer()).status == 200
        assert channel.left == [LATER, 20]


async def test_a_session_goes_on_after_one_who_left(nursery: trio.Nursery) -> None:
    channel = PlayedChannel([(TextDelta("part"),), 1000.0], words("whole"))
    async with Site(channel) as site:
        await left_after(nursery, site.call(chat(stream=True), headers=KEY))
        assert (await site.post(chat(), headers=KEY)).status == 200
        assert trio.current_time() == LATER


@pytest.mark.parametrize("pieces", [[b'{"model"', 1000.0], [1000.0], [b"", 2.0, b"{", 1000.0]])
async def test_leaving_before_the_body_is_whole_runs_nothing(
    pieces: list[bytes | float], nursery: trio.Nursery
) -> None:
    channel = PlayedChannel()
    async with Site(channel) as site:
        call = site.call(pieces=pieces)
        assert await left_after(nursery, call) == LATER
        assert (channel.prompts, call.status) == ([], 0)
        (line,) = site.lines.requests()
        assert (line["status"], line["whole"], line["error"]) == (0, False, "client_left")


async def test_one_who_left_is_told_of_in_the_log(nursery: trio.Nursery) -> None:
    async with Site(PlayedChannel([(TextDelta("a"),), 1000.0])) as site:
        await left_after(nursery, site.call(chat(stream=True)))
        (line,) = site.lines.requests()
    assert (line["status"], line["whole"], line["error"]) == (200, False, "client_left")
    assert line["duration_s"] == LATER


async def test_a_call_without_a_key_that_was_left_leaves_nothing_behind(
    nursery: trio.Nursery,
) -> None:
    async with Site(PlayedChannel([1000.0])) as site:
        for _ in range(3):
            await left_after(nursery, site.call(chat(stream=True)))
        await trio.testing.wait_all_tasks_blocked()
        assert [agent.live_sessions for agent in await site.house.status()] == [0, 0]
