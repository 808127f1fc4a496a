"""Whatever API the upstream speaks, its answers are responses: thinking, text, calls, formats, usage."""

import json
from typing import Any

import pytest
from openai import OpenAI
from openai.types.responses import Response, ResponseFunctionToolCall
from pydantic import BaseModel

from tests.sdk.channels.vendors import Vendor
from tests.sdk.conftest import TIME, WEATHER
from tests.upstreams.cues import cue, echo
from tests.upstreams.upstream import Upstream

TOOLS: list[Any] = [{"type": "function"} | dict(tool["function"]) for tool in (WEATHER, TIME)]
CALLS: list[tuple[str, Any]] = [("get_weather", {"city": "Oslo"}), ("get_time", {"zone": "UTC"})]
THOUGHT = cue("Let me look.", think="Both, I think.", call=CALLS)


def calls_in(response: Response) -> list[ResponseFunctionToolCall]:
    return [item for item in response.output if isinstance(item, ResponseFunctionToolCall)]


def results_of(response: Response) -> list[Any]:
    weather, time = calls_in(response)
    return [
        {"type": "function_call_output", "call_id": weather.call_id, "output": "rain"},
        {"type": "function_call_output", "call_id": time.call_id, "output": "noon"},
    ]


@pytest.mark.parametrize("stored", [True, False], ids=["by id", "by items"])
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_thinking_and_calls_go_round(
    client: OpenAI, vendors: Upstream, model: str, *, streamed: bool, stored: bool
) -> None:
    asked: list[Any] = [{"role": "user", "content": THOUGHT}]
    effort: Any = {"effort": "high"}
    first: Response
    if streamed:
        with client.responses.stream(
            model=model, input=asked, tools=TOOLS, reasoning=effort, store=stored
        ) as stream:
            first = stream.get_final_response()
    else:
        first = client.responses.create(
            model=model, input=asked, tools=TOOLS, reasoning=effort, store=stored
        )
    kinds = [item.type for item in first.output]
    assert kinds == ["reasoning", "message", "function_call", "function_call"]
    assert first.output_text == "Let me look."
    assert [(call.name, json.loads(call.arguments)) for call in calls_in(first)] == CALLS
    results = results_of(first)
    if stored:
        second = client.responses.create(
            model=model, input=results, previous_response_id=first.id, tools=TOOLS, reasoning=effort
        )
    else:
        asked += [item.to_dict(exclude_none=True) for item in first.output]
        for item in asked:
            item.pop("parsed_arguments", None)
        second = client.responses.create(
            model=model, input=[*asked, *results], tools=TOOLS, reasoning=effort, store=False
        )
    assert second.output_text == "get_weather said: rain; get_time said: noon"
    heard = vendors.last.messages
    assert [message.role for message in heard] == ["user", "assistant", "tool", "tool"]
    assert [(call.name, call.arguments) for call in heard[1].calls] == CALLS
    assert heard[1].text == "Let me look."


def test_one_goes_on_from_another(client: OpenAI, model: str) -> None:
    first = client.responses.create(model=model, input="a")
    second = client.responses.create(model=model, input="b", previous_response_id=first.id)
    assert second.output_text == echo("b", 2)


class City(BaseModel):
    name: str
    people: int


def test_a_format_reaches_the_model(client: OpenAI, model: str) -> None:
    parsed = client.responses.parse(model=model, input="a city", text_format=City)
    assert isinstance(parsed.output_parsed, City)


def test_tokens_are_counted(client: OpenAI, model: str) -> None:
    response = client.responses.create(model=model, input="hello")
    usage = response.usage
    assert usage is not None
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_instructions_come_after_the_agents_own(
    client: OpenAI, vendors: Upstream, vendor: Vendor
) -> None:
    client.responses.create(model=f"openclaw:{vendor.id}", input="a", instructions="You are kind.")
    heard = vendors.last
    assert heard.system.index("You are brief.") < heard.system.index("You are kind.")
    assert heard.said == [("user", "a")]
