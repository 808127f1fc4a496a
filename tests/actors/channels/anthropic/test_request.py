"""A prompt's entries become messages that keep the API's order, and nothing they say is lost."""

import pytest

from greenroom.actors.channels.anthropic.messages import NO_WORDS
from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    MediaPart,
    Prompt,
    Sampling,
    SystemEntry,
    TextPart,
    ToolCall,
    ToolEntry,
    UserEntry,
)
from greenroom.actors.failure import FailureKind
from tests.actors.channels.anthropic.conftest import (
    ASK,
    asked,
    body_of,
    dropped_by,
    messages_of,
    refusal_of,
)
from tests.actors.channels.conftest import Json


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def use(call_id: str, name: str, given: object) -> Json:
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def result(call_id: str, *blocks: Json, **more: object) -> Json:
    content: Json = {"content": list(blocks)} if blocks else {}
    return {"type": "tool_result", "tool_use_id": call_id} | content | more


def test_a_plain_prompt_asks_for_a_stream_and_nothing_else() -> None:
    assert asked("claude-opus-4-6") == {
        "model": "claude-opus-4-6",
        "max_tokens": 128_000,
        "stream": True,
        "messages": [user(text("Hi"))],
    }


def test_instructions_go_to_the_top_from_wherever_they_stood() -> None:
    entries = (
        SystemEntry("Be brief."),
        UserEntry("Hi"),
        SystemEntry(" "),
        SystemEntry((TextPart("Be"), TextPart("kind."))),
    )
    body = asked(entries=entries)
    assert body["system"] == "Be brief.\n\nBe\nkind."
    assert body["messages"] == [user(text("Hi"))]


def test_each_kind_of_entry_becomes_its_blocks() -> None:
    calls = (ToolCall("c1", "f", '{"a": 1}'), ToolCall("c2", "shell", "ls -l", "custom"))
    assert messages_of(
        UserEntry("Hi"),
        AssistantEntry("Wait.", calls),
        ToolEntry("c1", "one"),
        ToolEntry("c2", (TextPart("two"),)),
        UserEntry("And?"),
        AssistantEntry("Done."),
        UserEntry("Thanks."),
    ) == [
        user(text("Hi")),
        assistant(text("Wait."), use("c1", "f", {"a": 1}), use("c2", "shell", {"input": "ls -l"})),
        user(result("c1", text("one")), result("c2", text("two")), text("And?")),
        assistant(text("Done.")),
        user(text("Thanks.")),
    ]


def test_what_one_side_says_in_a_row_is_one_message() -> None:
    assert messages_of(UserEntry("a"), UserEntry("b")) == [user(text("a"), text("b"))]


PLACEHOLDERS: dict[str, tuple[tuple[Entry, ...], list[Json]]] = {
    "before an assistant who begins": (
        (AssistantEntry("Welcome."), UserEntry("Hi")),
        [user(text(NO_WORDS)), assistant(text("Welcome.")), user(text("Hi"))],
    ),
    "between two of them": (
        (UserEntry("Hi"), AssistantEntry("a"), AssistantEntry("b"), UserEntry("c")),
        [
            user(text("Hi")),
            assistant(text("a")),
            user(text(NO_WORDS)),
            assistant(text("b")),
            user(text("c")),
        ],
    ),
    "behind one who ends": (
        (UserEntry("Hi"), AssistantEntry("a")),
        [user(text("Hi")), assistant(text("a")), user(text(NO_WORDS))],
    ),
    "where there is nothing at all": ((), [user(text(NO_WORDS))]),
    "where there is nothing to read": ((UserEntry(" \n"),), [user(text(NO_WORDS))]),
}


@pytest.mark.parametrize("place", PLACEHOLDERS)
def test_a_placeholder_stands_where_the_api_wants_a_user(place: str) -> None:
    entries, messages = PLACEHOLDERS[place]
    assert messages_of(*entries) == messages


@pytest.mark.parametrize(
    "entry",
    [AssistantEntry(), AssistantEntry(""), AssistantEntry(" \n"), AssistantEntry(interrupted=True)],
)
def test_an_answer_with_nothing_in_it_is_left_out(entry: AssistantEntry) -> None:
    assert messages_of(UserEntry("a"), entry, UserEntry("b")) == [user(text("a"), text("b"))]


def test_blank_texts_are_left_out() -> None:
    content = (TextPart(""), TextPart("a"), TextPart("\n\t "))
    call = ToolCall("c", "f", "{}")
    assert messages_of(UserEntry(content), AssistantEntry("\n", (call,)), ToolEntry("c", " ")) == [
        user(text("a")),
        assistant(use("c", "f", {})),
        user(result("c")),
    ]


