"""Client tools go round: called, run here, answered, in every form in which clients send it back."""

import json
from collections.abc import Callable, Iterable
from typing import cast

import openai
import pytest
from openai import Omit, OpenAI, omit
from openai.types.chat import (
    ChatCompletionMessage,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageParam,
    ChatCompletionToolChoiceOptionParam,
)

from tests.sdk.conftest import SCRIPTED, TIME, WEATHER, function_tool, reply, tell

ONE = '[call get_weather {"city": "Tromsø"}]'
TWO = '[call get_weather {"city": "Oslo"}] [call get_time {"zone": "UTC"}]'


def ask(
    client: OpenAI,
    model: str,
    messages: Iterable[ChatCompletionMessageParam],
    *,
    user: str | Omit = omit,
    tool_choice: ChatCompletionToolChoiceOptionParam | Omit = omit,
) -> ChatCompletionMessage:
    """Return the answer's message, whose finish reason has to be right."""
    answer = client.chat.completions.create(
        model=model, messages=messages, tools=[WEATHER, TIME], user=user, tool_choice=tool_choice
    )
    [choice] = answer.choices
    assert choice.finish_reason == ("tool_calls" if choice.message.tool_calls else "stop")
    return choice.message


def ask_streaming(
    client: OpenAI,
    model: str,
    messages: Iterable[ChatCompletionMessageParam],
    *,
    user: str | Omit = omit,
    tool_choice: ChatCompletionToolChoiceOptionParam | Omit = omit,
) -> ChatCompletionMessage:
    """The same by `.stream()`, which is strict about what chunks bring."""
    with client.chat.completions.stream(
        model=model, messages=messages, tools=[WEATHER, TIME], user=user, tool_choice=tool_choice
    ) as stream:
        done = [
            (event.name, event.arguments)
            for event in stream
            if event.type == "tool_calls.function.arguments.done"
        ]
        [choice] = stream.get_final_completion().choices
    assert choice.finish_reason == ("tool_calls" if choice.message.tool_calls else "stop")
    # The helper tells that a call is done, and its snapshot has it; `parsed` is its own addition.
    calls = [call.model_dump(exclude={"index"}) for call in choice.message.tool_calls or []]
    for call in calls:
        call["function"].pop("parsed_arguments")
    assert done == [(call["function"]["name"], call["function"]["arguments"]) for call in calls]
    return ChatCompletionMessage.model_validate(
        {"role": choice.message.role, "content": choice.message.content}
        | ({"tool_calls": calls} if calls else {})
    )


Ask = Callable[..., ChatCompletionMessage]
ASKS = pytest.mark.parametrize("ask", [ask, ask_streaming], ids=["whole", "stream"])


def calls_of(message: ChatCompletionMessage) -> list[ChatCompletionMessageFunctionToolCall]:
    calls = [call for call in message.tool_calls or [] if call.type == "function"]
    assert len(calls) == len(message.tool_calls or [])
    return calls


def dump(message: ChatCompletionMessage) -> ChatCompletionMessageParam:
    """As an SDK's user sends an answer back."""
    return cast("ChatCompletionMessageParam", message.to_dict())


def result(call: ChatCompletionMessageFunctionToolCall, text: str) -> ChatCompletionMessageParam:
    return {"role": "tool", "tool_call_id": call.id, "content": text}


@ASKS
def test_a_call_comes_whole(client: OpenAI, model: str, ask: Ask) -> None:
    message = ask(client, model, [{"role": "user", "content": ONE}])
    [call] = calls_of(message)
    assert message.content is None
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Tromsø"}


@ASKS
def test_parallel_calls_come_apart(client: OpenAI, model: str, ask: Ask) -> None:
    calls = calls_of(ask(client, model, [{"role": "user", "content": TWO}]))
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert [json.loads(call.function.arguments) for call in calls] == [
        {"city": "Oslo"},
        {"zone": "UTC"},
    ]
    assert len({call.id for call in calls}) == 2


def test_the_chunks_of_calls_are_what_strict_clients_need(client: OpenAI, model: str) -> None:
    with client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": TWO}],
        tools=[WEATHER, TIME],
        stream=True,
    ) as stream:
        deltas = [choice.delta for chunk in stream for choice in chunk.choices]
    assert deltas[0].role == "assistant"
    assert deltas[0].content is None
    parts = [part for delta in deltas for part in delta.tool_calls or []]
    # One call after the other, each with its identity first and once.
    assert [part.index for part in parts] == sorted(part.index for part in parts)
    for index, name in enumerate(["get_weather", "get_time"]):
        first, *rest = [part for part in parts if part.index == index]
        assert first.id
        assert first.type == "function"
        assert first.function is not None
        assert (first.function.name, first.function.arguments) == (name, "")
        assert rest
        for part in rest:
            assert part.model_fields_set == {"index", "function"}
            assert part.function is not None
            assert part.function.model_fields_set == {"arguments"}


