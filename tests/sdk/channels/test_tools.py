"""Whatever API the upstream speaks, a client's tools go round in OpenAI's words."""

import json
from typing import Any

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.sdk.channels.vendors import Ask, Vendor
from tests.sdk.conftest import TIME, WEATHER
from tests.upstreams.cues import cue, echo
from tests.upstreams.upstream import Upstream

TOOLS = [WEATHER, TIME]
BOTH = cue(call=[("get_weather", {"city": "Tromsø by night"}), ("get_time", {"zone": "UTC"})])


def test_parallel_calls_come_apart(client: OpenAI, model: str, ask: Ask) -> None:
    answer = ask(client, model, BOTH, tools=TOOLS)
    assert answer.finish == "tool_calls"
    assert answer.text == ""
    assert [call.name for call in answer.calls] == ["get_weather", "get_time"]
    assert [json.loads(call.arguments) for call in answer.calls] == [
        {"city": "Tromsø by night"},
        {"zone": "UTC"},
    ]
    assert len({call.id for call in answer.calls}) == 2


def test_a_call_without_arguments_has_an_empty_object(client: OpenAI, model: str, ask: Ask) -> None:
    [call] = ask(client, model, cue(call=[("get_time", {})]), tools=TOOLS).calls
    assert call.arguments == "{}"


def test_text_may_come_before_a_call(client: OpenAI, model: str, ask: Ask) -> None:
    asked = cue("Let me look.", call=[("get_time", {"zone": "UTC"})])
    answer = ask(client, model, asked, tools=TOOLS)
    assert answer.text == "Let me look."
    assert [call.name for call in answer.calls] == ["get_time"]
    assert answer.finish == "tool_calls"


@pytest.mark.parametrize("thinking", [False, True], ids=["plain", "thinking"])
@pytest.mark.parametrize("remembered", [False, True], ids=["stateless", "session"])
def test_results_go_back_with_the_whole_conversation(
    client: OpenAI,
    vendors: Upstream,
    model: str,
    ask: Ask,
    fresh: str,
    *,
    remembered: bool,
    thinking: bool,
) -> None:
    more: dict[str, Any] = {"tools": TOOLS}
    if remembered:
        more["user"] = fresh
    if thinking:
        more["reasoning_effort"] = "high"
    calls: list[tuple[str, dict[str, Any]]] = [
        ("get_weather", {"city": "Oslo"}),
        ("get_time", {"zone": "UTC"}),
    ]
    text = cue("Let me look.", think="Both, I think.", call=calls)
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": text}]
    answer = ask(client, model, messages, **more)
    assert answer.reasoning == ("Both, I think." if thinking or "anthropic" not in model else "")
    weather, time = answer.calls
    messages.append(answer.message)
    messages += [weather.result("rain"), time.result("noon")]
    told = ask(client, model, messages, **more)
    assert told.text == "get_weather said: rain; get_time said: noon"
    heard = vendors.last.messages
    assert [message.role for message in heard] == ["user", "assistant", "tool", "tool"]
    assert [(call.name, call.arguments) for call in heard[1].calls] == calls
    assert heard[1].text == "Let me look."
    messages.append(told.message)
    messages.append({"role": "user", "content": "thanks"})
    assert ask(client, model, messages, **more).text == echo("thanks", 2)


def test_results_go_back_alone_to_a_session(
    client: OpenAI, vendors: Upstream, model: str, ask: Ask, fresh: str
) -> None:
    weather, time = ask(client, model, BOTH, tools=TOOLS, user=fresh).calls
    results = [time.result("noon"), weather.result("rain")]
    told = ask(client, model, results, tools=TOOLS, user=fresh)
    assert sorted(told.text.split("; ")) == ["get_time said: noon", "get_weather said: rain"]
    roles = [message.role for message in vendors.last.messages]
    assert roles == ["user", "assistant", "tool", "tool"]


def test_an_abandoned_call_does_not_wedge_its_session(
    client: OpenAI, model: str, ask: Ask, fresh: str
) -> None:
    assert ask(client, model, BOTH, tools=TOOLS, user=fresh).calls
    answer = ask(client, model, "never mind", tools=TOOLS, user=fresh)
    assert answer.text == echo("never mind", 2)


def test_no_tool_is_called_where_none_may_be(client: OpenAI, model: str, ask: Ask) -> None:
    answer = ask(client, model, BOTH, tools=TOOLS, tool_choice="none")
    assert (answer.calls, answer.finish) == ((), "stop")


def test_a_tool_that_has_to_be_called_is(
    client: OpenAI, vendors: Upstream, vendor: Vendor, model: str, ask: Ask
) -> None:
    """An API that cannot be told this is still shown the tools."""
    answer = ask(client, model, "anything", tools=TOOLS, tool_choice="required")
    assert list(vendors.last.tools) == ["get_weather", "get_time"]
    assert [call.name for call in answer.calls] == (["get_weather"] if vendor.obeys else [])


def test_the_tool_that_is_named_is_called(
    client: OpenAI, vendors: Upstream, vendor: Vendor, model: str, ask: Ask
) -> None:
    """An API that cannot be told this is shown no other tool."""
    choice = {"type": "function", "function": {"name": "get_time"}}
    answer = ask(client, model, "anything", tools=TOOLS, tool_choice=choice)
    assert vendors.last.choice == "get_time" or list(vendors.last.tools) == ["get_time"]
    assert [call.name for call in answer.calls] == (["get_time"] if vendor.obeys else [])


def test_one_call_at_a_time_where_the_api_can_be_told(
    client: OpenAI, vendor: Vendor, model: str, ask: Ask
) -> None:
    answer = ask(client, model, BOTH, tools=TOOLS, parallel_tool_calls=False)
    assert len(answer.calls) == (1 if vendor.obeys else 2)


def test_a_tools_schema_reaches_the_model(
    client: OpenAI, vendors: Upstream, model: str, ask: Ask
) -> None:
    ask(client, model, "hello", tools=TOOLS)
    assert vendors.last.tools == {
        tool["function"]["name"]: tool["function"].get("parameters") for tool in TOOLS
    }
