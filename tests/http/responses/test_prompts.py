"""What a model hears of a response's request: its input's items, and what it goes on from."""

from typing import Any

import pytest

from greenroom.actors.channels.channel import (
    Finish,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    Keepsake,
    MediaPart,
    SystemEntry,
    TextPart,
    ToolCall,
    ToolEntry,
    UserEntry,
)
from tests.conftest import PlayedChannel, words
from tests.http.conftest import Site
from tests.http.responses.conftest import CONVERSATIONS, LOOK, SERVING, create

IN_VIRTUAL_TIME = True

YES = AssistantEntry("Yes.")
CALLED = (
    (ToolCallStart(0, "call_1", "look"), ToolCallArguments(0, '{"at":1}')),
    (Finish(FinishReason.TOOL_CALLS), Usage(3, 2)),
)


class Stage:
    """A site, and what its model hears."""

    def __init__(self, *plays: Any) -> None:
        self.channel = PlayedChannel(*plays)
        self.site = Site(self.channel, gateway=SERVING)

    async def __aenter__(self) -> "Stage":
        await self.site.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.site.__aexit__(*error)

    def heard(self) -> tuple[Entry, ...]:
        return self.channel.prompts[-1].entries


async def test_instructions_count_for_one_response_and_are_replaced_by_the_next() -> None:
    async with Stage() as stage:
        first = await create(stage.site, "a", instructions="Be kind.")
        assert stage.heard() == (SystemEntry("Be kind."), UserEntry("a"))
        second = await create(
            stage.site, "b", previous_response_id=first["id"], instructions="Be brief."
        )
        assert stage.heard()[0] == SystemEntry("Be brief.")
        assert stage.heard()[1:] == (UserEntry("a"), YES, UserEntry("b"))
        await create(stage.site, "c", previous_response_id=second["id"])
        assert not [entry for entry in stage.heard() if isinstance(entry, SystemEntry)]


async def test_what_instructs_among_the_items_stays() -> None:
    items = [
        {"role": "developer", "content": "Be kind."},
        {"role": "system", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"role": "user", "content": "a"},
    ]
    async with Stage() as stage:
        first = await create(stage.site, items)
        assert stage.heard() == (
            SystemEntry("Be kind."), SystemEntry("Be brief."), UserEntry("a")
        )  # fmt: skip
        await create(stage.site, "b", previous_response_id=first["id"])
        assert stage.heard() == (
            SystemEntry("Be kind."), SystemEntry("Be brief."), UserEntry("a"), YES, UserEntry("b")
        )  # fmt: skip


