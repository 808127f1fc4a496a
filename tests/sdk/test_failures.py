"""What goes wrong reaches an SDK as the exception that it has for it, in time, with code and field."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx2
import openai
import pytest
import trio
from openai import AsyncOpenAI, AsyncStream, OpenAI
from openai.types.chat.chat_completion_chunk import Choice

from tests.processes import until
from tests.sdk.conftest import (
    SCRIPTED,
    THROUGH_UPSTREAM,
    Gateway,
    async_client_of,
    client_of,
    reply,
    tell,
)

LIMIT = 20 * 1024 * 1024


def test_a_wrong_key_is_an_authentication_error(gateway: Gateway) -> None:
    with OpenAI(base_url=gateway.url, api_key="wrong", max_retries=0) as stranger:
        for call in (stranger.models.list, lambda: tell(stranger, "hello")):
            with pytest.raises(openai.AuthenticationError) as caught:
                call()
            assert caught.value.status_code == 401
            assert caught.value.code == "invalid_api_key"
            assert caught.value.request_id


def test_a_wrong_key_with_a_large_body_is_told(gateway: Gateway) -> None:
    """The answer comes before the body is read, and must not get lost for that."""
    with OpenAI(base_url=gateway.url, api_key="wrong", max_retries=0) as stranger:
        for size in (100, 100_000, 10_000_000) * 3:
            with pytest.raises(openai.AuthenticationError):
                tell(stranger, "x" * size)


def test_a_wrong_key_wins_over_a_wrong_body(gateway: Gateway) -> None:
    with (
        OpenAI(base_url=gateway.url, api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        tell(stranger, "hello", model="no-such-model", temperature=9)


@pytest.mark.parametrize(
    ("changed", "param", "code"),
    [
        ({"temperature": 2.1}, "temperature", "invalid_value"),
        ({"temperature": -1}, "temperature", "invalid_value"),
        ({"temperature": "hot"}, "temperature", None),
        ({"top_p": 1.5}, "top_p", "invalid_value"),
        ({"frequency_penalty": 3}, "frequency_penalty", "invalid_value"),
        ({"n": 2}, "n", "unsupported_value"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", None),
        ({"stream_options": {"include_usage": True}, "stream": False}, "stream_options", None),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": None}, "messages", None),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages", "missing_user_message"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"model": ""}, None, None),
        ({"model": "openclaw:nobody"}, "model", "agent_not_found"),
        ({"model": "openclaw:no body"}, "model", "invalid_value"),
    ],
    ids=str,
)
@pytest.mark.parametrize("stream", [None, False, True], ids=["unsaid", "whole", "stream"])
def test_a_bad_request_names_its_field(
    client: OpenAI,
    changed: Mapping[str, Any],
    param: str | None,
    code: str | None,
    *,
    stream: bool | None,
) -> None:
    body: dict[str, Any] = {
        "model": SCRIPTED,
        "messages": [{"role": "user", "content": "hello"}],
        "stream": stream,
    }
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**(body | dict(changed)))
    error = caught.value
    assert error.type == "invalid_request_error"
    assert error.param == param
    if code is not None:
        assert error.code == code
    assert error.message
    assert error.request_id


def test_an_unknown_agent_in_the_header_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Unknown agent 'nobody'") as caught:
        tell(client, "hello", extra_headers={"x-openclaw-agent-id": "nobody"})
    assert caught.value.param == "x-openclaw-agent-id"


@pytest.mark.parametrize("name", ["no-such-model", "nowhere/m-1", "upstream/no-such-model"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_unknown_model_is_not_found(client: OpenAI, name: str, *, stream: bool) -> None:
    """Also where only the upstream knows that it is unknown."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(
            model=name, messages=[{"role": "user", "content": "hello"}], stream=stream
        )
    assert caught.value.code == "model_not_found"
    assert name.removeprefix("upstream/") in caught.value.message


