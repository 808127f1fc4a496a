"""A channel to Ollama over HTTP, from the prompt to the deltas."""

import gc
from collections.abc import Callable

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.channels.channel import (
    Deltas,
    Finish,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.channels.http_channel import HttpChannel
from greenroom.actors.entries import Prompt, Sampling, Tool, UserEntry
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.settings import TimeLimits
from tests.actors.channels.conftest import Json, Peer, Script, Upstream, chunked
from tests.actors.channels.ollama.conftest import COUNTS, call, last, line, ndjson

NDJSON_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
)
TOOL = Tool("f", b'{"type":"function","function":{"name":"f"}}')
ASK = Prompt("m", (UserEntry("Hi"),), (TOOL,), extra={"store": b"true"})
HEL, LO, END = (ndjson(item) for item in (line("Hel"), line("lo"), last(counts=COUNTS)))
HELLO = (TextDelta("Hel"), TextDelta("lo"), Finish(FinishReason.STOP), Usage(26, 5))

Connect = Callable[[], HttpChannel]


@pytest.fixture
def ollama(connect: Callable[..., HttpChannel], upstream: Upstream) -> Connect:
    """Make channels to the upstream, which speaks Ollama's API."""
    base_url = upstream.url.removesuffix("/v1")
    return lambda: connect(api="ollama", base_url=base_url, limits=TimeLimits(silence=30))


def plays(*pieces: bytes, then: Script) -> Script:
    """Write the script of a stream that sends these pieces of body, and then does what else it does."""

    async def script(peer: Peer) -> None:
        await peer.send(NDJSON_HEAD, *map(chunked, pieces))
        await then(peer)

    return script


async def ends(peer: Peer) -> None:
    await peer.send(chunked(b""))


async def read(channel: HttpChannel) -> Deltas:
    deltas: Deltas = ()
    async with channel.open(ASK) as batches:
        assert batches.notes.dropped == ("store",)
        async for batch in batches:
            assert batch
            deltas += batch
    return deltas


async def fails(channel: HttpChannel) -> tuple[Deltas, TurnFailed]:
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


async def test_a_prompt_is_answered(ollama: Connect, upstream: Upstream) -> None:
    upstream.script = plays(HEL, LO + END, then=ends)
    assert await read(ollama()) == HELLO
    (request,) = upstream.requests
    assert request.target == "/api/chat"
    assert request.headers["authorization"] == "Bearer sk-secret"
    assert msgspec.json.decode(request.body, type=Json) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }


async def test_thinking_and_calls_come_through(ollama: Connect, upstream: Upstream) -> None:
    calls = line(tool_calls=[call("f", {"a": 1}, id="c")])
    upstream.script = plays(ndjson(line(thinking="hm"), calls, last()), then=ends)
    reasoning, start, arguments, _, finish, usage = await read(ollama())
    assert reasoning == ReasoningDelta("hm")
    assert (start, arguments) == (ToolCallStart(0, "c", "f"), ToolCallArguments(0, '{"a":1}'))
    assert (finish, usage) == (Finish(FinishReason.TOOL_CALLS), Usage())


async def test_a_whole_answer_is_read_too(ollama: Connect, upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        body = msgspec.json.encode(last(counts=COUNTS) | {"message": {"content": "Hello"}})
        await peer.answer(200, body, "content-type: application/json; charset=utf-8")

    upstream.script = script
    assert await read(ollama()) == (TextDelta("Hello"), *HELLO[2:])


async def test_connections_are_used_again(ollama: Connect, upstream: Upstream) -> None:
    upstream.script = plays(HEL, LO + END, then=ends)
    channel = ollama()
    for _ in range(20):
        assert await read(channel) == HELLO
    assert upstream.served == 1


async def test_a_body_that_does_not_end_after_its_last_line_costs_its_connection_alone(
    virtual_time: MockClock, ollama: Connect, upstream: Upstream
) -> None:
    upstream.script = plays(HEL, LO, END, then=Peer.gone)
    started = trio.current_time()
    assert await read(ollama()) == HELLO
    assert trio.current_time() - started < 1
    await upstream.down_to(0)


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (plays(HEL, b"{nonsense\n", then=Peer.gone), "sent what is not its protocol"),
        (plays(HEL, then=ends), "ended its answer in the middle"),
        (plays(HEL, END[:-9], then=ends), "ended its answer in the middle"),
        (plays(HEL, then=Peer.close), "broke off its answer"),
        (plays(HEL, then=Peer.reset), "broke off its answer"),
        (plays(HEL, then=Peer.gone), "sent nothing more for 30 seconds"),
        (plays(HEL, ndjson({"error": "x"}), then=ends), "x"),
        (plays(HEL + ndjson({"error": "x"}), then=Peer.gone), "x"),
    ],
)
async def test_what_was_said_before_a_failure_is_given_first(
    virtual_time: MockClock, ollama: Connect, upstream: Upstream, script: Script, complaint: str
) -> None:
    upstream.script = script
    deltas, failed = await fails(ollama())
    assert deltas == (TextDelta("Hel"),)
    message = failed.failure.message
    assert message.removeprefix("The provider 'local' ").removesuffix(".") == complaint
    await upstream.down_to(1)


async def test_a_model_that_is_not_there(ollama: Connect, upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(404, b'{"error":"model \\"m\\" not found, try pulling it first"}')

    upstream.script = script
    _, failed = await fails(ollama())
    assert failed.failure.kind == FailureKind.NOT_FOUND
    assert failed.failure.code == "model_not_found"


async def test_what_the_api_cannot_do_is_refused_before_it_is_asked(
    ollama: Connect, upstream: Upstream
) -> None:
    with pytest.raises(TurnFailed) as caught:
        async with ollama().open(Prompt("m", ASK.entries, sampling=Sampling(choices=2))):
            raise AssertionError("it was not refused")
    assert caught.value.failure.param == "n"
    assert upstream.requests == []


async def test_leaving_closes_the_upstreams_connection_at_once(
    ollama: Connect, upstream: Upstream
) -> None:
    upstream.script = plays(HEL, then=Peer.gone)
    async with ollama().open(ASK) as batches:
        await anext(batches)
        assert upstream.open == 1
    gc.collect()
    await upstream.down_to(0)
