"""A prompt becomes the request that its client would have written, byte for byte where it wrote JSON."""

import msgspec
import pytest

from greenroom.actors.channels.openai.request import Destination
from greenroom.actors.channels.openai.request import encode_prompt as encode_for
from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    MediaPart,
    Prompt,
    Sampling,
    SystemEntry,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
    ToolEntry,
    UserEntry,
)

ASK = (UserEntry("Hi"),)
TOOL = Tool("f", b'{"function": {"name":"f", "parameters":{"$schema":"x"}},  "type":"function"}')


def encode_prompt(prompt: Prompt) -> bytes:
    return encode_for(prompt, Destination("local"))


def body_of(prompt: Prompt) -> dict[str, object]:
    return msgspec.json.decode(encode_prompt(prompt), type=dict[str, object])


def messages_of(*entries: Entry) -> object:
    return body_of(Prompt("m", entries))["messages"]


def test_a_plain_prompt_asks_for_a_stream_with_usage_and_nothing_else() -> None:
    assert body_of(Prompt("m", ASK)) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_each_kind_of_entry_becomes_its_message() -> None:
    call = ToolCall("c1", "f", '{"a":1}')
    custom = ToolCall("c2", "shell", "ls -l", "custom")
    assert messages_of(
        SystemEntry("Be brief."),
        UserEntry("Hi", name="ann"),
        AssistantEntry("Wait.", (call, custom)),
        ToolEntry("c1", "one"),
        ToolEntry("c2", "two", synthetic=True),
        AssistantEntry("Done."),
    ) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi", "name": "ann"},
        {
            "role": "assistant",
            "content": "Wait.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "c2", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "assistant", "content": "Done."},
    ]


def test_a_call_without_text_has_null_content_and_arguments_that_parse() -> None:
    assert messages_of(AssistantEntry(tool_calls=(ToolCall("c", "f", ""),))) == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        }
    ]


def test_parts_keep_their_order_and_media_their_bytes() -> None:
    raw = b'{"image_url":  {"url":"data:,x","detail":"low"},"type":"image_url"}'
    content = (TextPart("look"), MediaPart("image_url", raw), TextPart("here"))
    sent = encode_prompt(Prompt("m", (UserEntry(content), ToolEntry("c", content))))
    assert (
        sent.count(b'[{"type":"text","text":"look"},' + raw + b',{"type":"text","text":"here"}]')
        == 2
    )


def test_an_interrupted_answer_is_sent_as_plain_text() -> None:
    assert messages_of(AssistantEntry("Once upon", interrupted=True)) == [
        {"role": "assistant", "content": "Once upon"}
    ]


@pytest.mark.parametrize(
    "entry", [AssistantEntry(), AssistantEntry(""), AssistantEntry(interrupted=True)]
)
def test_an_answer_with_nothing_in_it_is_left_out(entry: AssistantEntry) -> None:
    assert messages_of(UserEntry("a"), entry, UserEntry("b")) == [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
    ]


def test_a_refusal_is_sent_as_what_was_said() -> None:
    assert messages_of(AssistantEntry(refusal="I can't.")) == [
        {"role": "assistant", "content": "I can't."}
    ]


def test_tools_and_their_choice_go_out_byte_for_byte() -> None:
    choice = ToolChoice("required", b'{"type":"function", "function":{"name":"f"}}', ("f",))
    sent = encode_prompt(Prompt("m", ASK, (TOOL,), choice, parallel_tool_calls=False))
    assert b'"tools":[' + TOOL.definition + b"]" in sent
    assert b'"tool_choice":' + choice.definition in sent
    assert b'"parallel_tool_calls":false' in sent


def test_without_tools_nothing_is_said_about_them() -> None:
    prompt = Prompt("m", ASK, (), ToolChoice("auto", b'"auto"'), parallel_tool_calls=True)
    assert body_of(prompt).keys() == {"model", "messages", "stream", "stream_options"}


def test_sampling_is_sent_where_it_is_set() -> None:
    sampling = Sampling(0.0, 0.5, 10, -1.0, 0.25, ("a", "b"), 7)
    assert (
        body_of(Prompt("m", ASK, sampling=sampling)).items()
        >= {
            "temperature": 0.0,
            "top_p": 0.5,
            "max_tokens": 10,
            "frequency_penalty": -1.0,
            "presence_penalty": 0.25,
            "seed": 7,
        }.items()
    )
    assert body_of(Prompt("m", ASK, sampling=sampling))["stop"] == ["a", "b"]


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("o1", "max_completion_tokens"),
        ("o4-mini-2025-04-16", "max_completion_tokens"),
        ("openai/o3", "max_completion_tokens"),
        ("gpt-5", "max_completion_tokens"),
        ("gpt-5.1-codex", "max_completion_tokens"),
        ("GPT-6-mini", "max_completion_tokens"),
        ("ft:gpt-5-mini:org", "max_completion_tokens"),
        ("gpt-4o", "max_tokens"),
        ("gpt-4.1", "max_tokens"),
        ("gpt-35-turbo", "max_tokens"),
        ("gpt-oss-120b", "max_tokens"),
        ("olmo-2", "max_tokens"),
        ("o1x", "max_tokens"),
        ("models/gemini-3-pro", "max_tokens"),
        ("org/llama3:8b", "max_tokens"),
    ],
)
def test_the_limit_has_the_name_that_the_model_knows(model: str, limit: str) -> None:
    body = body_of(Prompt(model, ASK, sampling=Sampling(max_tokens=5)))
    assert {name: body.get(name) for name in ("max_tokens", "max_completion_tokens")} == {
        "max_tokens": None,
        "max_completion_tokens": None,
        limit: 5,
    }


def test_extra_fields_are_merged_and_override_nothing() -> None:
    extra = {
        "top_k": b"  40",
        "reasoning_effort": b'"low"',
        "model": b'"other"',
        "stream": b"false",
        "stream_options": b"null",
        "temperature": b"2",
        "n": b"3",
        "max_completion_tokens": b"9",
    }
    sampling = Sampling(temperature=1.0, max_tokens=5)
    body = body_of(Prompt("m", ASK, sampling=sampling, extra=extra))
    assert body == body_of(Prompt("m", ASK, sampling=sampling)) | {
        "top_k": 40,
        "reasoning_effort": "low",
    }


def test_an_extra_limit_is_sent_where_there_is_no_other() -> None:
    body = body_of(Prompt("m", ASK, extra={"max_completion_tokens": b"9", "n": b"1"}))
    assert body["max_completion_tokens"] == 9
    assert "n" not in body


@pytest.mark.parametrize("arguments", ["", '{"a": "lo', "[1]", "null", "plain"])
def test_arguments_that_are_no_object_are_sent_as_an_empty_one(arguments: str) -> None:
    prompt = Prompt("m", (AssistantEntry(None, (ToolCall("c", "f", arguments),)),))
    (message,) = msgspec.json.decode(encode_prompt(prompt))["messages"]
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"
