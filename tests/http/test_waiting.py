"""Rules of silence and failure: what a status waits for, what keeps a line open, how an end is told."""

import json

import msgspec
import pytest
import trio

from greenroom.actors.channels.channel import TextDelta
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.http.errors import of_failure
from tests.conftest import STOP, PlayedChannel, words
from tests.http.conftest import GATEWAY, Call, Site, chat, data_of, text_of

IN_VIRTUAL_TIME = True

COMMENT = b": keep-alive\n\n"


async def streamed(site: Site, text: str = "Hello") -> Call:
    call = site.call(chat(text, stream=True))
    await call.run()
    assert call.whole.is_set()
    return call


def comments(call: Call) -> list[float]:
    return [time for time, piece in call.pieces if piece == COMMENT]


@pytest.mark.parametrize("kind", FailureKind)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_before_the_first_word_is_a_status(kind: FailureKind, stream: bool) -> None:
    async with Site() as site:
        answer = await site.post(chat(f"[fail {kind.value}]", stream=stream))
    failure = TurnFailed.of(kind, f"The scripted model was told to fail: {kind.value}.").failure
    expected = of_failure(failure)
    assert answer.status == expected.status
    assert answer.error() == msgspec.structs.asdict(expected.body)
    assert answer.headers.items() >= expected.headers.items()


async def test_the_upstreams_advice_when_to_retry_is_passed_on() -> None:
    kind = FailureKind.UPSTREAM_RATE_LIMITED
    channel = PlayedChannel([TurnFailed.of(kind, "Slow down.", retry_after=2.5)])
    async with Site(channel) as site:
        answer = await site.post(chat(stream=True))
    assert answer.status == 429
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("2.5", "2500")


@pytest.mark.parametrize("seconds", [0, 4, 9.9])
async def test_the_status_of_a_stream_comes_with_the_first_event(seconds: float) -> None:
    async with Site() as site:
        call = await streamed(site, f"[wait {seconds}] Hello")
    assert (call.status, call.begun_at) == (200, seconds)
    assert comments(call) == []


async def test_the_status_of_a_stream_waits_ten_seconds_at_most_and_comments_follow() -> None:
    async with Site() as site:
        call = await streamed(site, "[wait 60] [say Yes]")
    assert (call.status, call.begun_at) == (200, 10)
    assert comments(call)[:4] == [10, 25, 40, 55]
    assert [json.loads(item) for item in data_of(call.body)[:-1]]
    assert call.over_at == 60


async def test_a_failure_after_the_status_is_an_event_then_done_and_no_finish() -> None:
    async with Site() as site:
        call = await streamed(site, "[wait 11] [fail upstream_overloaded]")
    assert call.status == 200
    error, done = data_of(call.body)
    assert done == "[DONE]"
    assert list(json.loads(error)) == ["error"]
    assert json.loads(error)["error"]["code"] == "upstream_overloaded"


@pytest.mark.parametrize("kind", FailureKind)
async def test_a_failure_in_the_middle_keeps_what_was_said_and_ends_without_a_finish(
    kind: FailureKind,
) -> None:
    async with Site() as site:
        call = await streamed(site, f"[fail {kind.value} after 2] [say one two three]")
    *chunks, error, done = data_of(call.body)
    assert done == "[DONE]"
    assert text_of(map(json.loads, chunks)) == "one two"
    assert '"finish_reason":"' not in call.body.decode()
    told = json.loads(error)
    assert list(told) == ["error"]
    assert list(told["error"]) == ["message", "type", "param", "code"]
    assert kind.value in told["error"]["message"]


async def test_a_whole_answer_that_fails_in_the_middle_is_a_status() -> None:
    async with Site() as site:
        answer = await site.post(chat("[fail upstream_timeout after 2] [say one two three]"))
    assert (answer.status, answer.error()["code"]) == (504, "upstream_timeout")


async def test_every_fifteen_seconds_of_silence_have_a_comment() -> None:
    channel = PlayedChannel([(TextDelta("a"),), 50.0, (TextDelta("b"),), 16.0, STOP])
    async with Site(channel) as site:
        call = await streamed(site)
    assert comments(call) == [15, 30, 45, 65]
    assert call.over_at == 66


