"""The checks of the OpenAI Agents SDK."""

from typing import Any

import openai
from agents import (
    Agent,
    ModelSettings,
    OpenAIProvider,
    RunConfig,
    Runner,
    RunResult,
    RunResultStreaming,
    function_tool,
)
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

client = openai.AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0)
config = RunConfig(
    model_provider=OpenAIProvider(openai_client=client, use_responses=API == "responses"),
    tracing_disabled=True,
)


def agent(model: str = MODEL, headers: dict[str, str] | None = None, **settings: Any) -> Agent[Any]:
    how = ModelSettings(include_usage=True, extra_headers=headers)
    return Agent(name="main", model=model, model_settings=how, **settings)


async def ask(of: Agent[Any], said: Any, **settings: Any) -> RunResult:
    return await Runner.run(of, said, run_config=config, **settings)


async def stream(of: Agent[Any], said: Any) -> tuple[list[str], RunResultStreaming]:
    """Return the pieces of the streamed text, and the result."""
    result = Runner.run_streamed(of, said, run_config=config)
    events = [e.data async for e in result.stream_events() if e.type == "raw_response_event"]
    return [e.delta for e in events if e.type == "response.output_text.delta"], result


@function_tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    equal(city, CITY)
    return WEATHER


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int
    is_here: bool


@check("a whole answer")
async def _() -> None:
    equal((await ask(agent(instructions="Be brief."), "hello")).final_output, echo("hello"))


@check("a stream")
async def _() -> None:
    pieces, result = await stream(agent(), "hello there")
    equal("".join(pieces), echo("hello there"))
    equal(result.final_output, echo("hello there"))
    assert len(pieces) > 1


@check("several turns")
async def _() -> None:
    first = await ask(agent(), "hello")
    said = [*first.to_input_list(), {"role": "user", "content": "again"}]
    equal((await ask(agent(), said)).final_output, echo("again", 2))


@check("a session by header")
async def _() -> None:
    one = agent(headers=fresh_session())
    equal((await ask(one, "hello")).final_output, echo("hello", 1))
    equal((await ask(one, "again")).final_output, echo("again", 2))
    _, result = await stream(one, "and again")
    equal(result.final_output, echo("and again", 3))


@check("a tool and its result")
async def _() -> None:
    equal((await ask(agent(tools=[get_weather]), ASK_FOR_WEATHER)).final_output, READ_OUT)


@check("a tool in a session")
async def _() -> None:
    one = agent(headers=fresh_session(), tools=[get_weather])
    equal((await ask(one, ASK_FOR_WEATHER)).final_output, READ_OUT)
    equal((await ask(one, "again")).final_output, echo("again", 2))


@check("a tool in a stream")
async def _() -> None:
    _, result = await stream(agent(tools=[get_weather]), ASK_FOR_WEATHER)
    equal(result.final_output, READ_OUT)


@check("structured output")
async def _() -> None:
    answer = await ask(agent(output_type=Person), "Who?")
    equal(answer.final_output, Person(name="text", age=1, is_here=True))


if API == "responses":

    @check("going on from a response")
    async def _() -> None:
        first = await ask(agent(), "hello")
        second = await ask(agent(), "again", previous_response_id=first.last_response_id)
        equal(second.final_output, echo("again", 2))


@check("an unknown model")
async def _() -> None:
    error = await raised(openai.NotFoundError, ask(agent("nobody/knows-it"), "hello"))
    equal((error.code, error.param), ("model_not_found", "model"))


@check("an upstream without room")
async def _() -> None:
    await raised(openai.RateLimitError, ask(agent(BUSY), "hello"))
    await raised(openai.RateLimitError, stream(agent(BUSY), "hello"))


@check("usage")
async def _() -> None:
    counted = (await ask(agent(), "one two three")).context_wrapper.usage
    equal((counted.input_tokens, counted.output_tokens, counted.total_tokens), (3, 7, 10))
    _, result = await stream(agent(), "one two three")
    counted = result.context_wrapper.usage
    equal((counted.input_tokens, counted.output_tokens, counted.total_tokens), (3, 7, 10))


run()
