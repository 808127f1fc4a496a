"""The entries of a prompt become the messages that Ollama knows."""

import base64
from typing import Any

import msgspec
import pytest

from greenroom.actors.channels.ollama.request import encode_prompt
from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    Keepsake,
    MediaPart,
    Prompt,
    SystemEntry,
    TextPart,
    ToolCall,
    ToolEntry,
    UserEntry,
)
from greenroom.actors.failure import Failure, FailureKind, TurnFailed

PNG = base64.b64encode(b"\x89PNG\r\n").decode()


def encoded(*entries: Entry) -> tuple[Any, tuple[str, ...]]:
    """Return the messages of these entries, and what was left out of them."""
    encoded = encode_prompt(Prompt("m", entries), None)
    return msgspec.json.decode(encoded.body)["messages"], encoded.dropped


def messages_of(*entries: Entry) -> Any:
    messages, dropped = encoded(*entries)
    assert dropped == ()
    return messages


def refused(*entries: Entry) -> Failure:
    with pytest.raises(TurnFailed) as caught:
        encoded(*entries)
    assert caught.value.failure.kind == FailureKind.INVALID_REQUEST
    return caught.value.failure


def image(url: object, **more: object) -> MediaPart:
    part = {"type": "image_url", "image_url": {"url": url} | more}
    return MediaPart("image_url", msgspec.json.encode(part))


def test_each_kind_of_entry_becomes_its_message() -> None:
    calls = (ToolCall("c1", "f", '{"a": 1.50}'), ToolCall("c2", "g", ""))
    assert messages_of(
        SystemEntry("Be brief."),
        UserEntry("Hi"),
        AssistantEntry("Wait.", calls),
        ToolEntry("c2", "two", synthetic=True),
        ToolEntry("c1", "one"),
        AssistantEntry("Done."),
    ) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": "Wait.",
            "tool_calls": [
                {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": 1.5}}},
                {"id": "c2", "function": {"index": 1, "name": "g", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "two", "tool_call_id": "c2", "tool_name": "g"},
        {"role": "tool", "content": "one", "tool_call_id": "c1", "tool_name": "f"},
        {"role": "assistant", "content": "Done."},
    ]


def test_an_id_that_is_used_again_means_the_call_before_its_result() -> None:
    first, second = ToolCall("c", "f", "{}"), ToolCall("c", "g", "{}")
    messages = messages_of(
        AssistantEntry(None, (first,)),
        ToolEntry("c", "1"),
        AssistantEntry(None, (second,)),
        ToolEntry("c", "2"),
    )
    assert [m["tool_name"] for m in messages if m["role"] == "tool"] == ["f", "g"]


def test_a_result_of_no_known_call_has_no_name() -> None:
    assert messages_of(ToolEntry("c", "1")) == [
        {"role": "tool", "content": "1", "tool_call_id": "c"}
    ]


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (ToolCall("c", "f", '{"b": 1, "a": {"x": null}}'), b'{"b": 1, "a": {"x": null}}'),
        (ToolCall("c", "f", " \n"), b"{}"),
        (ToolCall("c", "f", "[1, 2]"), b'{"arguments":[1, 2]}'),
        (ToolCall("c", "f", "null"), b'{"arguments":null}'),
        (ToolCall("c", "f", '"x"'), b'{"arguments":"x"}'),
        (ToolCall("c", "f", '{"a": "lo'), b'{"arguments":"{\\"a\\": \\"lo"}'),
        (ToolCall("c", "f", "plain"), b'{"arguments":"plain"}'),
        (ToolCall("c", "sh", "ls -l", "custom"), b'{"input":"ls -l"}'),
        (ToolCall("c", "sh", '{"a":1}', "custom"), b'{"input":"{\\"a\\":1}"}'),
    ],
)
def test_arguments_are_an_object_whatever_a_model_wrote(call: ToolCall, arguments: bytes) -> None:
    body = encode_prompt(Prompt("m", (AssistantEntry(None, (call,)),)), None).body
    assert b'"arguments":%b}}]' % arguments in body