FAILURES = [
    ("upstream_rate_limited", openai.RateLimitError, 429, "rate_limit_exceeded"),
    ("upstream_overloaded", openai.InternalServerError, 503, "upstream_overloaded"),
    ("upstream_timeout", openai.InternalServerError, 504, "upstream_timeout"),
    ("upstream_error", openai.InternalServerError, 502, "upstream_error"),
    ("upstream_authentication", openai.InternalServerError, 502, "upstream_auth_error"),
    ("upstream_quota", openai.APIStatusError, 402, "insufficient_quota"),
    ("upstream_rejected", openai.BadRequestError, 400, None),
]


@pytest.mark.parametrize(("kind", "exception", "status", "code"), FAILURES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_failure_before_the_first_word_is_a_status(
    client: OpenAI,
    model: str,
    kind: str,
    exception: type[openai.APIStatusError],
    status: int,
    code: str | None,
    *,
    stream: bool,
) -> None:
    with pytest.raises(exception) as caught:
        client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": f"[fail {kind}]"}], stream=stream
        )
    assert caught.value.status_code == status
    if kind == "upstream_authentication" and model == THROUGH_UPSTREAM:
        code = "upstream_error"  # the key that was refused is the upstream's own, not ours
    assert caught.value.code == code
    assert kind in caught.value.message


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, _, _, code in FAILURES])
def test_a_failure_after_some_words_is_raised_from_the_stream(
    client: OpenAI, model: str, kind: str, code: str | None
) -> None:
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": f"[say a b c d] [fail {kind} after 2]"}],
        stream=True,
    )
    choices: list[Choice] = []
    with stream, pytest.raises(openai.APIError) as caught:
        choices.extend(chunk.choices[0] for chunk in stream)
    assert not isinstance(caught.value, openai.APIStatusError | openai.APIConnectionError)
    if kind == "upstream_authentication" and model == THROUGH_UPSTREAM:
        code = "upstream_error"  # the key that was refused is the upstream's own, not ours
    assert caught.value.code == code
    assert kind in caught.value.message
    assert "".join(choice.delta.content or "" for choice in choices) == "a b"
    assert {choice.finish_reason for choice in choices} == {None}


def test_a_failure_in_mid_stream_has_its_code(client: OpenAI, model: str) -> None:
    with (
        client.chat.completions.stream(
            model=model, messages=[{"role": "user", "content": "[fail upstream_error after 1]"}]
        ) as stream,
        pytest.raises(openai.APIError) as caught,
    ):
        stream.until_done()
    assert caught.value.code == "upstream_error"
    assert caught.value.type == "api_error"


def test_a_failure_after_some_words_is_a_status_of_a_whole_answer(
    client: OpenAI, model: str
) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        tell(client, "[fail upstream_rate_limited after 2]", model=model)
    assert caught.value.code == "rate_limit_exceeded"


def test_an_sdk_retries_what_it_should_and_each_try_is_one_turn(
    gateway: Gateway, upstream: Gateway, model: str, fresh: str
) -> None:
    session = f"agent:main:openai-user:{fresh}"
    with client_of(gateway, retries=2) as patient, pytest.raises(openai.RateLimitError):
        tell(patient, "[fail upstream_rate_limited]", model=model, user=fresh)
    until(
        lambda: True if len(gateway.requests(session=session, status=429)) == 3 else None,
        "three tries",
    )
    assert len(gateway.requests(session=session)) == 3
    if model == THROUGH_UPSTREAM:
        # The gateway does not try on its own what its client tries already.
        assert len(upstream.requests(session=session)) == 3
    with client_of(gateway) as client:
        # A turn that failed leaves no trace.
        assert tell(client, "hello", model=model, user=fresh) == reply("hello", "1st")


