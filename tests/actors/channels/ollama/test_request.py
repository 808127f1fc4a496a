"""Each field of a prompt has its place in Ollama's request, is named as left out, or is refused."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.ollama.request import Encoded, encode_prompt
from greenroom.actors.entries import (
    AssistantEntry,
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
from greenroom.actors.failure import FailureKind, TurnFailed

ASK = (UserEntry("Hi"),)
F = Tool("f", b'{"function": {"name":"f", "parameters":{"$schema":"x"}},  "type":"function"}')
G = Tool("g", b'{"type":"function","function":{"name":"g","strict":true}}')
SHELL = Tool("sh", b'{"type":"custom","custom":{"name":"sh"}}', "custom")

PLAIN = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


def encoded(prompt: Prompt, window: int | None = None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the fields beside those of every request, and the names of those that were left out."""
    encoded = encode_prompt(prompt, window)
    body = msgspec.json.decode(encoded.body, type=dict[str, Any])
    assert body.items() >= PLAIN.items()
    return {name: value for name, value in body.items() if name not in PLAIN}, encoded.dropped


def extra(**fields: object) -> Prompt:
    raw = {name: msgspec.json.encode(value) for name, value in fields.items()}
    return Prompt("m", ASK, extra=raw)


def refusal(prompt: Prompt) -> tuple[str | None, str | None]:
    with pytest.raises(TurnFailed) as caught:
        encode_prompt(prompt, None)
    failure = caught.value.failure
    assert failure.kind == FailureKind.INVALID_REQUEST
    return failure.param, failure.code


def test_a_plain_prompt_asks_for_a_stream_and_nothing_else() -> None:
    assert encoded(Prompt("m", ASK)) == ({}, ())


def test_sampling_goes_into_the_options() -> None:
    sampling = Sampling(0.0, 0.5, 10, -1.0, 0.25, ("a", "b"), 7)
    assert encoded(Prompt("m", ASK, sampling=sampling)) == (
        {
            "options": {
                "temperature": 0.0,
                "top_p": 0.5,
                "num_predict": 10,
                "frequency_penalty": -1.0,
                "presence_penalty": 0.25,
                "stop": ["a", "b"],
                "seed": 7,
            }
        },
        (),
    )


def test_a_known_window_is_asked_for_and_kept_to() -> None:
    assert encoded(Prompt("m", ASK), 8192) == (
        {"options": {"num_ctx": 8192}, "truncate": False},
        (),
    )


TOOLS: dict[str, tuple[ToolChoice | None, bool | None, list[str], tuple[str, ...]]] = {
    "no choice": (None, None, ["f", "g"], ()),
    "auto": (ToolChoice("auto", b'"auto"'), None, ["f", "g"], ()),
    "none": (ToolChoice("none", b'"none"'), False, [], ()),
    "required": (ToolChoice("required", b'"required"'), None, ["f", "g"], ("tool_choice",)),
    "named": (ToolChoice("required", b"{}", ("f",)), None, ["f"], ("tool_choice",)),
    "allowed": (ToolChoice("auto", b"{}", ("f",)), None, ["f"], ()),
    "in parallel": (None, True, ["f", "g"], ()),
    "one at a time": (None, False, ["f", "g"], ("parallel_tool_calls",)),
}


@pytest.mark.parametrize("case", TOOLS)
def test_a_tool_choice_decides_which_tools_are_shown(case: str) -> None:
    choice, parallel, shown, dropped = TOOLS[case]
    fields, named = encoded(Prompt("m", ASK, (F, G), choice, parallel))
    assert [tool["function"]["name"] for tool in fields.get("tools", [])] == shown
    assert named == dropped + (("tools[].function.strict",) if "g" in shown else ())


def test_tools_go_out_byte_for_byte() -> None:
    assert b'"tools":[%b]' % F.definition in encode_prompt(Prompt("m", ASK, (F,)), None).body


