"""The checks of LiteLLM's client."""

import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its list of prices

import litellm
from checks import (
    ASK_FOR_WEATHER,
    BUSY,
    CITY,
    KEY,
    MODEL,
    READ_OUT,
    URL,
    WEATHER,
    check,
    echo,
    equal,
    fresh_session,
    raised,
    run,
)
from pydantic import BaseModel

litellm.suppress_debug_info = True

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int
    is_here: bool


async def ask(said: str | list[Any], model: str = MODEL, **settings: Any) -> Any:
    messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
    return await litellm.acompletion(
        model=f"openai/{model}",
        api_base=URL,
        api_key=KEY,
        num_retries=0,
        max_retries=0,
        messages=messages,
        **settings,
    )


async def stream(said: str | list[Any], model: str = MODEL, **settings: Any) -> list[Any]:
    usage = {"include_usage": True}
    answer = await ask(said, model, stream=True, stream_options=usage, **settings)
    return [chunk async for chunk in answer]


def text_of(answer: Any) -> str:
    return str(answer.choices[0].message.content)


def whole(chunks: list[Any]) -> Any:
    return litellm.stream_chunk_builder(chunks)


@check("a whole answer")
async def _() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    answer = await ask(messages)
    equal(text_of(answer), echo("hello"))
    equal(answer.choices[0].finish_reason, "stop")


@check("a stream")
async def _() -> None:
    chunks = await stream("hello there")
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    pieces = [piece for piece in pieces if piece]
    equal("".join(pieces), echo("hello there"))
    assert len(pieces) > 1


@check("a session by header")
async def _() -> None:
    session = {"extra_headers": fresh_session()}
    equal(text_of(await ask("hello", **session)), echo("hello", 1))
    equal(text_of(await ask("again", **session)), echo("again", 2))
    equal(text_of(whole(await stream("and again", **session))), echo("and again", 3))


async def check_tool(called: Any, read_out: Any) -> None:
    message = called.choices[0].message
    [call] = message.tool_calls
    equal((call.function.name, call.function.arguments), ("get_weather", f'{{"city":"{CITY}"}}'))
    result = {"role": "tool", "tool_call_id": call.id, "content": WEATHER}
    said = [{"role": "user", "content": ASK_FOR_WEATHER}, message.model_dump(), result]
    equal(text_of(await read_out(said)), READ_OUT)


@check("a tool and its result")
async def _() -> None:
    async def read_out(said: Any) -> Any:
        return await ask(said, tools=[TOOL])

    await check_tool(await read_out(ASK_FOR_WEATHER), read_out)


@check("a tool in a stream")
async def _() -> None:
    async def read_out(said: Any) -> Any:
        return whole(await stream(said, tools=[TOOL]))

    await check_tool(await read_out(ASK_FOR_WEATHER), read_out)


@check("structured output")
async def _() -> None:
    answer = text_of(await ask("Who?", response_format=Person))
    equal(Person.model_validate_json(answer), Person(name="text", age=1, is_here=True))


@check("an unknown model")
async def _() -> None:
    error = await raised(litellm.NotFoundError, ask("hello", "nobody/knows-it"))
    assert "nobody/knows-it" in error.message


@check("an upstream without room")
async def _() -> None:
    await raised(litellm.RateLimitError, ask("hello", BUSY))
    await raised(litellm.RateLimitError, stream("hello", BUSY))


@check("usage")
async def _() -> None:
    counted = (await ask("one two three")).usage
    equal((counted.prompt_tokens, counted.completion_tokens, counted.total_tokens), (3, 7, 10))
    counted = (await stream("one two three"))[-1].usage
    equal((counted.prompt_tokens, counted.completion_tokens, counted.total_tokens), (3, 7, 10))


run()
