"""What one read brings is taken together, and says the same as if it had come byte by byte."""

import sys
from types import FrameType

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.channels.channel import TextDelta
from greenroom.actors.channels.lines import MAX_SIZE
from greenroom.actors.channels.openai.reply import OpenAIDecoder
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from tests.actors.channels.conftest import DONE, Json, Outcome, chunk, outcome_of, said, sse
from tests.actors.channels.fuzz import pieces

USAGE = {"prompt_tokens": 7, "completion_tokens": 3}
TOKENS: Json = {"content": [{"token": "a", "logprob": -1, "top_logprobs": []}]}

IN_DELTA: list[Json] = [
    {"role": "assistant"},
    {"content": None},
    {"content": [{"type": "text", "text": "part"}]},
    {"refusal": ""},
    {"refusal": "no"},
    {"reasoning": "hm"},
    {"reasoning_content": ""},
    {"reasoning_details": [{"index": 0, "text": "x"}]},
    {"tool_calls": []},
    {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]},
    {"function_call": {"name": "f"}},
    {"annotations": [{"type": "url_citation"}]},
    {"audio": {"data": "AAAA"}},
]
IN_CHOICE: list[Json] = [
    {"index": None},
    {"index": 1},
    {"index": False},
    {"delta": None},
    {"delta": None, "message": {"content": "whole"}},
    {"message": {"content": "beside"}},
    {"finish_reason": ""},
    {"finish_reason": "length"},
    {"finish_reason": "error"},
    {"logprobs": {}},
    {"logprobs": TOKENS},
    {"usage": USAGE},
]
IN_CHUNK: list[Json] = [
    {"usage": USAGE},
    {"usage": {}},
    {"system_fingerprint": "a"},
    {"system_fingerprint": "b"},
    {"service_tier": "flex"},
    {"x_groq": {"usage": USAGE}},
    {"x_groq": {"error": "busy"}},
    {"object": "error"},
    {"error": {"message": "Busy."}},
    {"choices": []},
    {"choices": None},
]
PATCHES = [
    (depth, patch)
    for depth, patches in enumerate(([{}, *IN_DELTA], IN_CHOICE, IN_CHUNK))
    for patch in patches
]


def test_an_empty_event_and_what_stands_behind_it_is_no_word() -> None:
    """Read as an event of a frame that has nothing around its content, it would be."""
    decoder = OpenAIDecoder(UpstreamErrors("local"))
    assert decoder.feed(b"data: \n: keep-alive\n\n\n") == ()
    assert decoder.feed(sse(*said("a"), done=b"")) == (TextDelta("a"),)


TEXTS = st.sampled_from(["a", "é", "<think>", "", '"', "\\", "\n"])


@st.composite
def alike(draw: st.DrawFn) -> bytes:
    """Draw chunks that are the same in all but their content, and odd in at most one way."""
    texts = draw(st.lists(TEXTS, min_size=1, max_size=4))
    depth, patch = draw(st.sampled_from(PATCHES))
    times = draw(st.sampled_from([1, 1, 1, 1, 2]))
    chunks: list[Json] = []
    for text in texts:
        delta: Json = {"content": text}
        choice: Json = {"index": 0, "delta": delta, "finish_reason": None}
        odd: Json = {"object": "chat.completion.chunk", "choices": [choice] * times}
        (delta, choice, odd)[depth].update(patch)
        chunks.append(odd)
    return sse(*chunks, done=b"")


NO_STRINGS = [
    b'"\x01"',
    b'"\t"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"a""',
    b'"\\"',
    b"null",
    b"1",
    b"['a']",
]
"""What cannot stand in the place of a content, or is none."""
ODD_STRINGS = [
    b'"\\u0061"',
    b'"\\ud83d"',
    b'"a","content":"b"',
    b'"a"},"delta":{"content":"b"',
    b'"a","extra":"a"',
    b'"a" , "extra": {"content":"a"}',
    b' "a"',
    b'"\x7f"',
]
"""A content that is written as few do, or beside others."""
ODDITIES = st.sampled_from(
    [
        b": ping\n\n",
        b"id: 1\n",
        b"event: message\n",
        b"event: error\n",
        b"data: \n\n",
        b"data:\n\n",
        b"\n",
        b"\r",
        b"\xef\xbb\xbf",
        DONE,
        b"data: [DONE]",
        *(sse(*said("a"), done=b"").replace(b'"a"', odd) for odd in NO_STRINGS),
        *(sse(*said("a"), done=b"").replace(b'"a"', odd) for odd in ODD_STRINGS),
        b'data: {"error": {"message": "Busy."}}\n\n',
        b"data: %b\n\n" % msgspec.json.encode(said("a", "b")),
        b'data: {"choices": [{"delta":\ndata: {"content": "two lines"}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": "\\ud83d"}, "logprobs": NaN}]}\n\n',
        b'data:{"choices": [{"delta": {"content": "no space"}}]}\n\n',
        b'data:   {"choices": [{"delta": {"content": "spaces"}}]} \n\n',
        b'data: {"choices": [\n\n',
        b"data: nothing\n\n",
    ]
)