def test_arguments_nested_too_deep_to_look_at_are_sent_as_text() -> None:
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    (message,) = messages_of(AssistantEntry(None, (ToolCall("c", "f", deep),)))
    assert message["tool_calls"][0]["function"]["arguments"] == {"arguments": deep}


def test_parts_of_text_are_joined_and_images_stand_apart() -> None:
    content = (TextPart("look"), image(f"data:image/png;base64,{PNG}"), TextPart("here"))
    (user, tool) = messages_of(UserEntry(content), ToolEntry("c", content))
    assert user == {"role": "user", "content": "look\nhere", "images": [PNG]}
    assert tool["images"] == [PNG]


def test_a_refusal_or_what_was_cut_is_sent_as_what_was_said() -> None:
    assert messages_of(AssistantEntry(refusal="No."), AssistantEntry("Once", interrupted=True)) == [
        {"role": "assistant", "content": "No."},
        {"role": "assistant", "content": "Once"},
    ]


@pytest.mark.parametrize(
    "entry", [AssistantEntry(), AssistantEntry(""), AssistantEntry(interrupted=True)]
)
def test_an_answer_with_nothing_in_it_is_left_out(entry: AssistantEntry) -> None:
    assert len(messages_of(UserEntry("a"), entry, UserEntry("b"))) == 2


def test_thinking_goes_back_with_the_calls_that_it_led_to() -> None:
    kept = Keepsake("ollama", b'{"thinking":"hm"}')
    entry = AssistantEntry(None, (ToolCall("c", "f", "{}"),), keepsake=kept)
    (message,) = messages_of(entry)
    assert message["thinking"] == "hm"


def test_what_another_api_wants_back_is_not_for_this_one() -> None:
    kept = Keepsake("anthropic-messages", b"[1]")
    (message,) = messages_of(AssistantEntry("Hi", keepsake=kept))
    assert message == {"role": "assistant", "content": "Hi"}


def test_what_a_message_cannot_say_is_named() -> None:
    detailed = image(f"data:image/png;base64,{PNG}", detail="low")
    auto = image(f"data:image/png;base64,{PNG}", detail="auto")
    entries = (UserEntry("Hi", name="ann"), UserEntry((detailed, detailed)), UserEntry("", "bo"))
    assert encoded(*entries)[1] == ("messages[].name", "messages[].content[].image_url.detail")
    assert encoded(UserEntry((auto,)))[1] == ()


@pytest.mark.parametrize(
    ("url", "data"),
    [
        (f"data:image/png;base64,{PNG}", PNG),
        (f"data:;base64,{PNG}", PNG),
        (f"DATA:image/png;charset=x;BASE64,{PNG}", PNG),
        (f"data:image/png;base64,{PNG.replace('=', '%3D')}", PNG),
        ("data:image/svg+xml,%3Csvg%2F%3E", base64.b64encode(b"<svg/>").decode()),
        ("data:image/png;base64,", ""),
    ],
)
def test_a_data_url_becomes_its_base64(url: str, data: str) -> None:
    assert messages_of(UserEntry((image(url),)))[0]["images"] == [data]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://example.com/a.png", "unsupported_value"),
        ("http://example.com/a.png", "unsupported_value"),
        ("file:///etc/passwd", "unsupported_value"),
        ("data:image/png", "unsupported_value"),
        ("data:image/png;base64,???", "invalid_type"),
        ("data:image/png;base64,QQ", "invalid_type"),
        ("data:image/png;base64,é", "invalid_type"),
        (5, "invalid_type"),
    ],
)
def test_an_image_that_cannot_be_sent_is_refused_by_name(url: object, code: str) -> None:
    failure = refused(UserEntry((image(url),)))
    assert (failure.param, failure.code) == ("messages[].content[].image_url.url", code)


@pytest.mark.parametrize("kind", ["input_audio", "file"])
def test_sounds_and_files_are_refused_by_name(kind: Any) -> None:
    failure = refused(UserEntry((MediaPart(kind, b'{"type":"file"}'),)))
    assert (failure.param, failure.code) == (f"messages[].content[].{kind}", "unsupported_value")