@ASKS
@pytest.mark.parametrize("remembered", [True, False], ids=["session", "stateless"])
def test_a_round_with_the_whole_conversation(
    client: OpenAI, model: str, fresh: str, ask: Ask, *, remembered: bool
) -> None:
    user = fresh if remembered else omit
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": TWO}]
    message = ask(client, model, messages, user=user)
    weather, time = calls_of(message)
    messages += [dump(message), result(weather, "rain"), result(time, "noon")]
    told = ask(client, model, messages, user=user)
    assert told.content == "get_time said: noon"
    messages.append(dump(told))
    messages.append({"role": "user", "content": "thanks"})
    assert ask(client, model, messages, user=user).content == reply("thanks", "2nd")


@ASKS
def test_a_round_with_the_results_only(client: OpenAI, model: str, fresh: str, ask: Ask) -> None:
    weather, time = calls_of(ask(client, model, [{"role": "user", "content": TWO}], user=fresh))
    told = ask(client, model, [result(time, "noon"), result(weather, "rain")], user=fresh)
    assert told.content == "get_weather said: rain"
    assert ask(client, model, [{"role": "user", "content": "thanks"}], user=fresh).content == (
        reply("thanks", "2nd")
    )


@ASKS
def test_call_after_call_in_one_session(client: OpenAI, model: str, fresh: str, ask: Ask) -> None:
    ids: set[str] = set()
    for place in range(4):
        [call] = calls_of(ask(client, model, [{"role": "user", "content": ONE}], user=fresh))
        ids.add(call.id)
        told = ask(client, model, [result(call, f"rain {place}")], user=fresh)
        assert told.content == f"get_weather said: rain {place}"
    assert len(ids) == 4


def test_an_unanswered_call_does_not_wedge_its_session(
    client: OpenAI, model: str, fresh: str
) -> None:
    calls_of(ask(client, model, [{"role": "user", "content": TWO}], user=fresh))
    assert tell(client, "never mind", model=model, user=fresh) == reply("never mind", "2nd")


def test_a_result_without_a_call_is_a_bad_request(client: OpenAI, fresh: str) -> None:
    stray: ChatCompletionMessageParam = {
        "role": "tool",
        "tool_call_id": "call_nowhere",
        "content": "rain",
    }
    with pytest.raises(openai.BadRequestError, match="call_nowhere") as caught:
        ask(client, SCRIPTED, [stray], user=fresh)
    assert caught.value.param == "messages[0].tool_call_id"
    [weather, _] = calls_of(ask(client, SCRIPTED, [{"role": "user", "content": TWO}], user=fresh))
    with pytest.raises(openai.BadRequestError, match="had no result") as caught:
        ask(client, SCRIPTED, [result(weather, "rain")], user=fresh)
    assert caught.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("none", []),
        ("auto", []),
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "get_time"}}],
                },
            },
            ["get_time"],
        ),
    ],
    ids=["none", "auto", "required", "named", "allowed"],
)
def test_the_tool_choice_reaches_the_model(
    client: OpenAI, model: str, choice: ChatCompletionToolChoiceOptionParam, names: list[str]
) -> None:
    message = ask(client, model, [{"role": "user", "content": "anything"}], tool_choice=choice)
    assert [call.function.name for call in calls_of(message)] == names


def test_a_choice_that_is_not_offered_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(
            client,
            SCRIPTED,
            [{"role": "user", "content": "hello"}],
            tool_choice={"type": "function", "function": {"name": "get_news"}},
        )
    assert caught.value.param == "tool_choice"


def test_a_tool_with_a_name_that_no_provider_takes_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model=SCRIPTED,
            messages=[{"role": "user", "content": "hello"}],
            tools=[function_tool("get the news", "topic")],
        )
    assert caught.value.param == "tools[0].function.name"


def test_a_custom_tool_is_called_with_its_input(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "[call write_poem {rain}]"}],
        tools=[{"type": "custom", "custom": {"name": "write_poem"}}],
    )
    [call] = answer.choices[0].message.tool_calls or []
    assert call.type == "custom"
    assert (call.custom.name, call.custom.input) == ("write_poem", "{rain}")
