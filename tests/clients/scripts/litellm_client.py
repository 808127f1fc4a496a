"""The checks of LiteLLM's client: `acompletion`, or `aresponses`."""

import json
import os
from typing import Any, ClassVar

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its list of prices

import litellm
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

litellm.suppress_debug_info = True

FUNCTION = {
    "name": "get_weather",
    "description": "Tell the weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int
    is_here: bool


class Chat:
    """Chat completions."""

    call = staticmethod(litellm.acompletion)
    said = "messages"
    format = "response_format"
    in_stream: ClassVar[dict[str, Any]] = {"stream_options": {"include_usage": True}}
    tool: ClassVar[dict[str, Any]] = {"type": "function", "function": FUNCTION}

    def text(self, answer: Any) -> str:
        return str(answer.choices[0].message.content)

    def piece(self, chunk: Any) -> str:
        return chunk.choices[0].delta.content or "" if chunk.choices else ""

    def whole(self, chunks: list[Any]) -> Any:
        return litellm.stream_chunk_builder(chunks)

    def called(self, answer: Any) -> tuple[str, str]:
        [call] = answer.choices[0].message.tool_calls
        return call.function.name, call.function.arguments

    def answered(self, answer: Any) -> list[Any]:
        message = answer.choices[0].message
        [call] = message.tool_calls
        result = {"role": "tool", "tool_call_id": call.id, "content": WEATHER}
        return [message.model_dump(), result]

    def tokens(self, answer: Any) -> tuple[int, int, int]:
        usage = answer.usage
        return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens


class Responses:
    """Responses."""

    call = staticmethod(litellm.aresponses)
    said = "input"
    format = "text_format"
    in_stream: ClassVar[dict[str, Any]] = {}
    tool: ClassVar[dict[str, Any]] = {"type": "function"} | FUNCTION

    def text(self, answer: Any) -> str:
        return str(answer.output_text)

    def piece(self, chunk: Any) -> str:
        return chunk.delta if chunk.type == "response.output_text.delta" else ""

    def whole(self, chunks: list[Any]) -> Any:
        return chunks[-1].response

    def called(self, answer: Any) -> tuple[str, str]:
        [call] = [item for item in answer.output if item.type == "function_call"]
        return call.name, call.arguments

    def answered(self, answer: Any) -> list[Any]:
        [call] = [item for item in answer.output if item.type == "function_call"]
        result = {"type": "function_call_output", "call_id": call.call_id, "output": WEATHER}
        return [*(item.model_dump(exclude_none=True) for item in answer.output), result]

    def tokens(self, answer: Any) -> tuple[int, int, int]:
        usage = answer.usage
        return usage.input_tokens, usage.output_tokens, usage.total_tokens


wire = Responses() if API == "responses" else Chat()


async def ask(said: str | list[Any], model: str = MODEL, **settings: Any) -> Any:
    messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
    fields = {"model": f"openai/{model}", wire.said: messages, "num_retries": 0, "max_retries": 0}
    return await wire.call(api_base=URL, api_key=KEY, **fields, **settings)


async def stream(said: str | list[Any], model: str = MODEL, **settings: Any) -> list[Any]:
    answer = await ask(said, model, stream=True, **wire.in_stream, **settings)
    return [chunk async for chunk in answer]


async def gathered(said: str | list[Any], model: str = MODEL, **settings: Any) -> Any:
    """Return an answer that is put together of a stream."""
    return wire.whole(await stream(said, model, **settings))


@check("a whole answer")
async def _() -> None:
    equal(wire.text(await ask("hello")), echo("hello"))


@check("a stream")
async def _() -> None:
    pieces = [piece for piece in map(wire.piece, await stream("hello there")) if piece]
    equal("".join(pieces), echo("hello there"))
    assert len(pieces) > 1


@check("a session by header")
async def _() -> None:
    session = {"extra_headers": fresh_session()}
    equal(wire.text(await ask("hello", **session)), echo("hello", 1))
    equal(wire.text(await ask("again", **session)), echo("again", 2))
    equal(wire.text(await gathered("and again", **session)), echo("and again", 3))


for how, way in {"a tool and its result": ask, "a tool in a stream": gathered}.items():

    @check(how)
    async def _(way: Any = way) -> None:
        said: list[Any] = [{"role": "user", "content": ASK_FOR_WEATHER}]
        called = await way(said, tools=[wire.tool])
        name, arguments = wire.called(called)
        equal((name, json.loads(arguments)), ("get_weather", {"city": CITY}))
        said += wire.answered(called)
        equal(wire.text(await way(said, tools=[wire.tool])), READ_OUT)


@check("structured output")
async def _() -> None:
    answer = wire.text(await ask("Who?", **{wire.format: Person}))
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
    equal(wire.tokens(await ask("one two three")), (3, 7, 10))
    equal(wire.tokens(await gathered("one two three")), (3, 7, 10))


run()
