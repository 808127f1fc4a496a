"""Rules for clients that offer `functions`: they get a `function_call`, and need no ids."""

import json
from typing import Any

import msgspec
import pytest

from greenroom.actors.channels.channel import (
    Deltas,
    Finish,
    FinishReason,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import AssistantEntry, ToolCall, ToolEntry, UserEntry
from greenroom.http.errors import ApiError
from greenroom.http.functions import Toolbox, read_toolbox
from greenroom.http.wire import ChatRequest
from tests.conftest import PlayedChannel
from tests.http.conftest import Answer, Site, chat

LOOK = {"name": "look", "parameters": {"type": "object"}}
KEY = {"x-openclaw-session-key": "k"}
TOOL = {"type": "function", "function": LOOK}
CALLED: list[Deltas] = [
    (ToolCallStart(0, "c1", "look"), ToolCallArguments(0, '{"a"')),
    (ToolCallArguments(0, ":1}"),),
    (Finish(FinishReason.TOOL_CALLS), Usage(1, 1)),
]
TWICE: list[Deltas] = [
    (ToolCallStart(0, "c1", "look"), ToolCallArguments(0, "{}")),
    (ToolCallStart(1, "c2", "look"), ToolCallArguments(1, "{}")),
    (Finish(FinishReason.TOOL_CALLS),),
]
YES: list[Deltas] = [(TextDelta("Yes."),), (Finish(FinishReason.STOP),)]


def box(**fields: object) -> Toolbox:
    return read_toolbox(msgspec.json.decode(json.dumps(chat(**fields)), type=ChatRequest))


def refused(**fields: object) -> ApiError:
    with pytest.raises(ApiError) as caught:
        box(**fields)
    assert caught.value.status == 400
    return caught.value


def made(answer: Answer) -> dict[str, Any]:
    (choice,) = answer.json()["choices"]
    found: dict[str, Any] = choice
    return found


def test_functions_become_tools_one_call_at_a_time() -> None:
    found = box(functions=[LOOK])
    assert [(tool.name, json.loads(tool.definition)) for tool in found.tools] == [("look", TOOL)]
    assert (found.choice, found.parallel, found.legacy) == (None, False, True)


@pytest.mark.parametrize("choice", ["none", "auto"])
def test_a_function_call_of_a_word_is_a_tool_choice(choice: str) -> None:
    found = box(functions=[LOOK], function_call=choice).choice
    assert found is not None
    assert (found.mode, found.definition) == (choice, f'"{choice}"'.encode())


def test_a_named_function_has_to_be_called() -> None:
    found = box(functions=[LOOK], function_call={"name": "look"}).choice
    assert found is not None
    assert (found.mode, found.names) == ("required", ("look",))
    assert json.loads(found.definition) == {"type": "function", "function": {"name": "look"}}


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"functions": [LOOK], "tools": [TOOL]}, "functions"),
    ({"functions": [{}]}, "functions[0].function.name"),
    ({"functions": [{"name": "a b"}]}, "functions[0].function.name"),
    ({"functions": [LOOK, LOOK]}, "functions[1].function.name"),
    ({"functions": [LOOK], "function_call": {"name": "walk"}}, "function_call"),
    ({"functions": [LOOK], "function_call": "required"}, "function_call"),
    ({"functions": [LOOK], "function_call": 4}, "function_call"),
    ({"function_call": {"name": "look"}}, "function_call"),
]


@pytest.mark.parametrize(("fields", "param"), UNFIT)
def test_what_cannot_be_offered_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).body.param == param


@pytest.mark.parametrize(
    "fields", [{"functions": []}, {"function_call": "none"}, {"tools": [TOOL]}]
)
def test_a_request_without_functions_is_a_newer_one(fields: dict[str, Any]) -> None:
    assert not box(**fields).legacy


async def test_a_whole_answer_has_a_function_call_and_says_so() -> None:
    async with Site(PlayedChannel(CALLED)) as site:
        choice = made(await site.post(chat(functions=[LOOK])))
    assert choice["finish_reason"] == "function_call"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "function_call": {"name": "look", "arguments": '{"a":1}'},
    }