async def test_items_of_every_kind() -> None:
    items = [
        {"role": "user", "content": [
            {"type": "input_text", "text": "Look:"},
            {"type": "input_image", "image_url": "data:image/png;base64,YQ==", "detail": "low"},
            {"type": "input_file", "file_data": "data:x;base64,YQ==", "filename": "f"},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "run", "input": "ls"},
        {"type": "function_call_output", "call_id": "call_1", "output": "a door"},
        {"type": "custom_tool_call_output", "call_id": "call_2",
         "output": [{"type": "input_text", "text": "a file"}]},
        {"role": "user", "content": "And?"},
    ]  # fmt: skip
    async with Stage() as stage:
        await create(stage.site, items)
    first, answer, *rest = stage.heard()
    assert isinstance(first, UserEntry)
    assert isinstance(first.content, tuple)
    text, image, file = first.content
    assert text == TextPart("Look:")
    assert image == MediaPart(
        "image_url",
        b'{"type":"image_url","image_url":{"url":"data:image/png;base64,YQ==","detail":"low"}}',
    )
    assert isinstance(file, MediaPart)
    assert file.kind == "file"
    assert isinstance(answer, AssistantEntry)
    assert answer.text == "I look."
    assert answer.tool_calls == (
        ToolCall("call_1", "look", "{}"), ToolCall("call_2", "run", "ls", "custom")
    )  # fmt: skip
    assert answer.keepsake is not None
    assert b"Hm." in answer.keepsake.data
    assert rest == [
        ToolEntry("call_1", "a door"),
        ToolEntry("call_2", "a file", kind="custom"),
        UserEntry("And?"),
    ]


async def test_a_call_that_nobody_answered_gets_a_result_that_says_so() -> None:
    async with Stage(CALLED, words("Yes.")) as stage:
        first = await create(stage.site, "a", tools=[LOOK])
        await create(stage.site, "b", previous_response_id=first["id"])
        *_, result, last = stage.heard()
    assert isinstance(result, ToolEntry)
    assert result.synthetic
    assert last == UserEntry("b")


async def test_what_the_upstream_wants_back_goes_back_with_a_reference() -> None:
    kept = Keepsake("anthropic-messages", b'{"thinking":"Hm."}')
    play = ((ReasoningDelta("Hm."), TextDelta("Yes."), kept), words()[0])
    async with Stage(play) as stage:
        first = await create(stage.site, "a")
        ids = [item["id"] for item in first["output"]]
        assert [id_.split("_")[0] for id_ in ids] == ["rs", "msg"]
        references = [{"type": "item_reference", "id": id_} for id_ in ids]
        again = [{"role": "user", "content": "a"}, *references, {"role": "user", "content": "b"}]
        await create(stage.site, again, store=False)
        assert stage.heard() == (
            UserEntry("a"), AssistantEntry("Yes.", keepsake=kept), UserEntry("b")
        )  # fmt: skip


async def test_a_reference_to_what_a_client_said_is_that() -> None:
    async with Stage() as stage:
        first = await create(stage.site, [{"role": "user", "content": "a"}])
        listed = (await stage.site.get(f"/v1/responses/{first['id']}/input_items")).json()
        reference = {"type": "item_reference", "id": listed["data"][0]["id"]}
        await create(stage.site, [reference])
    assert stage.heard() == (UserEntry("a"),)


async def test_the_same_words_again_are_new_input_where_an_id_says_what_went_before() -> None:
    async with Stage() as stage:
        first = await create(stage.site, "a")
        again = [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": "b"},
        ]
        await create(stage.site, again, previous_response_id=first["id"])
    assert stage.heard() == (UserEntry("a"), YES, UserEntry("a"), YES, UserEntry("b"))


async def test_a_session_that_its_client_names_knows_a_history_again() -> None:
    async with Stage() as stage:
        await create(stage.site, "a", user="ann")
        again = [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": "b"},
        ]
        await create(stage.site, again, user="ann")
    assert stage.heard() == (UserEntry("a"), YES, UserEntry("b"))


async def test_a_conversation_is_what_it_has_and_what_comes() -> None:
    async with Stage() as stage:
        items = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "a"}]
        made = await stage.site.post({"items": items}, path=CONVERSATIONS)
        id_ = made.json()["id"]
        await create(stage.site, "b", conversation=id_)
        await create(stage.site, None, conversation={"id": id_})
    assert stage.heard() == (
        SystemEntry("Be kind."), UserEntry("a"), UserEntry("b"), YES
    )  # fmt: skip


async def test_fields_are_passed_on_in_the_words_of_chat_completions() -> None:
    fields: dict[str, Any] = {
        "max_output_tokens": 50,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {
            "format": {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": True},
            "verbosity": "low",
        },
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "metadata": {"mine": "1"},
        "max_tool_calls": 3,
        "top_k": 5,
        "include": ["reasoning.encrypted_content"],
        "prompt": None,
    }
    async with Stage() as stage:
        response = await create(stage.site, **fields)
    prompt = stage.channel.prompts[-1]
    sampling = prompt.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p) == (50, 0.5, 0.9)
    assert prompt.extra == {
        "response_format": b'{"type":"json_schema","json_schema":'
        b'{"name":"n","schema":{"a": 1},"strict":true}}',
        "verbosity": b'"low"',
        "reasoning_effort": b'"low"',
        "service_tier": b'"flex"',
        "prompt_cache_key": b'"k"',
        "safety_identifier": b'"s"',
        "top_k": b"5",
    }
    for name in (
        "max_output_tokens",
        "temperature",
        "top_p",
        "service_tier",
        "metadata",
        "max_tool_calls",
    ):
        assert response[name] == fields[name]
    assert response["reasoning"] == fields["reasoning"]
    assert response["text"] == fields["text"]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("required", ()),
        ({"type": "function", "name": "look"}, ("look",)),
        (
            {"type": "allowed_tools", "mode": "required",
             "tools": [{"type": "function", "name": "look"}]},
            ("look",),
        ),
    ],
)  # fmt: skip
async def test_a_choice_of_tools(choice: Any, names: tuple[str, ...]) -> None:
    async with Stage() as stage:
        tools = [LOOK, {"type": "custom", "name": "run"}]
        await create(stage.site, tools=tools, tool_choice=choice, parallel_tool_calls=False)
    prompt = stage.channel.prompts[-1]
    assert [(tool.name, tool.kind) for tool in prompt.tools] == [
        ("look", "function"),
        ("run", "custom"),
    ]
    assert prompt.tools[0].definition == (
        b'{"type":"function","function":{"name":"look","parameters":{"type": "object"}}}'
    )
    assert prompt.tool_choice is not None
    assert (prompt.tool_choice.mode, prompt.tool_choice.names) == ("required", names)
    assert prompt.parallel_tool_calls is False