@pytest.mark.parametrize("kind", ["upstream_quota", "upstream_authentication", "upstream_rejected"])
def test_an_sdk_does_not_retry_what_is_pointless(gateway: Gateway, kind: str, fresh: str) -> None:
    with client_of(gateway, retries=2) as patient, pytest.raises(openai.APIStatusError):
        tell(patient, f"[fail {kind}]", user=fresh)
    gateway.ended_request(session=f"agent:main:openai-user:{fresh}")
    assert len(gateway.requests(session=f"agent:main:openai-user:{fresh}")) == 1


def test_a_clients_timeout_cancels_the_turn(
    gateway: Gateway, client: OpenAI, model: str, fresh: str
) -> None:
    hasty = client.with_options(timeout=0.3)
    with pytest.raises(openai.APITimeoutError):
        tell(hasty, "[wait 600]", model=model, extra_headers={"x-request-id": fresh})
    line = gateway.ended_request(request_id=fresh)
    assert line["error"] == "client_left"
    assert line["duration_s"] < 60


def test_a_timeout_within_a_stream_cancels_the_turn(
    gateway: Gateway, client: OpenAI, model: str, fresh: str
) -> None:
    hasty = client.with_options(timeout=0.3)
    stream = hasty.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "[slow 600] [say one two]"}],
        stream=True,
        extra_headers={"x-request-id": fresh},
    )
    with stream, pytest.raises(openai.APITimeoutError):
        list(stream)
    assert gateway.ended_request(request_id=fresh)["error"] == "client_left"


async def test_a_cancelled_call_cancels_its_turn(gateway: Gateway, model: str, fresh: str) -> None:
    async with async_client_of(gateway) as client:
        with trio.move_on_after(0.3) as scope:
            await client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": "[wait 600]"}],
                extra_headers={"x-request-id": fresh},
            )
        assert scope.cancelled_caught
        line = await trio.to_thread.run_sync(lambda: gateway.ended_request(request_id=fresh))
    assert line["error"] == "client_left"


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 4_000_000])
def test_a_body_above_the_limit_is_too_large(client: OpenAI, size: int) -> None:
    for _ in range(5):
        with pytest.raises(openai.APIStatusError) as caught:
            tell(client, "x" * size)
        assert caught.value.status_code == 413
        assert caught.value.code == "payload_too_large"
        # The gateway closes that connection, and the client goes on with another.
        assert tell(client, "hello") == reply("hello", "1st")


def test_a_body_just_below_the_limit_is_taken(client: OpenAI, model: str) -> None:
    text = "x" * (LIMIT - 1_000)
    assert tell(client, f"[say ok] {text}", model=model) == "ok"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_connection_outlives_errors_and_answers(gateway: Gateway, *, stream: bool) -> None:
    """With the asynchronous client: the other one leaves every stream before its last bytes.

    A wrong key is refused before the body is read, which may cost the connection.
    """
    ports: set[object] = set()

    async def note(response: httpx2.Response) -> None:
        ports.add(response.extensions["network_stream"].get_extra_info("client_addr"))

    async def call(
        client: AsyncOpenAI, text: str, model: str = SCRIPTED, temperature: float = 1
    ) -> None:
        answer = await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": text}],
            temperature=temperature,
            stream=stream,
        )
        if isinstance(answer, AsyncStream):
            assert len([chunk async for chunk in answer]) == 13

    async def test() -> None:
        async with (
            httpx2.AsyncClient(event_hooks={"response": [note]}) as transport,
            AsyncOpenAI(
                base_url=gateway.url, api_key=gateway.key, max_retries=0, http_client=transport
            ) as client,
        ):
            for _ in range(3):
                await call(client, "hello")
                with pytest.raises(openai.BadRequestError):
                    await call(client, "hello", temperature=9)
                with pytest.raises(openai.NotFoundError):
                    await call(client, "hello", model="no-such-model")
                with pytest.raises(openai.RateLimitError):
                    await call(client, "[fail upstream_rate_limited]")
                await client.models.list()

    asyncio.run(test())
    assert len(ports) == 1