async def test_a_stream_has_its_name_once_and_then_its_arguments() -> None:
    async with Site(PlayedChannel(CALLED)) as site:
        chunks = (await site.post(chat(functions=[LOOK], stream=True))).chunks()
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": None},
        {"function_call": {"name": "look", "arguments": ""}},
        {"function_call": {"arguments": '{"a"'}},
        {"function_call": {"arguments": ":1}"}},
        {},
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"


@pytest.mark.parametrize("stream", [False, True])
async def test_of_two_calls_it_is_told_of_the_first(stream: bool) -> None:
    async with Site(PlayedChannel(TWICE)) as site:
        answer = await site.post(chat(functions=[LOOK], stream=stream))
    if stream:
        deltas = [chunk["choices"][0]["delta"] for chunk in answer.chunks()]
        assert sum("function_call" in delta for delta in deltas) == 2
    else:
        assert made(answer)["message"]["function_call"] == {"name": "look", "arguments": "{}"}


async def test_a_function_that_is_not_called_is_no_matter() -> None:
    async with Site(PlayedChannel(YES)) as site:
        choice = made(await site.post(chat(functions=[LOOK])))
    assert (choice["finish_reason"], choice["message"]["content"]) == ("stop", "Yes.")
    assert "function_call" not in choice["message"]


ASSISTANT = {
    "role": "assistant",
    "content": None,
    "function_call": {"name": "look", "arguments": "{}"},
}
RESULT = {"role": "function", "name": "look", "content": "a door"}
USER = {"role": "user", "content": "Hi"}


async def test_a_history_of_functions_is_one_of_tools() -> None:
    channel = PlayedChannel(YES)
    async with Site(channel) as site:
        body = {"model": "openclaw", "messages": [USER, ASSISTANT, RESULT], "functions": [LOOK]}
        assert (await site.post(body)).status == 200
    (prompt,) = channel.prompts
    assert prompt.entries == (
        UserEntry("Hi"),
        AssistantEntry(None, (ToolCall("call_function_1", "look", "{}"),)),
        ToolEntry("call_function_1", "a door"),
    )


@pytest.mark.parametrize("again", [[], [USER, ASSISTANT]], ids=["what is new", "all of it"])
async def test_a_session_knows_which_call_a_result_is_of(again: list[dict[str, Any]]) -> None:
    played: list[Deltas] = [
        (ToolCallStart(0, "c1", "look"), ToolCallArguments(0, "{}")),
        (Finish(FinishReason.TOOL_CALLS),),
    ]
    channel = PlayedChannel(played, YES)
    async with Site(channel) as site:
        await site.post(chat("Hi", functions=[LOOK]), headers=KEY)
        body = {"model": "openclaw", "messages": [*again, RESULT], "functions": [LOOK]}
        assert (await site.post(body, headers=KEY)).status == 200
    assert channel.prompts[-1].entries == (
        UserEntry("Hi"),
        AssistantEntry(None, (ToolCall("c1", "look", "{}"),)),
        ToolEntry("c1", "a door"),
    )


async def test_calls_that_its_client_was_not_told_of_do_not_wait_for_ever() -> None:
    channel = PlayedChannel(TWICE, YES)
    async with Site(channel) as site:
        await site.post(chat("Hi", functions=[LOOK]), headers=KEY)
        body = {"model": "openclaw", "messages": [RESULT], "functions": [LOOK]}
        assert (await site.post(body, headers=KEY)).status == 200
    *_, first, second = channel.prompts[-1].entries
    assert first == ToolEntry("c1", "a door")
    assert isinstance(second, ToolEntry)
    assert (second.call_id, second.synthetic) == ("c2", True)


async def test_a_result_without_a_call_is_refused() -> None:
    async with Site(PlayedChannel(YES)) as site:
        answer = await site.post({"model": "openclaw", "messages": [USER, RESULT]})
    assert (answer.status, answer.error()["param"]) == (400, "messages[1].tool_call_id")
