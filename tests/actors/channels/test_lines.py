"""Lines end where LF, CRLF and CR are, however the bytes arrive, and nowhere else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.lines import LineReader, TooLarge

STREAMS = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"bc", "\u2028".encode(), b"\x85"])
)


def lines_of(*pieces: bytes) -> list[bytes]:
    reader = LineReader()
    lines = [line for piece in pieces for line in reader.feed(piece)]
    return [*lines, reader.end()]


@given(STREAMS.map(b"".join))
def test_lines_are_those_of_the_standard(stream: bytes) -> None:
    assert lines_of(stream) == re.split(rb"\r\n|\n|\r", stream)


@given(STREAMS.map(b"".join), st.data())
def test_cuts_change_nothing(stream: bytes, data: st.DataObject) -> None:
    whole = lines_of(stream)
    for cut in range(len(stream) + 1):
        assert lines_of(stream[:cut], stream[cut:]) == whole
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert lines_of(*pieces) == whole


def test_a_carriage_return_ends_its_line_at_once() -> None:
    reader = LineReader()
    assert reader.feed(b"one\r") == [b"one"]
    assert reader.feed(b"\ntwo\n") == [b"two"]


def test_unicode_line_separators_are_text() -> None:
    text = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg".encode()
    assert lines_of(text + b"\n") == [text, b""]


@pytest.mark.parametrize("piece", [b"x", b"xxxx", b"x" * 1000])
def test_a_line_past_the_bound_is_an_error(piece: bytes) -> None:
    reader = LineReader(limit=100)
    for _ in range(100 // len(piece)):
        assert reader.feed(piece) == []
    with pytest.raises(TooLarge, match="100 bytes"):
        reader.feed(piece)


def test_a_whole_line_past_the_bound_is_an_error_too() -> None:
    with pytest.raises(TooLarge):
        LineReader(limit=100).feed(b"x" * 101 + b"\n")


def test_a_line_of_just_the_bound_passes() -> None:
    assert LineReader(limit=100).feed(b"x" * 100 + b"\n") == [b"x" * 100]
