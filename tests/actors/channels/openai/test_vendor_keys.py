"""Keys of a call that only its server knows come out, go back, and change nothing else."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import Finish, FinishReason, ToolCallArguments, ToolCallStart
from greenroom.actors.channels.openai.dialects import dialect_of
from greenroom.actors.channels.openai.request import Destination, encode_prompt
from greenroom.actors.channels.openai.vendor_keys import from_extra, to_extra, vendor_keys
from greenroom.actors.entries import AssistantEntry, Prompt, ToolCall
from tests.actors.channels.conftest import Json, chunk, decode, sse

SIGNED: Json = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
EXTRA = b'{"extra_content":{"google":{"thought_signature":"c2ln"}}}'
CALLED = Finish(FinishReason.TOOL_CALLS)


def call(arguments: str, **more: object) -> Json:
    return chunk({"tool_calls": [{"function": {"name": "f", "arguments": arguments}} | more]})


def read(value: str) -> bytes | None:
    keys = msgspec.json.decode(f'{{"x":{value}}}', type=dict[str, msgspec.Raw])
    return to_extra(vendor_keys(keys))


@pytest.mark.parametrize("end", [chunk({}, "stop"), chunk({}, "tool_calls")])
def test_a_streamed_call_has_them_at_its_start(end: Json) -> None:
    body = sse(call("{}", index=0, id="a", type="function", **SIGNED), end)
    assert decode(body)[0] == [
        ToolCallStart(0, "a", "f", extra=EXTRA),
        ToolCallArguments(0, "{}"),
        CALLED,
    ]


def test_each_call_has_its_own() -> None:
    body = sse(
        call('{"a":1}', index=0, id="a", **SIGNED),
        call('{"b":1}', index=1, id="b"),
        call('{"c":1}', index=2, id="c", sig="x"),
        chunk({}, "stop"),
    )
    starts = [delta for delta in decode(body)[0] if isinstance(delta, ToolCallStart)]
    assert [start.extra for start in starts] == [EXTRA, None, b'{"sig":"x"}']


def test_a_whole_answers_calls_have_them_on_one_line() -> None:
    function = {"name": "f", "arguments": "{}"}
    message = {"tool_calls": [{"id": "a", "type": "function", "function": function} | SIGNED]}
    body = msgspec.json.format(
        msgspec.json.encode({"choices": [{"message": message, "finish_reason": "tool_calls"}]})
    )
    assert b"\n" in body
    assert decode(body)[0][0] == ToolCallStart(0, "a", "f", extra=EXTRA)


def test_what_comes_before_a_calls_name_counts_and_what_comes_after_its_start_does_not() -> None:
    body = sse(
        chunk({"tool_calls": [{"index": 0, "id": "a", "one": 1}]}),
        call("", index=0, one=2, two=2),
        call("{}", index=0, three=3),
        chunk({}, "stop"),
    )
    assert decode(body)[0][0] == ToolCallStart(0, "a", "f", extra=b'{"one":1,"two":2}')


@pytest.mark.parametrize("more", [{"extra_content": None}, {"index": 0}, {"custom": None}])
def test_what_is_null_or_openais_own_is_none_of_them(more: Json) -> None:
    assert decode(sse(call("{}", id="a", **more), chunk({}, "stop")))[0][0] == ToolCallStart(
        0, "a", "f"
    )


@pytest.mark.parametrize(
    ("value", "extra"),
    [
        ('{ "a" : [1.50,\n "\\u00e9"] }', b'{"x":{"a":[1.50,"\\u00e9"]}}'),
        ("12345678901234567890123", b'{"x":12345678901234567890123}'),
        ("1e999", None),
        ("[" * 256 + "]" * 256, b'{"x":%b%b}' % (b"[" * 256, b"]" * 256)),
        ("[" * 257 + "]" * 257, None),
        ('"' + "x" * 100_000 + '"', b'{"x":"%b"}' % (b"x" * 100_000)),
    ],
)
def test_a_value_keeps_its_spelling_or_is_left_out(value: str, extra: bytes | None) -> None:
    assert read(value) == extra


def test_a_value_that_is_no_utf_8_is_left_out() -> None:
    body = sse(call("{}", id="a", x="??"), chunk({}, "stop")).replace(b"??", b"\xff")
    assert decode(body)[0][0] == ToolCallStart(0, "a", "f")


_JSON = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _JSON, max_size=4))
def test_what_is_read_is_what_goes_back(keys: Json) -> None:
    raw = msgspec.json.decode(msgspec.json.encode(keys), type=dict[str, msgspec.Raw])
    found = from_extra(to_extra(vendor_keys(raw)))
    assert msgspec.json.decode(msgspec.json.encode(found)) == {
        name: value
        for name, value in keys.items()
        if name not in {"index", "id", "type", "function", "custom"}
    }


def sent_to(base_url: str, *calls: ToolCall) -> list[Json]:
    to = Destination("local", dialect_of(base_url))
    body = encode_prompt(Prompt("m", (AssistantEntry(None, calls),)), to)
    calls_sent: list[Json] = msgspec.json.decode(body)["messages"][0]["tool_calls"]
    return calls_sent


def test_they_go_back_on_the_call() -> None:
    calls = (
        ToolCall("a", "f", "{}", extra=EXTRA),
        ToolCall("b", "sh", "ls", "custom", b'{"x":1}'),
        ToolCall("c", "f", "{}"),
    )
    assert sent_to("https://generativelanguage.googleapis.com/v1beta/openai", *calls) == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}} | SIGNED,
        {"id": "b", "type": "custom", "custom": {"name": "sh", "input": "ls"}, "x": 1},
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.openai.com/v1",
        "https://me.openai.azure.com/openai/v1",
        "https://API.GROQ.com/openai/v1",
        "https://api.mistral.ai/v1",
    ],
)
def test_a_server_that_refuses_what_it_does_not_know_gets_none(base_url: str) -> None:
    (call,) = sent_to(base_url, ToolCall("a", "f", "{}", extra=EXTRA))
    assert call.keys() == {"id", "type", "function"}