async def test_a_line_that_is_not_silent_has_no_comments() -> None:
    steps = [step for _ in range(20) for step in ((TextDelta("a"),), 14.0)]
    async with Site(PlayedChannel([*steps, STOP])) as site:
        call = await streamed(site)
    assert comments(call) == []


async def test_a_lone_word_is_never_held_back() -> None:
    channel = PlayedChannel([(TextDelta("a"),), 1.0, (TextDelta("b"),), 1.0, STOP])
    async with Site(channel) as site:
        call = await streamed(site)
    said = [(time, piece) for time, piece in call.pieces if b'"content":"' in piece]
    assert [time for time, _ in said] == [0, 1]
    assert b'"content":"a"' in said[0][1]


async def test_the_words_of_one_read_are_one_piece() -> None:
    batch = tuple(TextDelta(str(n)) for n in range(50))
    async with Site(PlayedChannel([batch, 1.0, STOP])) as site:
        call = await streamed(site)
    assert [time for time, _ in call.pieces if time == 0] == [0]


async def test_a_whole_answer_has_no_limit_but_the_agents_own() -> None:
    async with Site() as site:
        answer = await site.post(chat("[wait 599] [say Yes]"))
        assert answer.status == 200
        late = await site.post(chat("[wait 601] [say Yes]"))
    assert (late.status, late.error()["code"]) == (504, "upstream_timeout")


async def test_the_times_are_the_configurations() -> None:
    limits = msgspec.structs.replace(GATEWAY.limits, first_event=2, heartbeat=3)
    async with Site(gateway=msgspec.structs.replace(GATEWAY, limits=limits)) as site:
        call = await streamed(site, "[wait 9] [say Yes]")
    assert call.begun_at == 2
    assert comments(call)[:3] == [2, 5, 8]


# A reader who is slow


class Endless(PlayedChannel):
    """Has always more to say."""

    def __init__(self) -> None:
        super().__init__(iter(lambda: (TextDelta("word "),), None))


async def test_nothing_is_produced_for_a_reader_who_does_not_read(nursery: trio.Nursery) -> None:
    channel = Endless()
    async with Site(channel) as site:
        call = site.call(chat(stream=True))
        call.stop_reading()
        nursery.start_soon(call.run)
        await trio.sleep(1000)
        assert channel.given < 200
        before = channel.given
        await trio.sleep(1000)
        assert channel.given == before
        call.leave()
        call.read_on()
        await call.over.wait()


async def test_a_slow_reader_gets_everything_in_the_end(nursery: trio.Nursery) -> None:
    said = [f"{n} " for n in range(500)]
    async with Site(PlayedChannel(words(*said))) as site:
        call = site.call(chat(stream=True))
        nursery.start_soon(call.run)
        while not call.over.is_set():
            call.stop_reading()
            await trio.sleep(0.5)
            call.read_on()
            await trio.testing.wait_all_tasks_blocked()
        answer = await call.answer()
    assert text_of(answer.chunks()) == "".join(said)


async def test_what_came_while_a_reader_was_slow_goes_out_as_one_piece(
    nursery: trio.Nursery,
) -> None:
    channel = PlayedChannel([*[(TextDelta(f"{n} "),) for n in range(10)], 10.0, STOP])
    async with Site(channel) as site:
        call = site.call(chat(stream=True))
        call.stop_reading()
        nursery.start_soon(call.run)
        await trio.sleep(1)
        call.read_on()
        await call.answer()
    assert [piece.count(b"data: ") for time, piece in call.pieces if time == 1] == [11]


async def test_one_slow_reader_holds_nobody_else(nursery: trio.Nursery) -> None:
    async with Site() as site:
        slow = site.call(chat("[say " + "x " * 500 + "]", stream=True))
        slow.stop_reading()
        nursery.start_soon(slow.run)
        await trio.sleep(1)
        assert (await site.post(chat(stream=True))).status == 200
        assert trio.current_time() == 1
        slow.leave()
        slow.read_on()
        await slow.over.wait()
