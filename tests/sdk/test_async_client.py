"""The asynchronous Python SDK, on asyncio and on trio."""

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.sdk.conftest import WEATHER, Gateway, RunAsync, async_client_of, reply, request_id_of

pytestmark = pytest.mark.filterwarnings(
    # The SDK leaves generators to the loop's finalizer, of which trio alone tells.
    r"ignore:Async generator '(openai|httpx2|httpcore2)\.:ResourceWarning"
)

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


def test_a_whole_answer(gateway: Gateway, run_async: RunAsync, model: str) -> None:
    async def test() -> None:
        async with async_client_of(gateway) as client:
            answer = await client.chat.completions.create(model=model, messages=HELLO)
        assert answer.choices[0].message.content == reply("hello", "1st")
        assert request_id_of(answer)

    run_async(test)


def test_a_stream(gateway: Gateway, run_async: RunAsync, model: str) -> None:
    async def test() -> None:
        async with async_client_of(gateway) as client:
            stream = await client.chat.completions.create(
                model=model,
                messages=HELLO,
                stream=True,
                stream_options={"include_usage": True},
            )
            async with stream:
                chunks = [chunk async for chunk in stream]
        words = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
        assert "".join(words) == reply("hello", "1st")
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.total_tokens == 12

    run_async(test)


def test_the_stream_helper(gateway: Gateway, run_async: RunAsync, model: str) -> None:
    async def test() -> None:
        async with (
            async_client_of(gateway) as client,
            client.chat.completions.stream(
                model=model,
                messages=[{"role": "user", "content": '[call get_weather {"city": "Oslo"}]'}],
                tools=[WEATHER],
            ) as stream,
        ):
            kinds = [event.type async for event in stream]
            final = await stream.get_final_completion()
        assert kinds.count("tool_calls.function.arguments.done") == 1
        [call] = final.choices[0].message.tool_calls or []
        assert call.function.arguments == '{"city": "Oslo"}'

    run_async(test)


def test_memory(gateway: Gateway, run_async: RunAsync, model: str, fresh: str) -> None:
    async def test() -> None:
        async with async_client_of(gateway) as client:
            for nth in ("1st", "2nd", "3rd"):
                answer = await client.chat.completions.create(
                    model=model, messages=HELLO, user=fresh
                )
                assert answer.choices[0].message.content == reply("hello", nth)

    run_async(test)


def test_errors(gateway: Gateway, run_async: RunAsync, model: str) -> None:
    async def test() -> None:
        async with async_client_of(gateway) as client:
            with pytest.raises(openai.BadRequestError) as bad:
                await client.chat.completions.create(model=model, messages=HELLO, temperature=9)
            assert bad.value.param == "temperature"
            with pytest.raises(openai.AuthenticationError) as stranger:
                await client.with_options(api_key="wrong").models.list()
            assert stranger.value.code == "invalid_api_key"
            with pytest.raises(openai.NotFoundError):
                await client.models.retrieve("no-such-model")
            stream = await client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": "[fail upstream_error after 2]"}],
                stream=True,
            )
            async with stream:
                with pytest.raises(openai.APIError) as failed:
                    _ = [chunk async for chunk in stream]
            assert failed.value.code == "upstream_error"

    run_async(test)


def test_a_stream_that_is_left_early(
    gateway: Gateway, run_async: RunAsync, model: str, fresh: str
) -> None:
    async def test() -> None:
        async with async_client_of(gateway) as client:
            stream = await client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": "[slow 600] [say one two]"}],
                stream=True,
                user=fresh,
            )
            async with stream:
                async for chunk in stream:
                    if chunk.choices[0].delta.content:
                        break
            again = await client.chat.completions.create(model=model, messages=HELLO, user=fresh)
        assert again.choices[0].message.content == reply("hello", "2nd")

    run_async(test)
    line = gateway.ended_request(session=f"agent:main:openai-user:{fresh}")
    assert line["error"] == "client_left"
