"""What is read by a frame is what a parser would read, and what only a parser can read is left to one."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.openai.frame import Frame, frame_of


def content_in(data: bytes) -> str:
    """Return the content of an event that has nothing else but what is fixed."""
    try:
        found = json.loads(data.decode())
    except ValueError:
        return ""
    content = found.pop("content", "") if isinstance(found, dict) else ""
    return content if isinstance(content, str) and found == {"own": "b", "more": [1]} else ""


EVENT = b'{"own": "b", "content": "a", "more": [1]}'


def frame() -> Frame:
    found = frame_of(EVENT, "a", content_in)
    assert found is not None
    return found


ENCODED = st.text().map(msgspec.json.encode)
SPECIAL = st.sampled_from(
    [b'"', b"\\", b"\n", b"\x00", b"\x1f", b"\x7f", b"\xff", b"\xed\xa0\x80", b""]
)


@given(ENCODED | st.tuples(st.text().map(str.encode), SPECIAL).map(lambda p: b'"%b%b"' % p))
def test_what_a_frame_reads_a_parser_reads_too(string: bytes) -> None:
    data = EVENT.replace(b'"a"', string)
    text = "".join(frame().texts([data], 0))
    assert text in {"", content_in(data)}
    assert frame().text_of_lone(b"data: %b\n\n" % data) == text
    plain = b"\\" not in string and string != b'""'
    assert bool(text) == (plain and content_in(data) != "")


@pytest.mark.parametrize("string", [b'"c"', b'"\xc3\xa9"', b'"a b"', b'"\x7f"'])
def test_plain_strings_need_no_parser(string: bytes) -> None:
    assert frame().texts([EVENT.replace(b'"a"', string)], 0) == [string[1:-1].decode()]


def test_events_are_read_up_to_the_next_that_has_to_be_parsed() -> None:
    events = [EVENT, EVENT.replace(b'"a"', b'"c"'), b"{}", EVENT]
    assert frame().texts(events, 0) == ["a", "c"]
    assert frame().texts(events, 1) == ["c"]
    assert frame().texts(events, 2) == []
    assert frame().texts(events, 3) == ["a"]


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b'{"own": "b", "content": "b", "more": [1]}', "b"),
        (b'{"content": "a", "own": "b", "content": "a", "more": [1]}', "a"),
        (b'{"own": "b", "content": "\\u0061", "more": [1]}', "a"),
        (b'{"own": "b", "content": "content", "more": [1]}', "content"),
    ],
)
def test_an_event_in_which_the_place_of_the_content_is_not_certain_has_no_frame(
    data: bytes, content: str
) -> None:
    assert frame_of(data, content, content_in) is None


@pytest.mark.parametrize(
    "data",
    [
        b"data: %b\n" % EVENT,
        b"data: %b\r\n\r\n" % EVENT,
        b"data: %b\n\ndata: %b\n\n" % (EVENT, EVENT),
        b"data: %b\n\ndata: " % EVENT,
        b"\ndata: %b\n\n" % EVENT,
        b"data:%b\n\n" % EVENT,
        b'data: {"own": "b", "content": "more": [1]}\n\n',
        b"",
    ],
)
def test_bytes_that_are_not_one_event_are_not_read_as_one(data: bytes) -> None:
    assert frame().text_of_lone(data) == ""
