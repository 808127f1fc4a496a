"""What comes first tells how the rest is to be read."""

import pytest

from greenroom.actors.channels.answer_reader import AnswerReader, APage
from greenroom.actors.channels.lines import MAX_SIZE, TooLarge
from greenroom.actors.channels.sse import Event


def test_events_come_as_they_are_completed() -> None:
    reader = AnswerReader()
    assert reader.feed(b"\n\xef\xbb\xbf: no\n\nda") == []
    assert reader.feed(b"ta: yes\n\ndata: half") == [Event(b"", b"yes")]
    assert not reader.whole
    assert reader.end() == Event(b"", b"half")


@pytest.mark.parametrize("body", [b'{"a": 1}', b"[1]", b"{never closed"])
def test_a_json_value_comes_at_the_end(body: bytes) -> None:
    reader = AnswerReader()
    assert reader.feed(b" \r\n") == []
    assert [reader.feed(bytes([byte])) for byte in body] == [[]] * len(body)
    assert reader.whole
    assert reader.end() == Event(b"", body)


def test_no_bytes_are_no_event() -> None:
    reader = AnswerReader()
    assert reader.feed(b"\n") == []
    assert reader.end() is None


def test_a_page_is_none_of_these() -> None:
    with pytest.raises(APage):
        AnswerReader().feed(b"\n<html>")


def test_a_value_without_an_end_is_not_kept_for_ever() -> None:
    reader = AnswerReader()
    reader.feed(b"[")
    with pytest.raises(TooLarge):
        reader.feed(b" " * MAX_SIZE)
