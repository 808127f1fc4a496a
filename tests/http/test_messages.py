"""Rules of messages and tools: every form in use is understood, every error names its place."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    MediaPart,
    SystemEntry,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
    ToolEntry,
    UserEntry,
)
from greenroom.http.errors import ApiError
from greenroom.http.messages import check_images, read_messages, read_tool_choice, read_tools
from greenroom.http.pictures import Remote


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def raws(values: Sequence[object]) -> list[msgspec.Raw]:
    return [raw(value) for value in values]


def entry_of(message: object) -> Entry:
    (entry,) = read_messages([raw(message)])
    return entry


def error_of(message: object, before: Sequence[object] = ()) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read_messages(raws([*before, message]))
    assert caught.value.status == 400
    assert caught.value.body.type == "invalid_request_error"
    return caught.value


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://h/i.png", "detail": "low"}}


FORMS: list[tuple[Any, Entry]] = [
    ({"role": "system", "content": "Be."}, SystemEntry("Be.")),
    ({"role": "developer", "content": "Be."}, SystemEntry("Be.")),
    ({"role": "system", "content": [{"type": "text", "text": "a"}]}, SystemEntry((TextPart("a"),))),
    ({"role": "user", "content": "Hi"}, UserEntry("Hi")),
    ({"role": "user", "content": ""}, UserEntry("")),
    ({"role": "user", "content": "Hi", "name": "ann"}, UserEntry("Hi", "ann")),
    (
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b", "type": "text"}]},
        UserEntry((TextPart("a"), TextPart("b"))),
    ),
    (
        {"role": "user", "content": [IMAGE]},
        UserEntry((MediaPart("image_url", json.dumps(IMAGE).encode()),)),
    ),
    ({"role": "assistant", "content": "Yes"}, AssistantEntry("Yes")),
    ({"role": "assistant", "content": ""}, AssistantEntry("")),
    ({"role": "assistant", "refusal": "No"}, AssistantEntry(None, (), "No")),
    (
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        AssistantEntry(None, (ToolCall("c1", "f", '{"a":1}'),)),
    ),
    (
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": ""}}]},
        AssistantEntry(None, (ToolCall("c", "f", ""),)),
    ),
    (
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}],
        },
        AssistantEntry("", (ToolCall("c", "f", "x", "custom"),)),
    ),
    (
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        AssistantEntry("ab"),
    ),
    (
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No"}]},
        AssistantEntry(None, (), "No"),
    ),
    ({"role": "tool", "tool_call_id": "c1", "content": "42"}, ToolEntry("c1", "42")),
    (
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "4"}], "name": "f"},
        ToolEntry("c1", (TextPart("4"),)),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("message", "entry"), FORMS)
def test_every_role_and_form_of_content_is_understood(message: object, entry: Entry) -> None:
    assert entry_of(message) == entry


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file"])
def test_media_are_kept_as_they_were_sent(kind: str) -> None:
    media = '{"x":1.50, "data":"A", "format":"mp3", "url":"data:image/png,A"}'
    part = f'{{ "{kind}" : {media},"type":"{kind}", "y":"\\u00e4"}}'
    message = f'{{"role":"user","content":[{part}]}}'
    (entry,) = read_messages([msgspec.Raw(message.encode())])
    assert isinstance(entry, UserEntry)
    assert not isinstance(entry.content, str)
    (found,) = entry.content
    assert isinstance(found, MediaPart)
    assert (found.kind, found.raw) == (kind, part.encode())


def test_null_fields_are_absent_and_unknown_keys_are_tolerated() -> None:
    assistant: dict[str, Any] = {
        "role": "assistant", "content": "Yes", "refusal": None, "audio": None, "function_call": None,
        "tool_calls": None, "tool_call_id": None, "name": None, "annotations": [],
        "provider_specific_fields": {"a": 1}, "reasoning_content": None, "reasoning": "hm",
    }  # fmt: skip
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}, "image_url": None}
    call = {**CALL, "custom": None, "extra_content": None, "index": 0}
    entries = read_messages(
        raws([
            assistant,
            {"role": "user", "content": [part], "id": 4, "name": None},
            {"role": "assistant", "content": None, "tool_calls": [call]},
        ])
    )  # fmt: skip
    assert entries == (
        AssistantEntry("Yes"),
        UserEntry((TextPart("Hi"),)),
        AssistantEntry(None, (ToolCall("c1", "f", '{"a":1}'),)),
    )


@pytest.mark.parametrize("kind", [{}, {"type": "custom", "custom": {"name": "f", "input": "x"}}])
def test_further_keys_of_a_call_are_taken_back_on_one_line(kind: dict[str, Any]) -> None:
    raw = (
        json.dumps({**CALL, **kind})[:-1] + ', "extra_content" : {"google":\n {"n": 1.50}}, "x":[]}'
    )
    message = f'{{"role":"assistant","tool_calls":[{raw}]}}'
    (entry,) = read_messages([msgspec.Raw(message.encode())])
    assert isinstance(entry, AssistantEntry)
    assert entry.tool_calls[0].extra == b'{"extra_content":{"google":{"n":1.50}},"x":[]}'


def test_an_answers_thinking_is_taken_back_for_the_upstream_that_insists_on_it() -> None:
    entry = entry_of({"role": "assistant", "content": "Yes", "reasoning_content": "hm"})
    assert isinstance(entry, AssistantEntry)
    assert entry.keepsake is not None
    assert entry.keepsake.api == "openai-completions"
    assert json.loads(entry.keepsake.data) == {"reasoning_content": "hm"}


@pytest.mark.parametrize("thinking", ["", None, 5, {"a": 1}])
def test_thinking_that_is_no_text_is_left_out(thinking: object) -> None:
    message = {"role": "assistant", "content": "Yes", "reasoning_content": thinking}
    assert entry_of(message) == AssistantEntry("Yes")


def test_messages_keep_their_order() -> None:
    sent = [
        {"role": role, "content": role} for role in ("user", "system", "assistant", "developer")
    ]
    kinds = [type(entry) for entry in read_messages(raws(sent))]
    assert kinds == [UserEntry, SystemEntry, AssistantEntry, SystemEntry]


HELLO = {"role": "user", "content": "Hello"}
MISSING = "missing_required_parameter"


WRONG_MESSAGES: list[tuple[Any, str, str]] = [
    (1, "", "invalid_type"),
    (None, "", "invalid_type"),
    ({"content": "x"}, ".role", MISSING),
    ({"role": "robot", "content": "x"}, ".role", "invalid_value"),
    ({"role": None, "content": "x"}, ".role", "invalid_type"),
    ({"role": "user"}, ".content", MISSING),
    ({"role": "user", "content": None}, ".content", MISSING),
    ({"role": "user", "content": 4}, ".content", "invalid_type"),
    ({"role": "user", "content": "x", "name": 4}, ".name", "invalid_type"),
    ({"role": "user", "content": [4]}, ".content[0]", "invalid_type"),
    ({"role": "user", "content": [{"text": "x"}]}, ".content[0].type", MISSING),
    ({"role": "user", "content": [IMAGE, {"type": "video"}]}, ".content[1].type", "invalid_value"),
    ({"role": "user", "content": [{"type": "text"}]}, ".content[0].text", MISSING),
    ({"role": "user", "content": [{"type": "text", "text": 1}]}, ".content[0].text", "invalid_type"),
    ({"role": "system"}, ".content", MISSING),
    ({"role": "assistant"}, ".content", "invalid_value"),
    ({"role": "assistant", "content": None, "tool_calls": []}, ".content", "invalid_value"),
    ({"role": "assistant", "content": []}, ".content", "invalid_value"),
    ({"role": "user", "content": []}, ".content", "empty_array"),
    ({"role": "assistant", "tool_calls": [CALL, {}]}, ".tool_calls[1].id", MISSING),
    ({"role": "assistant", "tool_calls": [{"id": "c"}]}, ".tool_calls[0].function", MISSING),
    (
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "function": None}]},
        ".tool_calls[0].custom",
        MISSING,
    ),
    (
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {}}}]},
        ".tool_calls[0].function.arguments",
        "invalid_type",
    ),
    (
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "mcp"}]},
        ".tool_calls[0].type",
        "invalid_value",
    ),
    ({"role": "assistant", "content": [{"type": "text", "text": 4}]}, ".content[0].text", "invalid_type"),
    ({"role": "tool", "content": "x"}, ".tool_call_id", MISSING),
    ({"role": "tool", "content": "x", "tool_call_id": ""}, ".tool_call_id", MISSING),
    ({"role": "tool", "tool_call_id": "c"}, ".content", MISSING),
    ({"role": "function", "content": "x"}, ".name", MISSING),
    ({"role": "user", "content": [{"type": "input_audio"}]}, ".content[0].input_audio", MISSING),
    ({"role": "user", "content": [{"type": "file", "file": None}]}, ".content[0].file", MISSING),
]  # fmt: skip


@pytest.mark.parametrize(("message", "param", "code"), WRONG_MESSAGES)
def test_an_error_in_a_message_names_the_message_and_the_field(
    message: object, param: str, code: str
) -> None:
    error = error_of(message, [HELLO, HELLO])
    assert (error.body.param, error.body.code) == (f"messages[2]{param}", code)
    assert f"messages[2]{param}" in error.body.message


@pytest.mark.parametrize("url", ["https://h/a.png", "http://h/a.png", "data:image/png;base64,AA=="])
def test_an_image_is_an_http_or_data_url(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    messages = raws([HELLO, {"role": "user", "content": [part]}])
    remote = check_images(messages, most_remote=1)
    assert remote == (() if url.startswith("data:") else (Remote(1, 0, url),))
    if remote:
        with pytest.raises(ApiError) as caught:
            check_images(messages)
        assert caught.value.body.param == "messages[1].content[0].image_url.url"


@pytest.mark.parametrize(
    ("image", "param"),
    [
        ({"url": "file:///etc/passwd"}, ".url"),
        ({"url": "data:text/html,x"}, ".url"),
        ({"url": ""}, ".url"),
        ({}, ".url"),
        ({"url": 4}, ".url"),
        (None, ".url"),
        ("https://h/a.png", ""),
    ],
)
def test_any_other_image_is_refused_by_its_place(image: object, param: str) -> None:
    part = {"type": "text", "text": "see"}
    message = {"role": "user", "content": [part, {"type": "image_url", "image_url": image}]}
    with pytest.raises(ApiError) as caught:
        check_images(raws([HELLO, message]))
    assert caught.value.body.param == f"messages[1].content[1].image_url{param}"


def test_an_image_part_without_its_image_is_refused() -> None:
    with pytest.raises(ApiError):
        check_images(raws([{"role": "user", "content": [{"type": "image_url"}]}]))


# Tools


def function(name: str = "look", **rest: object) -> dict[str, object]:
    return {"type": "function", "function": {"name": name, **rest}}


def test_a_tools_definition_stays_as_it_was_sent() -> None:
    sent = b'{"function": {"parameters":{"n":1.0},"name":"look","strict":null} ,"type":"function"}'
    custom = b'{"type":"custom","custom":{"name":"say","format":{"type":"text"}}}'
    tools = read_tools([msgspec.Raw(sent), msgspec.Raw(custom)])
    assert tools == (Tool("look", sent), Tool("say", custom, "custom"))


@pytest.mark.parametrize("tools", [None, []])
def test_no_tools_and_an_empty_list_are_the_same(tools: list[msgspec.Raw] | None) -> None:
    assert read_tools(tools) == ()


WRONG_TOOLS: list[tuple[list[Any], str, str]] = [
    ([4], "tools[0]", "invalid_type"),
    ([{}], "tools[0].type", MISSING),
    ([{"type": "web_search"}], "tools[0].type", "invalid_value"),
    ([function(), {"type": "function"}], "tools[1].function", "invalid_value"),
    ([{"type": "custom", "function": {"name": "f"}}], "tools[0].custom", "invalid_value"),
    ([{"type": "function", "function": {}}], "tools[0].function.name", MISSING),
    ([function("")], "tools[0].function.name", "invalid_value"),
    ([function("a b")], "tools[0].function.name", "invalid_value"),
    ([function("ä")], "tools[0].function.name", "invalid_value"),
    ([function("a" * 65)], "tools[0].function.name", "invalid_value"),
    ([function("a"), function("a")], "tools[1].function.name", "invalid_value"),
    (
        [function("a"), {"type": "custom", "custom": {"name": "a"}}],
        "tools[1].custom.name",
        "invalid_value",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("tools", "param", "code"), WRONG_TOOLS)
def test_an_error_in_a_tool_names_its_place(tools: list[object], param: str, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_tools(raws(tools))
    assert (caught.value.status, caught.value.body.param, caught.value.body.code) == (
        400,
        param,
        code,
    )


@pytest.mark.parametrize("name", ["a", "A-9_z", "a" * 64])
def test_a_tools_name_is_up_to_64_letters_digits_and_lines(name: str) -> None:
    assert read_tools(raws([function(name)]))[0].name == name


OFFERED = read_tools(raws([function("look"), {"type": "custom", "custom": {"name": "say"}}]))


def choice_of(value: object, tools: Sequence[Tool] = OFFERED) -> ToolChoice | None:
    return read_tool_choice(raw(value), tools)


def allowed(mode: str, *names: str) -> dict[str, object]:
    return {
        "type": "allowed_tools",
        "allowed_tools": {"mode": mode, "tools": [function(n) for n in names]},
    }


@pytest.mark.parametrize(
    ("value", "mode", "names"),
    [
        ("none", "none", ()),
        ("auto", "auto", ()),
        ("required", "required", ()),
        (function("look"), "required", ("look",)),
        ({"custom": {"name": "say"}, "type": "custom"}, "required", ("say",)),
        (allowed("auto", "look"), "auto", ("look",)),
        (allowed("required", "look", "say"), "required", ("look", "say")),
    ],
)
def test_every_form_of_tool_choice_is_understood_and_kept(
    value: object, mode: str, names: tuple[str, ...]
) -> None:
    choice = choice_of(value)
    assert choice is not None
    assert (choice.mode, choice.names) == (mode, names)
    assert choice.definition == json.dumps(value).encode()


@pytest.mark.parametrize("value", [None, "none", "auto"])
def test_without_tools_no_choice_is_a_choice(value: object) -> None:
    assert choice_of(value, ()) is None


def test_an_absent_tool_choice_is_none() -> None:
    assert read_tool_choice(msgspec.Raw(), OFFERED) is None


@pytest.mark.parametrize(
    ("value", "tools", "param"),
    [
        ("any", OFFERED, "tool_choice"),
        ("", OFFERED, "tool_choice"),
        ("required", (), "tool_choice"),
        (4, OFFERED, "tool_choice"),
        ([], OFFERED, "tool_choice"),
        ({}, OFFERED, "tool_choice.type"),
        ({"type": "mcp"}, OFFERED, "tool_choice.type"),
        ({"type": "function"}, OFFERED, "tool_choice.function"),
        ({"type": "function", "function": {}}, OFFERED, "tool_choice.function.name"),
        (function("walk"), OFFERED, "tool_choice"),
        (function("look"), (), "tool_choice"),
        ({"type": "allowed_tools"}, OFFERED, "tool_choice.allowed_tools"),
        (allowed("none", "look"), OFFERED, "tool_choice.allowed_tools.mode"),
        (allowed("auto", "look", "walk"), OFFERED, "tool_choice"),
    ],
)
def test_a_choice_that_cannot_be_met_is_refused(
    value: object, tools: Sequence[Tool], param: str
) -> None:
    with pytest.raises(ApiError) as caught:
        choice_of(value, tools)
    assert (caught.value.status, caught.value.body.param) == (400, param)
