"""The adapter behind a channel: where it asks, who it says we are, and what it makes of errors."""

from collections.abc import Callable

import msgspec
import pytest

from greenroom.actors.answer import Answer
from greenroom.actors.channels.channel import Deltas, Finish, FinishReason, TextDelta, Usage
from greenroom.actors.channels.http_channel import HttpChannel
from greenroom.actors.entries import (
    AssistantEntry,
    Prompt,
    Sampling,
    Tool,
    ToolCall,
    ToolEntry,
    UserEntry,
)
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.settings import ModelSettings
from tests.actors.channels.anthropic.conftest import (
    COUNTS,
    DONE,
    PING,
    event,
    said,
    start,
    stop,
    thought,
    used,
)
from tests.actors.channels.conftest import STREAM_HEAD, Json, Peer, Script, Upstream, chunked

ASK = Prompt("claude-opus-4-5", (UserEntry("Hi"),))
HELLO = start() + PING + said(0, "Hel", "lo") + stop()


@pytest.fixture
def asks(connect: Callable[..., HttpChannel], upstream: Upstream) -> Callable[..., HttpChannel]:
    """Make channels that speak this API; settings are the default ones but for those given."""

    def asks(**changes: object) -> HttpChannel:
        url = upstream.url.removesuffix("/v1")
        return connect(**{"api": "anthropic-messages", "base_url": url} | changes)

    return asks


Asks = Callable[..., HttpChannel]


def streams(*pieces: bytes, then: Script | None = None) -> Script:
    """Write the script of a stream that sends these pieces of body, and ends unless told otherwise."""

    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD, *map(chunked, pieces))
        await (then(peer) if then else peer.send(chunked(b"")))

    return script


