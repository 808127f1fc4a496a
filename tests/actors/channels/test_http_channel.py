"""A channel over HTTP, from the prompt to the deltas, with everything that may happen between."""

import gc
from collections.abc import Callable

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.channels.channel import (
    Channel,
    Deltas,
    Finish,
    FinishReason,
    TextDelta,
    Usage,
)
from greenroom.actors.channels.http_channel import HttpChannel
from greenroom.actors.entries import Prompt, UserEntry
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.settings import TimeLimits
from tests.actors.channels.conftest import (
    DONE,
    STREAM_HEAD,
    Json,
    Peer,
    Script,
    Upstream,
    chunked,
    event,
)

Connect = Callable[..., HttpChannel]

ASK = Prompt("m", (UserEntry("Hi"),))
STOP = Finish(FinishReason.STOP)


def said(text: str, finish: str | None = None) -> Json:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


HEL, LO = said("Hel"), said("lo", "stop")
COUNT: Json = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


async def hello(peer: Peer) -> None:
    await peer.stream(HEL, LO, COUNT)


def plays(*pieces: bytes, then: Script = Peer.gone) -> Script:
    """Write the script of a stream that sends these pieces of body, and then does what else it does."""

    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD, *map(chunked, pieces))
        await then(peer)

    return script


def gives(status: int, body: object, *headers: str) -> Script:
    """Write the script of a whole answer."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)

    async def script(peer: Peer) -> None:
        await peer.answer(status, raw, *headers)

    return script


async def read(channel: Channel) -> Deltas:
    deltas: Deltas = ()
    async with channel.open(ASK) as batches:
        async for batch in batches:
            assert batch
            deltas += batch
    return deltas


async def fails(channel: Channel) -> tuple[Deltas, TurnFailed]:
    """Return what came of an answer, and how it failed."""
    deltas: Deltas = ()
    try:
        async with channel.open(ASK) as batches:
            async for batch in batches:
                deltas += batch
    except TurnFailed as failed:
        gc.collect()
        return deltas, failed
    raise AssertionError("it did not fail")


async def test_a_prompt_is_answered(connect: Connect, upstream: Upstream) -> None:
    upstream.script = hello
    assert await read(connect()) == (TextDelta("Hel"), TextDelta("lo"), STOP, Usage(7, 3))
    (request,) = upstream.requests
    assert request.target == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer sk-secret"
    assert request.headers["content-type"] == "application/json"
    assert msgspec.json.decode(request.body, type=Json)["messages"] == [
        {"role": "user", "content": "Hi"}
    ]


async def test_settings_say_where_and_who(connect: Connect, upstream: Upstream) -> None:
    upstream.script = hello
    url = f"{upstream.url}/deployments/x/?api-version=1"
    await read(connect(base_url=url, headers={"Authorization": "Token t", "Api-Key": "k"}))
    await read(connect(api_key=None))
    first, second = upstream.requests
    assert first.target == "/v1/deployments/x/chat/completions?api-version=1"
    assert (first.headers["authorization"], first.headers["api-key"]) == ("Token t", "k")
    assert "authorization" not in second.headers


async def test_a_batch_is_what_one_read_brought(connect: Connect, upstream: Upstream) -> None:
    taken = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(
            STREAM_HEAD, chunked(b": hello\n\n"), chunked(event(HEL)) + chunked(event(said("p")))
        )
        await taken.wait()
        await peer.send(chunked(event(LO)) + chunked(DONE) + chunked(b""))

    upstream.script = script
    async with connect().open(ASK) as batches:
        assert await anext(batches) == (TextDelta("Hel"), TextDelta("p"))
        taken.set()
        assert [batch async for batch in batches] == [(TextDelta("lo"), STOP)]


async def test_a_whole_answer_is_read_too(connect: Connect, upstream: Upstream) -> None:
    message = {"role": "assistant", "content": "Hello"}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": COUNT["usage"]}
    upstream.script = gives(200, body, "content-type: application/json")
    assert await read(connect()) == (TextDelta("Hello"), STOP, Usage(7, 3))


@pytest.mark.parametrize(
    ("script", "kind", "code"),
    [
        (
            gives(400, {"error": {"message": "No.", "code": "bad"}}),
            FailureKind.UPSTREAM_REJECTED,
            "bad",
        ),
        (gives(401, {"error": {"message": "No."}}), FailureKind.UPSTREAM_AUTHENTICATION, None),
        (gives(404, {"error": "no such model"}), FailureKind.NOT_FOUND, "model_not_found"),
        (gives(429, {"error": {"message": "No."}}), FailureKind.UPSTREAM_RATE_LIMITED, None),
        (
            gives(502, b"<html>oops</html>", "content-type: text/html"),
            FailureKind.UPSTREAM_ERROR,
            None,
        ),
        (gives(302, b"", "location: /else"), FailureKind.UPSTREAM_ERROR, None),
        (
            gives(200, b"<html>oops</html>", "content-type: text/html"),
            FailureKind.UPSTREAM_ERROR,
            None,
        ),
        (gives(200, b"", "content-type: application/json"), FailureKind.UPSTREAM_ERROR, None),
        (gives(200, b'{"choices": [{"mess'), FailureKind.UPSTREAM_ERROR, None),
        (
            gives(200, {"error": {"message": "No.", "code": 429}}),
            FailureKind.UPSTREAM_RATE_LIMITED,
            None,
        ),
        (gives(200, b"\x1f\x8b", "content-encoding: gzip"), FailureKind.UPSTREAM_ERROR, None),
        (gives(500, b"\x1f\x8b", "content-encoding: gzip"), FailureKind.UPSTREAM_ERROR, None),
    ],
)
async def test_an_answer_that_is_none(
    connect: Connect, upstream: Upstream, script: Script, kind: FailureKind, code: str | None
) -> None:
    upstream.script = script
    deltas, failed = await fails(connect())
    assert deltas == ()
    assert (failed.failure.kind, failed.failure.code) == (kind, code)


async def test_a_refused_request_costs_no_connection(connect: Connect, upstream: Upstream) -> None:
    upstream.script = gives(429, {"error": {"message": "No."}}, "retry-after: 3")
    channel = connect()
    for _ in range(5):
        _, failed = await fails(channel)
        assert failed.failure.retry_after == 3
    assert upstream.served == 1


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (plays(event(HEL), b"data: {nonsense\n\n"), "sent what is not its protocol"),
        (plays(event(HEL), b"", then=Peer.gone), "ended its answer in the middle"),
        (plays(event(HEL), then=Peer.close), "broke off its answer"),
        (plays(event(HEL), then=Peer.reset), "broke off its answer"),
        (plays(event(HEL)), "sent nothing more for 30 seconds"),
        (plays(event(HEL), event({"error": {"message": "x"}})), "x"),
        (plays(event(HEL) + event({"error": {"message": "x"}})), "x"),
    ],
)
async def test_what_was_said_before_a_failure_is_given_first(
    virtual_time: MockClock, connect: Connect, upstream: Upstream, script: Script, complaint: str
) -> None:
    upstream.script = script
    deltas, failed = await fails(connect(limits=TimeLimits(silence=30)))
    assert deltas == (TextDelta("Hel"),)
    assert (
        failed.failure.message.removeprefix("The provider 'local' ").removesuffix(".") == complaint
    )
    await upstream.down_to(1)


@pytest.mark.parametrize("script", [Peer.gone, Peer.close, Peer.reset])
async def test_an_answer_that_has_said_why_it_stopped_is_whole(
    virtual_time: MockClock, connect: Connect, upstream: Upstream, script: Script
) -> None:
    upstream.script = plays(event(HEL), event(LO), then=script)
    started = trio.current_time()
    assert await read(connect()) == (TextDelta("Hel"), TextDelta("lo"), STOP)
    assert trio.current_time() - started < 5
    await upstream.down_to(0)


async def test_a_stream_of_comments_does_not_keep_a_whole_answer(
    virtual_time: MockClock, connect: Connect, upstream: Upstream
) -> None:
    async def comment(peer: Peer) -> None:
        while True:
            await peer.send(chunked(b": still here\n\n"))
            await trio.sleep(1)

    upstream.script = plays(event(LO), then=comment)
    started = trio.current_time()
    assert await read(connect()) == (TextDelta("lo"), STOP)
    assert trio.current_time() - started < 5


async def test_a_body_that_does_not_end_after_done_costs_its_connection_alone(
    virtual_time: MockClock, connect: Connect, upstream: Upstream
) -> None:
    upstream.script = plays(event(LO), DONE)
    started = trio.current_time()
    assert await read(connect()) == (TextDelta("lo"), STOP)
    assert trio.current_time() - started < 1
    await upstream.down_to(0)


async def test_after_its_end_the_iteration_stays_ended(
    connect: Connect, upstream: Upstream
) -> None:
    upstream.script = hello
    async with connect().open(ASK) as batches:
        assert [batch async for batch in batches]
        assert [batch async for batch in batches] == []


async def test_cancelling_closes_the_upstreams_connection_at_once(
    connect: Connect, upstream: Upstream
) -> None:
    upstream.script = plays(event(HEL))
    channel = connect()
    with trio.CancelScope() as scope:
        async with channel.open(ASK) as batches:
            async for _ in batches:
                scope.cancel()
    assert scope.cancelled_caught
    await upstream.down_to(0)


async def test_leaving_closes_the_upstreams_connection_at_once(
    connect: Connect, upstream: Upstream
) -> None:
    upstream.script = plays(event(HEL))
    async with connect().open(ASK) as batches:
        await anext(batches)
        assert upstream.open == 1
    gc.collect()
    await upstream.down_to(0)


async def test_connections_are_used_again_and_none_is_left(
    connect: Connect, upstream: Upstream
) -> None:
    upstream.script = hello
    channel = connect()
    for _ in range(200):
        await read(channel)
    assert upstream.served == 1
    async with trio.open_nursery() as nursery:
        for _ in range(64):
            nursery.start_soon(read, channel)
    await upstream.down_to(64)
    await channel.aclose()
    await upstream.down_to(0)
    assert len(upstream.requests) == 264


LIMITED = ("x-ratelimit-limit-requests: 50", "x-ratelimit-reset-requests: 1s")
LIMITS = {"limit-requests": "50", "reset-requests": "1s"}


async def test_an_answer_tells_its_upstreams_rate_limits(
    connect: Connect, upstream: Upstream
) -> None:
    upstream.script = gives(200, {"choices": [{"message": {"content": "Hi"}}]}, *LIMITED)
    async with connect().open(ASK) as batches:
        assert batches.notes.limits == LIMITS
        assert [batch async for batch in batches]


@pytest.mark.parametrize(("status", "limits"), [(429, LIMITS), (500, {})])
async def test_a_failure_tells_the_limit_that_was_reached(
    connect: Connect, upstream: Upstream, status: int, limits: dict[str, str]
) -> None:
    upstream.script = gives(status, {"error": {"message": "No."}}, *LIMITED)
    with pytest.raises(TurnFailed) as caught:
        await read(connect())
    assert caught.value.failure.limits == limits
