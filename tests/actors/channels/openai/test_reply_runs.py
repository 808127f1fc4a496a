"""What one read brings is taken together, and says the same as if it had come byte by byte."""

import sys
from types import FrameType

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import TextDelta
from greenroom.actors.channels.openai.reply import OpenAIDecoder
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from tests.actors.channels.conftest import DONE, Json, Outcome, chunk, outcome_of, said, sse
from tests.actors.channels.fuzz import pieces

USAGE = {"prompt_tokens": 7, "completion_tokens": 3}
TOKENS = {"content": [{"token": "a", "logprob": -1, "top_logprobs": []}]}

DELTA = st.fixed_dictionaries(
    {"content": st.text(max_size=3) | st.none() | st.just([{"type": "text", "text": "part"}])},
    optional={
        "role": st.just("assistant"),
        "refusal": st.sampled_from([None, "", "no"]),
        "reasoning": st.sampled_from([None, "", "hm"]),
        "reasoning_details": st.sampled_from([None, [], [{"index": 0, "text": "x"}]]),
        "tool_calls": st.sampled_from([None, [], [{"index": 0, "function": {"name": "f"}}]]),
        "audio": st.sampled_from([None, {"data": "AAAA"}]),
    },
)
MORE = st.fixed_dictionaries(
    {},
    optional={
        "usage": st.sampled_from([None, USAGE]),
        "system_fingerprint": st.sampled_from([None, "a", "b"]),
        "service_tier": st.sampled_from([None, "flex"]),
        "x_groq": st.sampled_from([None, {"usage": USAGE}, {"error": "busy"}]),
        "object": st.sampled_from([None, "chat.completion.chunk", "error"]),
    },
)


@st.composite
def odd_chunks(draw: st.DrawFn) -> Json:
    finish = draw(st.sampled_from([None, None, None, "", "stop", "error"]))
    odd = chunk(draw(DELTA), finish, **draw(MORE))
    odd["choices"][0] |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "index": st.sampled_from([None, 0, 1, False]),
                "logprobs": st.sampled_from([{}, TOKENS]),
                "usage": st.sampled_from([None, USAGE]),
                "message": st.sampled_from([None, {"content": "whole"}]),
                "delta": st.none() | DELTA,
            },
        )
    )
    return odd | draw(
        st.sampled_from([{}, {}, {}, {"choices": []}, {"choices": odd["choices"] * 2}])
    )


PLAIN = st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=5).map(
    lambda t: sse(*said(*t), done=b"")
)
ODD = odd_chunks().map(lambda odd: sse(odd, done=b""))
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


@given(
    st.lists(PLAIN | PLAIN | ODD | ODDITIES, max_size=8), st.booleans(), st.booleans(), st.data()
)
def test_a_read_says_the_same_as_its_bytes_one_by_one(
    parts: list[bytes], crlf: bool, logprobs: bool, data: st.DataObject
) -> None:
    body = b"".join(parts) + data.draw(st.sampled_from([DONE, b""]))
    if crlf and data.draw(st.booleans()):
        body = body.replace(b"\n", b"\r\n")
    one_by_one = decoded([bytes([byte]) for byte in body], tells_logprobs=logprobs)
    assert decoded([body], tells_logprobs=logprobs) == one_by_one
    assert decoded(pieces(body, data), tells_logprobs=logprobs) == one_by_one


@given(st.lists(PLAIN | ODD, min_size=1, max_size=8))
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
    assert calls_of(decoders[0], lone) < 10
    assert decoders[0].feed(lone) == (TextDelta("c"),)
