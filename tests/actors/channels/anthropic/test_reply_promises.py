"""Whatever an upstream sends, and wherever it is cut, `Channel`'s promises hold."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.answer import Answer
from tests.actors.channels.anthropic.conftest import (
    PING,
    decode_pieces,
    event,
    said,
    start,
    stop,
    thought,
    used,
)
from tests.actors.channels.conftest import Json, in_order

TEXT = st.none() | st.text(max_size=4)
INDEX = st.integers(0, 2)
BLOCK = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use", "later", None])},
    optional={
        "text": TEXT,
        "thinking": TEXT,
        "signature": TEXT,
        "data": TEXT,
        "id": st.sampled_from([None, "", "a", "b"]),
        "name": st.sampled_from(["f", "sh", "sh", ""]),
        "input": st.sampled_from([None, {}, {"input": "x"}, [1]]),
    },
)
DELTA = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["text_delta", "thinking_delta", "signature_delta", "input_json_delta", "later", None]
        )
    },
    optional={
        "text": TEXT,
        "thinking": TEXT,
        "signature": TEXT,
        "partial_json": st.sampled_from(["", "{", '"input"', ':"x"}', "{}", None]),
    },
)
REASON = st.sampled_from([None, "", "end_turn", "tool_use", "max_tokens", "refusal", 5])


def begin(index: int, content: Json) -> bytes:
    return event("content_block_start", index=index, content_block=content)


def add(index: int, delta: Json) -> bytes:
    return event("content_block_delta", index=index, delta=delta)


def end(index: int) -> bytes:
    return event("content_block_stop", index=index)


def close(reason: object, usage: object) -> bytes:
    return event("message_delta", delta={"stop_reason": reason}, usage=usage)


USAGE = st.sampled_from([None, {"output_tokens": 3}, {"input_tokens": 1.5}, 7])
EVENT = st.one_of(
    st.builds(begin, INDEX, BLOCK),
    st.builds(add, INDEX, DELTA),
    st.builds(end, INDEX),
    st.builds(close, REASON, USAGE),
    st.sampled_from([start(), PING, event("message_stop"), event("later", index=[])]),
)


def pieces_of(body: bytes, data: st.DataObject) -> list[bytes]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@given(st.lists(EVENT, max_size=10), st.sampled_from([stop(), stop("tool_use"), b""]), st.data())
def test_any_events_keep_the_promises_wherever_they_are_cut(
    events: list[bytes], ending: bytes, data: st.DataObject
) -> None:
    body = b"".join(events) + ending
    deltas, failure = whole = decode_pieces(body, custom=("sh",))
    assert failure is not None or in_order(deltas)
    assert decode_pieces(*pieces_of(body, data), custom=("sh",)) == whole


TRANSCRIPTS = [
    start() + PING + said(0, "Hel", "lo") + stop(),
    start() + thought(0, "Hm", ".") + said(1, "Wait.") + used(2, "a", "f", "", "{}") + stop(),
    start() + used(0, "a", "f", '{"x"', ":1}") + used(1, "b", "sh", '{"input":"ls"}') + stop(),
    msgspec.json.encode(
        {
            "type": "message",
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 2},
        }
    ),
]


@given(st.sampled_from(TRANSCRIPTS), st.data())
def test_a_damaged_answer_is_read_or_fails_and_never_crashes(
    body: bytes, data: st.DataObject
) -> None:
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged)))
        upto = data.draw(st.integers(at, min(len(damaged), at + 20)))
        damaged[at:upto] = data.draw(st.binary(max_size=8) | st.just(bytes(damaged[at:upto]) * 2))
    deltas, failure = whole = decode_pieces(bytes(damaged), custom=("sh",))
    assert failure is not None or in_order(deltas)
    assert decode_pieces(*pieces_of(bytes(damaged), data), custom=("sh",)) == whole


@given(st.lists(EVENT, max_size=10))
def test_what_is_kept_of_any_answer_fits_what_it_says(events: list[bytes]) -> None:
    deltas, failure = decode_pieces(start() + b"".join(events) + stop(), custom=("sh",))
    answer = Answer()
    answer.take(tuple(deltas))
    entry = answer.entry()
    if failure is None and entry.keepsake is not None:
        blocks = msgspec.json.decode(entry.keepsake.data)["blocks"]
        assert sum(block.get("length", 0) for block in blocks) == len(entry.text or "")
        assert sum(block["type"] == "tool_use" for block in blocks) == len(entry.tool_calls)
    assert failure is not None or answer.reason is not None
