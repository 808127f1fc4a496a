"""Whatever an upstream sends, and wherever it is cut, `Channel`'s promises hold."""

from hypothesis import given
from hypothesis import strategies as st

from tests.actors.channels.conftest import DONE, Json, chunk, decode_pieces, in_order, sse

USAGE = {"prompt_tokens": 7, "completion_tokens": 3}

TEXT = st.none() | st.text(max_size=4) | st.sampled_from(["<think>", "</think>"])
CALL = st.fixed_dictionaries(
    {},
    optional={
        "index": st.none() | st.integers(0, 2),
        "id": st.sampled_from([None, "", "a", "b"]),
        "function": st.none()
        | st.fixed_dictionaries(
            {}, optional={"name": st.sampled_from([None, "", "f", "g"]), "arguments": TEXT}
        ),
        "extra_content": st.sampled_from([None, {"a": 1}]),
    },
)
DELTA = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": TEXT,
        "refusal": TEXT,
        "reasoning": TEXT,
        "reasoning_content": TEXT,
        "reasoning_details": st.none() | st.lists(st.just({"index": 0, "text": "x"}), max_size=2),
        "tool_calls": st.none() | st.lists(CALL, max_size=2),
        "function_call": st.none() | st.just({"name": "f", "arguments": "{}"}),
    },
)
CHUNKS = st.lists(
    st.builds(
        chunk,
        DELTA,
        st.sampled_from([None, None, "", "stop", "length", "tool_calls"]),
        usage=st.sampled_from([None, USAGE, 1.5]),
    ),
    max_size=6,
)


@given(CHUNKS, st.sampled_from([DONE, b""]), st.data())
def test_any_chunks_keep_the_promises_wherever_they_are_cut(
    chunks: list[Json], done: bytes, data: st.DataObject
) -> None:
    body = sse(*chunks, done=done)
    deltas, failure = whole = decode_pieces(body)
    assert failure is not None or in_order(deltas)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert decode_pieces(*pieces) == whole