def test_a_custom_tool_is_refused_by_name_where_it_would_be_shown() -> None:
    assert refusal(Prompt("m", ASK, (F, SHELL))) == ("tools", "unsupported_value")
    only_f = ToolChoice("auto", b"{}", ("f",))
    assert encoded(Prompt("m", ASK, (F, SHELL), only_f))[0].keys() == {"tools"}


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}

PLACES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "text": ({"response_format": {"type": "text"}}, {}),
    "any object": ({"response_format": {"type": "json_object"}}, {"format": "json"}),
    "a schema": (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "strict": True, "schema": SCHEMA},
            }
        },
        {"format": SCHEMA},
    ),
    "any object, and a schema that is not meant": (
        {"response_format": {"type": "json_object", "json_schema": {"schema": SCHEMA}}},
        {"format": "json"},
    ),
    "a schema that is none": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": None}}},
        {"format": "json"},
    ),
    "no thinking": ({"reasoning_effort": "none"}, {"think": False}),
    "minimal": ({"reasoning_effort": "minimal"}, {"think": "low"}),
    "low": ({"reasoning_effort": "low"}, {"think": "low"}),
    "medium": ({"reasoning_effort": "medium"}, {"think": "medium"}),
    "high": ({"reasoning_effort": "high"}, {"think": "high"}),
    "xhigh": ({"reasoning_effort": "xhigh"}, {"think": "max"}),
    "max": ({"reasoning_effort": "max"}, {"think": "max"}),
    "ollama's own": (
        {"think": True, "format": SCHEMA, "keep_alive": "10m", "truncate": True, "shift": False},
        {"think": True, "format": SCHEMA, "keep_alive": "10m", "truncate": True, "shift": False},
    ),
    "keep_alive in seconds": ({"keep_alive": -1}, {"keep_alive": -1}),
    "options": (
        {"options": {"num_gpu": 1, "top_k": 40}},
        {"options": {"num_gpu": 1, "top_k": 40}},
    ),
    "options at the top": (
        {"top_k": 40, "min_p": 0.1, "repeat_penalty": 1.1},
        {"options": {"top_k": 40, "min_p": 0.1, "repeat_penalty": 1.1}},
    ),
    "what is the case anyway": (
        {"modalities": ["text"]},
        {},
    ),
    "null": ({"think": None, "options": None, "store": None, "top_k": None}, {}),
    "a format of null": ({"response_format": None}, {}),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_field_that_has_a_place_goes_there(case: str) -> None:
    given, sent = PLACES[case]
    assert encoded(extra(**given)) == (sent, ())


def test_a_field_without_a_place_is_named_as_its_client_spells_it() -> None:
    prompt = extra(verbosity="low", user="ann", logit_bias={"5": 1}, keep_alive=0, foo=[1])
    assert encoded(prompt) == ({"keep_alive": 0}, ("foo", "logit_bias", "user", "verbosity"))


def test_options_give_way_to_the_fields_that_say_the_same() -> None:
    raw = {
        "options": b'{"temperature":2,"num_ctx":1,"seed":3,"top_k":9,"num_gpu":1}',
        "top_k": b"40",
    }
    prompt = Prompt("m", ASK, sampling=Sampling(temperature=0.5), extra=raw)
    assert encoded(prompt, 8192) == (
        {
            "options": {"temperature": 0.5, "num_ctx": 8192, "seed": 3, "top_k": 40, "num_gpu": 1},
            "truncate": False,
        },
        ("options.temperature", "options.num_ctx", "options.top_k"),
    )


def test_ollamas_own_names_win_over_openais() -> None:
    prompt = extra(
        think=False, reasoning_effort="high", format="json", response_format={"type": "text"}
    )
    assert encoded(prompt) == (
        {"think": False, "format": "json"},
        ("response_format", "reasoning_effort"),
    )


