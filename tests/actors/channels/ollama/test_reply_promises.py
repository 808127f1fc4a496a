"""Whatever Ollama sends, and wherever it is cut, `Channel`'s promises hold and nothing crashes."""

from hypothesis import given
from hypothesis import strategies as st

from tests.actors.channels.conftest import Json, in_order
from tests.actors.channels.fuzz import mutations, pieces
from tests.actors.channels.ollama.conftest import (
    COUNTS,
    call,
    decode,
    decode_pieces,
    last,
    line,
    ndjson,
)

TEXT = st.none() | st.text(max_size=4) | st.sampled_from(["<think>", "</think>", "<th"])
CALL: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from([None, "", "a", "b"]),
        "function": st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "index": st.integers(0, 2),
                "name": st.sampled_from(["f", "g", "g", None, ""]),
                "arguments": st.sampled_from([{}, {"a": 1}, None, "", "{}", 5, []]),
            },
        ),
    },
)


def a_line(message: Json | None, done: object, more: Json) -> Json:
    return more | {"message": message, "done": done}


LINE = st.builds(
    a_line,
    st.none()
    | st.fixed_dictionaries(
        {},
        optional={
            "role": st.just("assistant"),
            "content": TEXT,
            "thinking": TEXT,
            "tool_calls": st.none() | st.lists(CALL, max_size=2),
        },
    ),
    st.sampled_from([False, False, False, None, True, 1]),
    st.fixed_dictionaries(
        {},
        optional={
            "done_reason": st.sampled_from(["stop", "length", "load", "", None, 5]),
            "eval_count": st.none() | st.integers() | st.floats(allow_nan=False, width=16),
            "error": st.sampled_from([None, "", "no"]),
        },
    ),
)


@given(st.lists(LINE, max_size=6), st.data())
def test_any_lines_keep_the_promises_wherever_they_are_cut(
    lines: list[Json], data: st.DataObject
) -> None:
    body = ndjson(*lines)
    deltas, failure = whole = decode_pieces(body)
    assert failure is not None or in_order(deltas)
    assert decode_pieces(*pieces(body, data)) == whole


@given(st.binary() | st.text().map(str.encode))
def test_rubbish_is_a_failure_and_never_a_crash(body: bytes) -> None:
    deltas, failure = decode(body)
    assert (deltas, failure is None) == ([], False)


TRANSCRIPT = ndjson(
    line(thinking="hm"),
    line("Hel"),
    line("l\u00f6\u2028"),
    line(tool_calls=[call("f", {"city": "Paris"}, id="a"), call("g", {"n": [1.5, None]})]),
    last(counts=COUNTS),
)


@given(mutations(TRANSCRIPT), st.data())
def test_a_transcript_with_faults_is_whole_or_a_failure(body: bytes, data: st.DataObject) -> None:
    deltas, failure = whole = decode_pieces(body)
    assert failure is not None or in_order(deltas)
    assert decode_pieces(*pieces(body, data)) == whole


def test_the_transcript_itself_is_whole_wherever_it_is_cut() -> None:
    deltas, failure = decode(TRANSCRIPT)
    assert failure is None
    assert in_order(deltas)