def test_an_interrupted_answer_and_a_refusal_are_sent_as_what_was_said() -> None:
    cut = AssistantEntry("Once upon", interrupted=True)
    refused = AssistantEntry(refusal="I can't.")
    assert messages_of(UserEntry("a"), cut, UserEntry("b"), refused, UserEntry("c")) == [
        user(text("a")),
        assistant(text("Once upon")),
        user(text("b")),
        assistant(text("I can't.")),
        user(text("c")),
    ]


def test_a_result_that_no_tool_gave_is_an_error() -> None:
    call = ToolCall("c", "f", "{}")
    entries = (AssistantEntry(None, (call,)), ToolEntry("c", "No result.", synthetic=True))
    assert messages_of(UserEntry("a"), *entries) == [
        user(text("a")),
        assistant(use("c", "f", {})),
        user(result("c", text("No result."), is_error=True)),
    ]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ('{"a": [1.50, {"b": null}]}', {"a": [1.5, {"b": None}]}),
        ("", {}),
        (" ", {}),
        ('{"a": "lo', {"arguments": '{"a": "lo'}),
        ("[1]", {"arguments": "[1]"}),
        ("null", {"arguments": "null"}),
        ("plain", {"arguments": "plain"}),
    ],
)
def test_arguments_are_an_object_or_stand_in_one(arguments: str, given: Json) -> None:
    entries = (AssistantEntry(None, (ToolCall("c", "f", arguments),)), ToolEntry("c", "x"))
    assert messages_of(UserEntry("a"), *entries) == [
        user(text("a")),
        assistant(use("c", "f", given)),
        user(result("c", text("x"))),
    ]


def test_ids_keep_to_the_pattern_and_are_used_once() -> None:
    first = AssistantEntry(None, (ToolCall("a.b", "f", ""), ToolCall("a b", "g", "")))
    second = AssistantEntry(None, (ToolCall("a.b", "my tool", ""), ToolCall("", "", "")))
    assert messages_of(
        UserEntry("Hi"),
        first,
        ToolEntry("a b", "2"),
        ToolEntry("a.b", "1"),
        second,
        ToolEntry("a.b", "3"),
        ToolEntry("", "4"),
    ) == [
        user(text("Hi")),
        assistant(use("a_b", "f", {}), use("a_b_2", "g", {})),
        user(result("a_b_2", text("2")), result("a_b", text("1"))),
        assistant(use("a_b_3", "my_tool", {}), use("call", "_", {})),
        user(result("a_b_3", text("3")), result("call", text("4"))),
    ]


CALLED = AssistantEntry(None, (ToolCall("c", "f", "{}"),))


@pytest.mark.parametrize(
    "entries",
    [
        (CALLED,),
        (CALLED, UserEntry("b")),
        (CALLED, AssistantEntry("b")),
        (ToolEntry("c", "x"),),
        (CALLED, ToolEntry("c", "x"), ToolEntry("c", "x")),
        (CALLED, ToolEntry("d", "x")),
    ],
)
def test_calls_and_results_that_do_not_match_are_refused(entries: tuple[Entry, ...]) -> None:
    failure = refusal_of(entries=(UserEntry("a"), *entries))
    assert (failure.kind, failure.param) == (FailureKind.INVALID_REQUEST, "messages")
    assert "'c'" in failure.message or "'d'" in failure.message


def test_the_name_of_a_user_has_no_place() -> None:
    assert dropped_by(entries=(UserEntry("Hi", name="ann"),)) == ("messages[].name",)
    assert messages_of(UserEntry("Hi", name="ann")) == [user(text("Hi"))]


def test_instructions_are_text() -> None:
    image = MediaPart("image_url", b'{"image_url": {"url": "https://x/y.png"}}')
    failure = refusal_of(entries=(SystemEntry((image,)), *ASK))
    assert (failure.kind, failure.param) == (FailureKind.INVALID_REQUEST, "messages")


def test_the_limit_is_the_clients_else_the_settings_else_the_models() -> None:
    prompt = Prompt("claude-opus-4-5", ASK)
    limits = {"claude-opus-4-5": 1000}
    mine = Prompt("claude-opus-4-5", ASK, sampling=Sampling(max_tokens=10))
    assert body_of(mine, limits)["max_tokens"] == 10
    assert body_of(prompt, limits)["max_tokens"] == 1000
    assert body_of(prompt)["max_tokens"] == 64_000