def test_a_client_may_have_its_prompt_truncated_all_the_same() -> None:
    fields, _ = encoded(extra(truncate=True), 8192)
    assert fields["truncate"] is True


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("modalities", ["text", "audio"], "unsupported_value"),
        ("reasoning_effort", "enormous", "unsupported_value"),
        ("reasoning_effort", 5, "unsupported_value"),
        ("options", [1], "invalid_type"),
        ("response_format", {"type": "xml"}, "invalid_type"),
        ("response_format", "json", "invalid_type"),
    ],
)
def test_what_would_change_the_answers_form_is_refused_by_name(
    name: str, value: object, code: str
) -> None:
    assert refusal(extra(**{name: value})) == (name, code)


def test_several_answers_are_refused() -> None:
    prompt = Prompt("m", ASK, sampling=Sampling(choices=2))
    assert refusal(prompt) == ("n", "unsupported_value")


@pytest.mark.parametrize("top", [0, 5])
def test_the_likelihood_of_tokens_is_asked_for(top: int) -> None:
    prompt = Prompt("m", ASK, sampling=Sampling(top_logprobs=top))
    assert encoded(prompt) == ({"logprobs": True, "top_logprobs": top}, ())


# Over all prompts

_WORD = st.text(max_size=5)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _WORD,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_WORD, inner, max_size=2),
    max_leaves=4,
)
_RAW = _JSON.filter(lambda value: value is not None).map(lambda value: json.dumps(value).encode())
_PART = st.builds(TextPart, _WORD) | st.builds(
    MediaPart, st.sampled_from(["image_url", "input_audio", "file"]), _RAW
)
_CONTENT = _WORD | st.lists(_PART, max_size=2).map(tuple)
_CALL = st.builds(
    ToolCall,
    st.sampled_from(["a", "b"]),
    _WORD,
    _WORD | _RAW.map(bytes.decode),
    st.sampled_from(["function", "custom"]),
)
_ENTRY = (
    st.builds(SystemEntry, _CONTENT)
    | st.builds(UserEntry, _CONTENT, st.none() | _WORD)
    | st.builds(AssistantEntry, st.none() | _WORD, st.lists(_CALL, max_size=2).map(tuple))
    | st.builds(ToolEntry, st.sampled_from(["a", "b"]), _CONTENT)
)
TRANSLATED = {
    "modalities",
    "options",
    "response_format",
    "reasoning_effort",
    "top_k",
}
_NAMES = [
    "modalities", "options", "think", "format", "keep_alive", "top_k",
    "response_format", "reasoning_effort", "user", "store",
]  # fmt: skip
_PROMPT = st.builds(
    Prompt,
    st.just("m"),
    st.lists(_ENTRY, max_size=4).map(tuple),
    st.lists(st.sampled_from([F, G, SHELL]), max_size=2).map(tuple),
    st.none()
    | st.builds(
        ToolChoice,
        st.sampled_from(["none", "auto", "required"]),
        st.just(b"{}"),
        st.lists(st.sampled_from(["f", "sh"]), max_size=1).map(tuple),
    ),
    st.none() | st.booleans(),
    extra=st.dictionaries(st.sampled_from(_NAMES), _RAW, max_size=4),
)


@given(_PROMPT, st.none() | st.integers(1, 10**6))
def test_any_prompt_becomes_a_request_or_a_refusal_that_names_its_field(
    prompt: Prompt, window: int | None
) -> None:
    try:
        encoded = encode_prompt(prompt, window)
    except TurnFailed as refused:
        failure = refused.failure
    else:
        loses_nothing(prompt, encoded)
        return
    assert failure.kind == FailureKind.INVALID_REQUEST
    assert failure.param


def loses_nothing(prompt: Prompt, encoded: Encoded) -> None:
    body = msgspec.json.decode(encoded.body)
    assert body["stream"] is True
    for message in body["messages"]:
        assert message["role"] in {"system", "user", "assistant", "tool"}
        assert isinstance(message["content"], str)
        for call in message.get("tool_calls", ()):
            assert isinstance(call["function"]["arguments"], dict)
    for name in prompt.extra:
        assert name in {*body, *TRANSLATED} or name in encoded.dropped, "lost without a word"
