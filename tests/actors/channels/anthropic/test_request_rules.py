"""Any prompt becomes a request that the API takes, or is refused by name."""

import re
from typing import Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.anthropic.keepsake import Origin, keep
from greenroom.actors.channels.anthropic.models import traits_of
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
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from tests.actors.channels.anthropic.conftest import encoded
from tests.actors.channels.conftest import Json

MODELS = ["claude-opus-5-5", "claude-opus-4-8", "claude-sonnet-4-5", "claude-3-haiku", "kimi-k2"]
TEXT = st.sampled_from(["", " ", "a", "b\n", "é"]) | st.text(max_size=3)
ID = st.sampled_from(["c", "d", "c.d", ""])
MEDIA = st.builds(
    MediaPart,
    st.sampled_from(["image_url", "input_audio", "file"]),
    st.sampled_from(
        [
            b"{}",
            b'{"image_url": {"url": "https://x"}, "file": {"file_data": "data:text/plain,x"}}',
            b'{"image_url": {"url": "data:,x"}, "file": {"file_id": "x"}, "cache_control": {"a": 1}}',
            b"no json",
        ]
    ),
)
CONTENT = TEXT | st.lists(st.builds(TextPart, TEXT) | MEDIA, max_size=3).map(tuple)
CALL = st.builds(
    ToolCall,
    ID,
    st.sampled_from(["f", "g", "no name", ""]),
    st.sampled_from(["", "{}", '{"a": 1}', "[1]", '{"a', "x"]),
    st.sampled_from(["function", "custom"]),
)
BLOCKS: list[Json] = [
    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
    {"type": "text", "length": 1},
    {"type": "tool_use"},
    {"type": "redacted_thinking", "data": "ZGF0YQ=="},
]
KEEPSAKE = st.builds(
    keep,
    st.builds(Origin, st.just("local"), st.sampled_from(MODELS)),
    st.lists(st.sampled_from(BLOCKS), max_size=4),
)
ANSWER = st.builds(
    AssistantEntry,
    st.none() | TEXT,
    st.lists(CALL, max_size=2).map(tuple),
    refusal=st.none() | TEXT,
    interrupted=st.booleans(),
    keepsake=st.none() | KEEPSAKE,
)
ENTRY = st.one_of(
    st.builds(SystemEntry, CONTENT),
    st.builds(UserEntry, CONTENT, st.none() | TEXT),
    st.builds(ToolEntry, ID, CONTENT, st.booleans()),
    ANSWER,
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Entry, ...]:
    """Entries as a transcript has them: every call has its result."""
    entries: list[Entry] = []
    for entry in draw(st.lists(ENTRY, max_size=6)):
        if isinstance(entry, ToolEntry):
            continue
        entries.append(entry)
        if isinstance(entry, AssistantEntry):
            ids = [call.id for call in entry.tool_calls]
            entries += [
                ToolEntry(call_id, draw(CONTENT), draw(st.booleans()))
                for call_id in draw(st.permutations(ids))
            ]
    return tuple(entries)


Kind = Literal["function", "custom"]
Mode = Literal["none", "auto", "required"]


def tool(name: str, kind: Kind, inner: Json | None) -> Tool:
    return Tool(name, msgspec.json.encode({"type": kind, kind: inner}), kind)


def choice(mode: Mode, names: list[str]) -> ToolChoice:
    return ToolChoice(mode, b"{}", tuple(names))


KINDS: list[Kind] = ["function", "custom"]
MODES: list[Mode] = ["none", "auto", "required"]
TOOL = st.builds(
    tool,
    st.sampled_from(["f", "g", "h"]),
    st.sampled_from(KINDS),
    st.sampled_from(
        [
            None,
            {},
            {"parameters": {"type": "object", "properties": {"a": {"minimum": 1}}}, "strict": True},
            {"parameters": {"anyOf": []}, "description": "x"},
            {"format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}}},
        ]
    ),
)
CHOICE = st.builds(
    choice,
    st.sampled_from(MODES),
    st.lists(st.sampled_from(["f", "g", "x"]), max_size=2, unique=True),
)
SAMPLING = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    max_tokens=st.none() | st.integers(1, 5000),
    stop=st.lists(st.sampled_from(["a", "\n", " "]), max_size=2).map(tuple),
    seed=st.none() | st.integers(),
)
EXTRA = st.fixed_dictionaries(
    {},
    optional={
        "reasoning_effort": st.sampled_from([b'"none"', b'"low"', b'"max"', b'"?"', b"null", b"1"]),
        "thinking": st.sampled_from([b'{"type": "disabled"}', b"null", b"[]"]),
        "response_format": st.sampled_from(
            [
                b'{"type": "json_object"}',
                b'{"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}',
                b"5",
            ]
        ),
        "top_k": st.sampled_from([b"1", b"null", b'"1"']),
        "n": st.sampled_from([b"1", b"2"]),
        "user": st.sampled_from([b'"u"', b"{}", b"null"]),
        "verbosity": st.sampled_from([b'"low"', b"null"]),
    },
)


