"""The checks of OpenAI's Python SDK, each with both of its clients."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar

import openai
from checks import (
    API,
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

FUNCTION = {
    "name": "get_weather",
    "description": "Tell the weather of a city.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int
    is_here: bool


class Chat:
    """Chat completions."""

    said = "messages"
    format = "response_format"
    in_stream: ClassVar[dict[str, Any]] = {
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    tool: ClassVar[dict[str, Any]] = {"type": "function", "function": FUNCTION}

    def of(self, client: Any) -> Any:
        return client.chat.completions

    def text(self, answer: Any) -> str:
        return str(answer.choices[0].message.content)

    def parsed(self, answer: Any) -> Any:
        return answer.choices[0].message.parsed

    def piece(self, chunk: Any) -> str:
        return chunk.choices[0].delta.content or "" if chunk.choices else ""

    def tokens(self, answer: Any) -> tuple[int, int, int]:
        usage = answer.usage
        return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens

    def calls(self, answer: Any) -> list[tuple[str, str]]:
        calls = answer.choices[0].message.tool_calls
        return [(call.function.name, call.function.arguments) for call in calls]

    def answered(self, answer: Any) -> list[Any]:
        message = answer.choices[0].message
        [call] = message.tool_calls
        return [message, {"role": "tool", "tool_call_id": call.id, "content": WEATHER}]

    async def gathered(self, stream: Any) -> Any:
        return await settled(stream.get_final_completion())


class Responses:
    """Responses."""

    said = "input"
    format = "text_format"
    in_stream: ClassVar[dict[str, Any]] = {"stream": True}
    tool: ClassVar[dict[str, Any]] = {"type": "function"} | FUNCTION

    def of(self, client: Any) -> Any:
        return client.responses

    def text(self, answer: Any) -> str:
        return str(answer.output_text)

    def parsed(self, answer: Any) -> Any:
        return answer.output_parsed

    def piece(self, chunk: Any) -> str:
        return chunk.delta if chunk.type == "response.output_text.delta" else ""

    def tokens(self, answer: Any) -> tuple[int, int, int]:
        usage = getattr(answer, "response", answer).usage
        return usage.input_tokens, usage.output_tokens, usage.total_tokens

    def calls(self, answer: Any) -> list[tuple[str, str]]:
        items = [item for item in answer.output if item.type == "function_call"]
        return [(item.name, item.arguments) for item in items]

    def answered(self, answer: Any) -> list[Any]:
        [call] = [item for item in answer.output if item.type == "function_call"]
        result = {"type": "function_call_output", "call_id": call.call_id, "output": WEATHER}
        return [*answer.output, result]

    async def gathered(self, stream: Any) -> Any:
        return await settled(stream.get_final_response())


wire = Responses() if API == "responses" else Chat()
settings: dict[str, Any] = {"base_url": URL, "api_key": KEY, "max_retries": 0}


async def settled(value: Any) -> Any:
    """Return what a method of either client returns."""
    return await value if isinstance(value, Awaitable) else value


async def each(chunks: Any) -> AsyncIterator[Any]:
    """Go through a stream of either client."""
    if isinstance(chunks, openai.Stream):
        for chunk in chunks:
            yield chunk
    else:
        async for chunk in chunks:
            yield chunk


class Client:
    """Either client, by one name for each of the ways to ask."""

    def __init__(self, client: openai.OpenAI | openai.AsyncOpenAI) -> None:
        self._client = client

    async def ask(self, said: Any, *, way: str = "create", **fields: Any) -> Any:
        messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
        fields = {"model": MODEL, wire.said: messages} | fields
        return await settled(getattr(wire.of(self._client), way)(**fields))

    async def stream(self, said: Any, **fields: Any) -> list[Any]:
        answer = await self.ask(said, **wire.in_stream, **fields)
        return [chunk async for chunk in each(answer)]

    async def helped(self, said: Any, **fields: Any) -> Any:
        """Return an answer that the SDK's helper puts together of a stream."""
        manager = await self.ask(said, way="stream", **fields)
        if isinstance(self._client, openai.OpenAI):
            with manager as stream:
                return await wire.gathered(stream)
        async with manager as stream:
            return await wire.gathered(stream)


CLIENTS = {
    "sync": Client(openai.OpenAI(**settings)),
    "async": Client(openai.AsyncOpenAI(**settings)),
}
With = Callable[[Client], Awaitable[None]]


def check_each(name: str) -> Callable[[With], With]:
    """Make a function the check of both clients."""

    def register(function: With) -> With:
        for kind, client in CLIENTS.items():

            async def run_it(client: Client = client) -> None:
                await function(client)

            check(f"{name}, {kind}")(run_it)
        return function

    return register


@check_each("a whole answer")
async def _(client: Client) -> None:
    equal(wire.text(await client.ask("hello")), echo("hello"))


@check_each("a stream")
async def _(client: Client) -> None:
    pieces = [piece for piece in map(wire.piece, await client.stream("hello there")) if piece]
    equal("".join(pieces), echo("hello there"))
    assert len(pieces) > 1


@check_each("the stream helper")
async def _(client: Client) -> None:
    equal(wire.text(await client.helped("hello there")), echo("hello there"))


@check_each("a session by header")
async def _(client: Client) -> None:
    session = {"extra_headers": fresh_session()}
    equal(wire.text(await client.ask("hello", **session)), echo("hello", 1))
    equal(wire.text(await client.ask("again", **session)), echo("again", 2))
    equal(wire.text(await client.helped("and again", **session)), echo("and again", 3))


@check_each("a tool and its result")
async def _(client: Client) -> None:
    for way in (client.ask, client.helped):
        said: list[Any] = [{"role": "user", "content": ASK_FOR_WEATHER}]
        called = await way(said, tools=[wire.tool])
        [(name, arguments)] = wire.calls(called)
        equal((name, json.loads(arguments)), ("get_weather", {"city": CITY}))
        said += wire.answered(called)
        equal(wire.text(await way(said, tools=[wire.tool])), READ_OUT)


@check_each("structured output")
async def _(client: Client) -> None:
    answer = await client.ask("Who?", way="parse", **{wire.format: Person})
    equal(wire.parsed(answer), Person(name="text", age=1, is_here=True))


@check_each("an unknown model")
async def _(client: Client) -> None:
    error = await raised(openai.NotFoundError, client.ask("hello", model="nobody/knows-it"))
    equal((error.code, error.param), ("model_not_found", "model"))


@check_each("an upstream without room")
async def _(client: Client) -> None:
    await raised(openai.RateLimitError, client.ask("hello", model=BUSY))
    await raised(openai.RateLimitError, client.stream("hello", model=BUSY))


@check_each("usage")
async def _(client: Client) -> None:
    equal(wire.tokens(await client.ask("one two three")), (3, 7, 10))
    equal(wire.tokens((await client.stream("one two three"))[-1]), (3, 7, 10))


run()
