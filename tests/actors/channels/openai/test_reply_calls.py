"""Tool calls of all sorts of servers become the deltas that `Channel` promises."""

import msgspec
import pytest

from greenroom.actors.channels.channel import (
    Delta,
    Finish,
    FinishReason,
    ToolCallArguments,
    ToolCallStart,
)
from greenroom.actors.channels.openai.reply import OpenAIDecoder
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from tests.actors.channels.conftest import Json, chunk, decode, sse

CALLED = Finish(FinishReason.TOOL_CALLS)
ROLE = chunk({"role": "assistant", "content": None})
END = chunk({}, "stop")
CITY: list[Delta] = [ToolCallStart(0, "a", "f"), ToolCallArguments(0, '{"city":"Paris"}'), CALLED]


def fragment(arguments: object = None, **call: object) -> Json:
    function: Json = {"name": call.pop("name", None), "arguments": arguments}
    present = {name: value for name, value in function.items() if value is not None}
    return chunk({"tool_calls": [call | {"function": present}]})


NAMED = {"index": 0, "id": "a", "type": "function", "name": "f"}
CITIES: dict[str, bytes] = {
    "canonical": sse(
        ROLE, fragment("", **NAMED), fragment('{"city":"Paris"}', index=0), chunk({}, "tool_calls")
    ),
    "whole, with its finish": sse(
        chunk(
            {
                "tool_calls": [
                    {
                        "index": 0,
                        "id": "a",
                        "function": {"name": "f", "arguments": '{"city":"Paris"}'},
                    }
                ]
            },
            "tool_calls",
        )
    ),
    "without an index": sse(
        fragment("", id="a", type="function", name="f"),
        fragment('{"city":"Paris"}'),
        chunk({}, "tool_calls"),
    ),
    "without a type": sse(
        fragment("", index=0, id="a", name="f"),
        fragment('{"city":"Paris"}', index=0),
        chunk({}, "tool_calls"),
    ),
    "finished by stop": sse(fragment("", **NAMED), fragment('{"city":"Paris"}', index=0), END),
    "null fields": sse(
        fragment("", **NAMED),
        chunk(
            {
                "tool_calls": [
                    {
                        "index": 0,
                        "id": None,
                        "type": None,
                        "function": {"name": None, "arguments": '{"city":"Paris"}'},
                    }
                ]
            }
        ),
        chunk({}, "tool_calls"),
    ),
    "empty fields": sse(
        fragment("", **NAMED),
        fragment('{"city":"Paris"}', index=0, id="", type="function", name=""),
        chunk({}, "tool_calls"),
    ),
    "identity repeated": sse(
        fragment("", **NAMED), fragment('{"city":"Paris"}', **NAMED), chunk({}, "tool_calls")
    ),
    "arguments as an object": sse(fragment({"city": "Paris"}, **NAMED), chunk({}, "tool_calls")),
}


@pytest.mark.parametrize("quirk", CITIES)
def test_a_tool_call_is_read_from_what_servers_make_of_it(quirk: str) -> None:
    assert decode(CITIES[quirk]) == (CITY, None)


def test_a_call_without_an_id_gets_one() -> None:
    deltas, _ = decode(sse(fragment("{}", index=0, id="", name="f"), END))
    assert deltas[0] == ToolCallStart(0, "new-0", "f")


def test_made_up_ids_are_short_and_plain() -> None:
    decoder = OpenAIDecoder(UpstreamErrors("local"))
    (start, _) = decoder.feed(sse(fragment("{}", name="f")))
    assert isinstance(start, ToolCallStart)
    assert len(start.id) <= 40
    assert start.id.replace("_", "").isalnum()


def test_a_custom_tool_call() -> None:
    stream = sse(
        chunk(
            {
                "tool_calls": [
                    {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": ""}}
                ]
            }
        ),
        chunk({"tool_calls": [{"index": 0, "custom": {"input": "ls"}}]}),
        chunk({}, "tool_calls"),
    )
    assert decode(stream) == (
        [ToolCallStart(0, "a", "sh", custom=True), ToolCallArguments(0, "ls"), CALLED],
        None,
    )


def test_the_legacy_function_call() -> None:
    stream = sse(
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": '{"city":'}}),
        chunk({"function_call": {"arguments": '"Paris"}'}}, "function_call"),
    )
    start, first, second, finish = decode(stream)[0]
    assert start == ToolCallStart(0, "new-0", "f")
    assert [first, second] == [ToolCallArguments(0, '{"city":'), ToolCallArguments(0, '"Paris"}')]
    assert finish == CALLED


def test_a_call_told_in_both_forms_is_one_call() -> None:
    function = {"name": "f", "arguments": "{}"}
    both = chunk(
        {"tool_calls": [{"index": 0, "id": "a", "function": function}], "function_call": function}
    )
    assert decode(sse(both, END))[0] == [
        ToolCallStart(0, "a", "f"),
        ToolCallArguments(0, "{}"),
        CALLED,
    ]


def test_calls_cut_off_by_a_limit_are_not_made_to_look_whole() -> None:
    deltas, _ = decode(sse(fragment('{"ci', **NAMED), chunk({}, "length")))
    assert deltas[1:] == [ToolCallArguments(0, '{"ci'), Finish(FinishReason.LENGTH)]


def test_whole_calls_of_a_server_that_does_not_stream() -> None:
    calls = [
        {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}}
        for name in "ab"
    ]
    body = {
        "choices": [
            {"message": {"content": None, "tool_calls": calls}, "finish_reason": "tool_calls"}
        ]
    }
    assert decode(msgspec.json.encode(body))[0] == [
        ToolCallStart(0, "a", "a"),
        ToolCallArguments(0, "{}"),
        ToolCallStart(1, "b", "b"),
        ToolCallArguments(1, "{}"),
        CALLED,
    ]
