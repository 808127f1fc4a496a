"""The checks of Pydantic AI."""

from typing import Any

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
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, ModelHTTPError, ModelSettings, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

client = AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0)


def agent(model: str = MODEL, **settings: Any) -> Agent[None, Any]:
    kind = OpenAIResponsesModel if API == "responses" else OpenAIChatModel
    return Agent(kind(model, provider=OpenAIProvider(openai_client=client)), **settings)


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    equal(city, CITY)
    return WEATHER


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int
    is_here: bool


async def stream(of: Agent[None, Any], text: str, **settings: Any) -> tuple[list[str], Any]:
    """Return the pieces of a streamed text, and the run's usage."""
    async with of.run_stream(text, **settings) as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
        return pieces, result.usage


@check("a whole answer")
async def _() -> None:
    equal((await agent(instructions="Be brief.").run("hello")).output, echo("hello"))


@check("a stream")
async def _() -> None:
    pieces, _ = await stream(agent(), "hello there")
    equal("".join(pieces), echo("hello there"))
    assert len(pieces) > 1


@check("several turns")
async def _() -> None:
    first = await agent().run("hello")
    second = await agent().run("again", message_history=first.all_messages())
    equal(second.output, echo("again", 2))


@check("a session by header")
async def _() -> None:
    settings = ModelSettings(extra_headers=fresh_session())
    equal((await agent().run("hello", model_settings=settings)).output, echo("hello", 1))
    equal((await agent().run("again", model_settings=settings)).output, echo("again", 2))
    pieces, _ = await stream(agent(), "and again", model_settings=settings)
    equal("".join(pieces), echo("and again", 3))


@check("a tool and its result")
async def _() -> None:
    equal((await agent(tools=[get_weather]).run(ASK_FOR_WEATHER)).output, READ_OUT)


@check("a tool in a session")
async def _() -> None:
    settings = ModelSettings(extra_headers=fresh_session())
    one = agent(tools=[get_weather])
    equal((await one.run(ASK_FOR_WEATHER, model_settings=settings)).output, READ_OUT)
    equal((await one.run("again", model_settings=settings)).output, echo("again", 2))


@check("a tool in a stream")
async def _() -> None:
    pieces, _ = await stream(agent(tools=[get_weather]), ASK_FOR_WEATHER)
    equal("".join(pieces), READ_OUT)


@check("structured output")
async def _() -> None:
    answer = await agent(output_type=NativeOutput(Person)).run("Who?")
    equal(answer.output, Person(name="text", age=1, is_here=True))


@check("an unknown model")
async def _() -> None:
    error = await raised(ModelHTTPError, agent("nobody/knows-it").run("hello"))
    equal(error.status_code, 404)
    assert "nobody/knows-it" in str(error.body)


@check("an upstream without room")
async def _() -> None:
    equal((await raised(ModelHTTPError, agent(BUSY).run("hello"))).status_code, 429)
    equal((await raised(ModelHTTPError, stream(agent(BUSY), "hello"))).status_code, 429)


@check("usage")
async def _() -> None:
    counted = (await agent().run("one two three")).usage
    equal((counted.input_tokens, counted.output_tokens), (3, 7))
    _, streamed = await stream(agent(), "one two three")
    equal((streamed.input_tokens, streamed.output_tokens), (3, 7))


run()