def prompts(entries: st.SearchStrategy[tuple[Entry, ...]]) -> st.SearchStrategy[Prompt]:
    return st.builds(
        Prompt,
        st.sampled_from(MODELS),
        entries,
        st.lists(TOOL, max_size=3, unique_by=lambda tool: tool.name).map(tuple),
        st.none() | CHOICE,
        st.none() | st.booleans(),
        SAMPLING,
        EXTRA,
    )


KNOWN = {
    *("model", "max_tokens", "stream", "messages", "system", "tools", "tool_choice", "thinking"),
    *("output_config", "temperature", "top_p", "top_k", "stop_sequences", "metadata"),
    *("service_tier", "cache_control"),
}
ID_PATTERN = re.compile(r"[a-zA-Z0-9_-]+")
Block = dict[str, object]


class Message(msgspec.Struct):
    role: str
    content: list[Block]


class Body(msgspec.Struct):
    max_tokens: int
    messages: list[Message]
    tools: list[Block] = []
    tool_choice: Block = {}
    thinking: Block = {}
    temperature: float = 1


def check(model: str, raw: bytes) -> None:
    """Assert the API's rules."""
    assert msgspec.json.decode(raw, type=Json).keys() <= KNOWN
    body = msgspec.json.decode(raw, type=Body)
    roles = [message.role for message in body.messages]
    assert roles == (["user", "assistant"] * len(roles))[: len(roles)]
    assert roles[-1] == "user"
    waiting: list[object] = []
    seen: set[object] = set()
    for message in body.messages:
        assert message.content
        results = [b["tool_use_id"] for b in message.content if b["type"] == "tool_result"]
        assert sorted(map(str, results)) == sorted(map(str, waiting))
        assert [b["type"] for b in message.content[: len(results)]] == ["tool_result"] * len(
            results
        )
        waiting = [b["id"] for b in message.content if b["type"] == "tool_use"]
        check_blocks(message.content)
        assert not seen & set(waiting)
        assert len(set(waiting)) == len(waiting)
        seen |= set(waiting)
        assert message.content[-1]["type"] not in {"thinking", "redacted_thinking"}
    assert not waiting
    check_tools(model, body)


def check_blocks(blocks: list[Block]) -> None:
    for block in blocks:
        match block["type"]:
            case "text":
                assert str(block["text"]).strip()
            case "tool_use":
                assert isinstance(block["input"], dict)
                assert ID_PATTERN.fullmatch(str(block["id"]))
                assert ID_PATTERN.fullmatch(str(block["name"]))
            case "tool_result":
                check_blocks(msgspec.convert(block.get("content", []), list[Block]))
            case "thinking":
                assert block["signature"]
            case kind:
                assert kind in {"image", "document", "redacted_thinking"}


def check_tools(model: str, body: Body) -> None:
    names = [tool["name"] for tool in body.tools]
    for tool in body.tools:
        assert msgspec.convert(tool["input_schema"], Block)["type"] == "object"
    kind = body.tool_choice.get("type")
    assert kind is None or names
    assert kind != "tool" or body.tool_choice["name"] in names
    assert traits_of(model).forced_tools or kind not in {"any", "tool"}
    if body.thinking.get("type") == "enabled":
        budget = body.thinking["budget_tokens"]
        assert isinstance(budget, int)
        assert 1024 <= budget < body.max_tokens
        assert kind not in {"any", "tool"}
        assert body.temperature == 1
    assert 0 <= body.temperature <= 1


def encodes(prompt: Prompt) -> bool:
    """Whether a prompt becomes a request, which then keeps the rules."""
    failure: Failure | None = None
    raw = b""
    try:
        raw = encoded(prompt).body
    except TurnFailed as failed:
        failure = failed.failure
    if failure is not None:
        assert failure.kind == FailureKind.INVALID_REQUEST
        assert failure.param
        assert failure.code
        return False
    check(prompt.model, raw)
    assert encoded(prompt).body == raw
    return True


@given(prompts(st.lists(ENTRY, max_size=6).map(tuple)))
def test_any_prompt_becomes_a_request_that_keeps_the_rules_or_is_refused(prompt: Prompt) -> None:
    encodes(prompt)


@given(prompts(conversations()))
def test_a_conversation_is_refused_for_its_parts_and_fields_alone(prompt: Prompt) -> None:
    plain = Prompt(prompt.model, tuple(map(without_media, prompt.entries)))
    encodes(prompt)
    assert encodes(plain)


def without_media(entry: Entry) -> Entry:
    if isinstance(entry, AssistantEntry) or isinstance(entry.content, str):
        return entry
    texts = tuple(part for part in entry.content if isinstance(part, TextPart))
    return msgspec.structs.replace(entry, content=texts)