def gives(status: int, body: object, *headers: str) -> Script:
    """Write the script of a whole answer."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)

    async def script(peer: Peer) -> None:
        await peer.answer(status, raw, *headers)

    return script


async def read(channel: HttpChannel, prompt: Prompt = ASK) -> Deltas:
    deltas: Deltas = ()
    async with channel.open(prompt) as batches:
        async for batch in batches:
            deltas += batch
    return deltas


async def test_a_prompt_is_answered(asks: Asks, upstream: Upstream) -> None:
    upstream.script = streams(HELLO)
    assert await read(asks()) == (
        TextDelta("Hel"),
        TextDelta("lo"),
        Finish(FinishReason.STOP),
        Usage(327, 5, 300, 0, 20),
    )
    (request,) = upstream.requests
    assert request.target == "/v1/messages"
    assert request.headers["x-api-key"] == "sk-secret"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.headers["content-type"] == "application/json"
    assert "authorization" not in request.headers
    body = msgspec.json.decode(request.body, type=Json)
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]


async def test_settings_say_where_and_who(asks: Asks, upstream: Upstream) -> None:
    upstream.script = streams(HELLO)
    models = (ModelSettings("claude-opus-4-5", max_tokens=100),)
    headers = {"X-Api-Key": "k", "Anthropic-Version": "2099-01-01", "Authorization": "Bearer b"}
    url = upstream.url.removesuffix("/v1")
    await read(asks(base_url=f"{url}/ant/?x=1", headers=headers, models=models))
    await read(asks(base_url=f"{url}/v1/", api_key=None))
    first, second = upstream.requests
    assert (first.target, second.target) == ("/ant/v1/messages?x=1", "/v1/messages")
    assert first.headers["x-api-key"] == "k"
    assert first.headers["anthropic-version"] == "2099-01-01"
    assert first.headers["authorization"] == "Bearer b"
    assert "x-api-key" not in second.headers
    limits = [msgspec.json.decode(r.body)["max_tokens"] for r in (first, second)]
    assert limits == [100, 64_000]


async def test_what_was_dropped_and_the_upstreams_own_name_of_the_call_are_noted(
    asks: Asks, upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        head = STREAM_HEAD.replace(b"\r\n\r\n", b"\r\nrequest-id: req_1\r\n\r\n")
        await peer.send(head, chunked(HELLO), chunked(b""))

    upstream.script = script
    prompt = msgspec.structs.replace(ASK, sampling=Sampling(seed=1), extra={"verbosity": b'"low"'})
    async with asks().open(prompt) as batches:
        assert batches.notes.dropped == ("seed", "verbosity")
        assert batches.notes.request_id == "req_1"
        assert [batch async for batch in batches]


async def test_what_cannot_be_asked_never_reaches_the_upstream(
    asks: Asks, upstream: Upstream
) -> None:
    with pytest.raises(TurnFailed) as failed:
        await read(asks(), msgspec.structs.replace(ASK, sampling=Sampling(choices=2)))
    assert failed.value.failure.param == "n"
    assert upstream.requests == []


async def test_a_tool_loop_sends_thinking_back(asks: Asks, upstream: Upstream) -> None:
    channel = asks()
    tools = (
        Tool("f", b'{"type": "function", "function": {"name": "f"}}'),
        Tool("sh", b'{"type": "custom", "custom": {"name": "sh"}}', "custom"),
    )
    prompt = Prompt("claude-opus-5-5", (UserEntry("Hi"),), tools)
    calls = used(1, "a", "f", "{}") + used(2, "b", "sh", '{"input":', '"ls"}')
    upstream.script = streams(start() + thought(0, "Hm.") + calls + stop("tool_use"))
    answer = Answer()
    answer.take(await read(channel, prompt))
    entry = answer.entry()
    assert entry.tool_calls == (ToolCall("a", "f", "{}"), ToolCall("b", "sh", "ls", "custom"))
    upstream.script = streams(HELLO)
    entries = (*prompt.entries, entry, ToolEntry("b", "2"), ToolEntry("a", "1"))
    await read(channel, msgspec.structs.replace(prompt, entries=entries))
    messages = msgspec.json.decode(upstream.requests[1].body)["messages"]
    assert messages[1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        {"type": "tool_use", "id": "b", "name": "sh", "input": {"input": "ls"}},
    ]
    assert [block["tool_use_id"] for block in messages[2]["content"]] == ["b", "a"]


async def test_a_whole_answer_is_read_too(asks: Asks, upstream: Upstream) -> None:
    body = {
        "type": "message",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": COUNTS,
    }
    upstream.script = gives(200, body, "content-type: application/json")
    assert await read(asks()) == (
        TextDelta("Hello"),
        Finish(FinishReason.STOP),
        Usage(327, 1, 300, 0, 20),
    )


async def fails(channel: HttpChannel) -> tuple[Deltas, Failure]:
    """Return what came of an answer, and how it failed."""
    deltas: Deltas = ()
    try:
        async with channel.open(ASK) as batches:
            async for batch in batches:
                deltas += batch
    except TurnFailed as failed:
        return deltas, failed.failure
    raise AssertionError("it did not fail")


def error(kind: str, message: str = "No.") -> Json:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, error("invalid_request_error"), FailureKind.UPSTREAM_REJECTED, None),
        (
            400,
            error("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
            FailureKind.UPSTREAM_REJECTED,
            "context_length_exceeded",
        ),
        (
            400,
            error("invalid_request_error", "Your credit balance is too low."),
            FailureKind.UPSTREAM_QUOTA,
            "insufficient_quota",
        ),
        (401, error("authentication_error"), FailureKind.UPSTREAM_AUTHENTICATION, None),
        (402, error("billing_error"), FailureKind.UPSTREAM_QUOTA, "insufficient_quota"),
        (403, error("permission_error"), FailureKind.UPSTREAM_AUTHENTICATION, None),
        (404, error("not_found_error", "model: x"), FailureKind.NOT_FOUND, "model_not_found"),
        (413, error("request_too_large"), FailureKind.UPSTREAM_REJECTED, None),
        (429, error("rate_limit_error"), FailureKind.UPSTREAM_RATE_LIMITED, None),
        (500, error("api_error"), FailureKind.UPSTREAM_ERROR, None),
        (502, b"<html>Bad Gateway</html>", FailureKind.UPSTREAM_ERROR, None),
        (504, error("timeout_error"), FailureKind.UPSTREAM_TIMEOUT, None),
        (529, error("overloaded_error"), FailureKind.UPSTREAM_OVERLOADED, None),
        (200, error("overloaded_error"), FailureKind.UPSTREAM_OVERLOADED, None),
        (200, b"<html>Login</html>", FailureKind.UPSTREAM_ERROR, None),
        (200, b"", FailureKind.UPSTREAM_ERROR, None),
    ],
)
async def test_an_answer_that_is_none(
    asks: Asks,
    upstream: Upstream,
    status: int,
    body: object,
    kind: FailureKind,
    code: str | None,
) -> None:
    upstream.script = gives(status, body, "retry-after: 3")
    _, failure = await fails(asks())
    assert (failure.kind, failure.code) == (kind, code)
    assert failure.retry_after == (3 if status in {429, 529} else None)


async def test_a_key_that_is_quoted_is_not_shown(asks: Asks, upstream: Upstream) -> None:
    headers = {"authorization": "Bearer hunter2-hunter2"}
    upstream.script = gives(400, error("invalid_request_error", "no hunter2-hunter2 sk-secret"))
    _, failure = await fails(asks(headers=headers))
    assert failure.message == "no [redacted] [redacted]"


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (streams(start() + said(0, "Hel")), "ended its answer in the middle"),
        (streams(start() + said(0, "Hel"), then=Peer.close), "broke off its answer"),
        (streams(start() + said(0, "Hel"), b"data: {no\n\n"), "sent what is not its protocol"),
    ],
)
async def test_an_answer_that_breaks_off_gives_what_was_said_and_fails(
    asks: Asks, upstream: Upstream, script: Script, complaint: str
) -> None:
    upstream.script = script
    deltas, failure = await fails(asks())
    assert deltas == (TextDelta("Hel"),)
    assert failure.message == f"The provider 'local' {complaint}."


async def test_an_error_in_the_stream_comes_after_what_was_said(
    asks: Asks, upstream: Upstream
) -> None:
    upstream.script = streams(
        start() + said(0, "Hel"), event("error", **error("overloaded_error", "Overloaded"))
    )
    deltas, failure = await fails(asks())
    assert deltas == (TextDelta("Hel"),)
    assert failure.kind == FailureKind.UPSTREAM_OVERLOADED


@pytest.mark.parametrize("script", [None, Peer.close, Peer.reset])
async def test_an_answer_that_has_said_why_it_stopped_is_whole(
    asks: Asks, upstream: Upstream, script: Script | None
) -> None:
    upstream.script = streams(HELLO.removesuffix(DONE), then=script)
    assert (await read(asks()))[:3] == (
        TextDelta("Hel"),
        TextDelta("lo"),
        Finish(FinishReason.STOP),
    )


async def test_the_keepsake_is_no_part_of_what_is_said(asks: Asks, upstream: Upstream) -> None:
    upstream.script = streams(start() + thought(0, "Hm.") + said(1, "Hi") + stop())
    answer = Answer()
    answer.take(await read(asks()))
    entry = answer.entry()
    assert msgspec.structs.replace(entry, keepsake=None) == AssistantEntry("Hi")
    assert entry.keepsake is not None
