"""The checks of LangChain's `ChatOpenAI`."""

from typing import Any

import openai
from checks import (
    API,
    ASK_FOR_WEATHER,
    BUSY,
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
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


def chat(model: str = MODEL, **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model=model,
        base_url=URL,
        api_key=KEY,
        max_retries=0,
        use_responses_api=API == "responses",
        **settings,
    )


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{WEATHER}" if city else ""


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int
    is_here: bool


async def stream(model: ChatOpenAI, messages: Any) -> list[AIMessageChunk]:
    return [chunk async for chunk in model.astream(messages)]


def whole(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    message = chunks[0]
    for chunk in chunks[1:]:
        message += chunk
    return message


@check("a whole answer")
async def _() -> None:
    answer = await chat().ainvoke([SystemMessage("Be brief."), HumanMessage("hello")])
    equal(answer.text, echo("hello"))
    equal(chat().invoke("hello").text, echo("hello"))


@check("a stream")
async def _() -> None:
    chunks = await stream(chat(), "hello there")
    equal("".join(chunk.text for chunk in chunks), echo("hello there"))
    assert sum(bool(chunk.text) for chunk in chunks) > 1


@check("a session by header")
async def _() -> None:
    model = chat(default_headers=fresh_session())
    equal((await model.ainvoke("hello")).text, echo("hello", 1))
    equal((await model.ainvoke("again")).text, echo("again", 2))
    equal(whole(await stream(model, "and again")).text, echo("and again", 3))


@check("a tool and its result")
async def _() -> None:
    model = chat().bind_tools([get_weather])
    messages: list[Any] = [HumanMessage(ASK_FOR_WEATHER)]
    called = await model.ainvoke(messages)
    [call] = called.tool_calls
    equal((call["name"], call["args"]), ("get_weather", {"city": "Tromsø"}))
    result = await get_weather.ainvoke(call)
    assert isinstance(result, ToolMessage)
    equal((await model.ainvoke([*messages, called, result])).text, READ_OUT)


@check("a tool in a stream")
async def _() -> None:
    model = chat().bind_tools([get_weather])
    messages: list[Any] = [HumanMessage(ASK_FOR_WEATHER)]
    called = whole(await stream(model, messages))
    [call] = called.tool_calls
    equal((call["name"], call["args"]), ("get_weather", {"city": "Tromsø"}))
    result = await get_weather.ainvoke(call)
    equal(whole(await stream(model, [*messages, called, result])).text, READ_OUT)


@check("structured output")
async def _() -> None:
    model = chat().with_structured_output(Person, method="json_schema")
    equal(await model.ainvoke("Who?"), Person(name="text", age=1, is_here=True))


@check("an unknown model")
async def _() -> None:
    error = await raised(openai.NotFoundError, chat("nobody/knows-it").ainvoke("hello"))
    equal((error.code, error.param), ("model_not_found", "model"))


@check("an upstream without room")
async def _() -> None:
    await raised(openai.RateLimitError, chat(BUSY).ainvoke("hello"))
    await raised(openai.RateLimitError, stream(chat(BUSY), "hello"))


@check("usage")
async def _() -> None:
    answer = await chat().ainvoke("one two three")
    counted = answer.usage_metadata
    assert counted
    equal((counted["input_tokens"], counted["output_tokens"], counted["total_tokens"]), (3, 7, 10))
    equal(whole(await stream(chat(stream_usage=True), "one two three")).usage_metadata, counted)


run()