def decoded(body: list[bytes], *, tells_logprobs: bool = False) -> Outcome:
    decoder = OpenAIDecoder(
        UpstreamErrors("local"), lambda: "new", choices=2, tells_logprobs=tells_logprobs
    )
    return outcome_of(decoder, body)


@settings(max_examples=200)
@given(st.lists(alike() | alike() | ODDITIES, max_size=6), st.booleans(), st.booleans(), st.data())
def test_a_read_says_the_same_as_its_bytes_one_by_one(
    parts: list[bytes], crlf: bool, logprobs: bool, data: st.DataObject
) -> None:
    begun = data.draw(st.sampled_from([sse(*said("Hi"), done=b"")] * 3 + [b""]))
    body = b"".join([begun, *parts]) + data.draw(st.sampled_from([DONE, b""]))
    if crlf and data.draw(st.booleans()):
        body = body.replace(b"\n", b"\r\n")
    one_by_one = decoded([bytes([byte]) for byte in body], tells_logprobs=logprobs)
    assert decoded([body], tells_logprobs=logprobs) == one_by_one
    assert decoded(pieces(body, data), tells_logprobs=logprobs) == one_by_one


@given(st.lists(alike(), min_size=1, max_size=6))
def test_an_event_a_read_says_the_same_as_all_at_once(parts: list[bytes]) -> None:
    assert decoded(parts) == decoded([b"".join(parts)])


def calls_of(decoder: OpenAIDecoder, data: bytes) -> int:
    """Return how often functions of ours are called to read `data`."""
    calls = 0

    def count(frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_globals["__name__"].startswith("greenroom.")

    sys.setprofile(count)
    try:
        decoder.feed(data)
    finally:
        sys.setprofile(None)
    return calls


def test_a_plain_chunk_calls_nothing() -> None:
    few, many = (sse(*said(*"ab" * count), done=b"") for count in (5, 500))
    decoders = [OpenAIDecoder(UpstreamErrors("local")) for _ in range(2)]
    assert calls_of(decoders[0], few) == calls_of(decoders[1], many)
    lone = sse(*said("c"), done=b"")
    assert calls_of(decoders[0], lone) < 5
    assert decoders[0].feed(lone) == (TextDelta("c"),)


def test_a_chunk_with_a_field_of_its_own_is_plain() -> None:
    few, many = (
        sse(*(chunk({"content": "a"}, own=number) for number in range(count)), done=b"")
        for count in (10, 20)
    )
    decoders = [OpenAIDecoder(UpstreamErrors("local")) for _ in range(2)]
    assert calls_of(decoders[1], many) - calls_of(decoders[0], few) < 10 * 6


@pytest.mark.parametrize("odd", [*IN_CHUNK, {}])
@pytest.mark.parametrize("in_choice", [*IN_CHOICE, {}])
def test_what_comes_with_a_word_comes_with_each_of_its_kind(odd: Json, in_choice: Json) -> None:
    choice = {"delta": {"content": "a"}} | in_choice
    parts = [*[sse(*said("a"), done=b"")] * 3, *[sse({"choices": [choice]} | odd, done=b"")] * 4]
    one_by_one = decoded([bytes([byte]) for byte in b"".join(parts)], tells_logprobs=True)
    assert decoded(parts, tells_logprobs=True) == one_by_one
    assert decoded([b"".join(parts)], tells_logprobs=True) == one_by_one


def test_a_lone_event_has_a_bound() -> None:
    body = [sse(*said(text), done=b"") for text in ("a", "b", "c" * MAX_SIZE)]
    deltas, failure = decoded(body)
    assert deltas == [TextDelta("a"), TextDelta("b")]
    assert failure is not None
    assert failure.message == f"The provider 'local' sent a line of more than {MAX_SIZE} bytes."


def test_a_line_of_an_event_of_several_is_not_a_lone_one() -> None:
    begun = [sse(*said(text), done=b"") for text in "abc"]
    parts = [*begun, b'data: {"choices": [], "usage": 1,\n', begun[0], begun[1], DONE]
    assert decoded(parts) == decoded([bytes([byte]) for byte in b"".join(parts)])
    parts[3] = b"event: error\n"
    assert decoded(parts) == decoded([bytes([byte]) for byte in b"".join(parts)])
