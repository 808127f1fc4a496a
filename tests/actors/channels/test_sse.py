"""Server-sent events are read as the standard says, and as servers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.lines import TooLarge
from greenroom.actors.channels.sse import Event, EventReader, run_of

TOKENS = [
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"data",
    b"event",
    b"error",
    b"id",
    b"retry",
    b":",
    b": ",
    b" ",
    b"x",
]
STREAMS = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from([*TOKENS, "\u2028é👋".encode(), b"\xef\xbb\xbf"]), max_size=30).map(
        b"".join
    ),
)


def events_of(*pieces: bytes) -> list[Event]:
    reader = EventReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    last = reader.end()
    return events if last is None else [*events, last]


@given(STREAMS)
def test_cuts_change_nothing(stream: bytes) -> None:
    whole = events_of(stream)
    for cut in range(len(stream) + 1):
        assert events_of(stream[:cut], stream[cut:]) == whole
    assert events_of(*(bytes([byte]) for byte in stream)) == whole


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [(b"", b"a"), (b"", b"b")]),
        (b"data: a\r\n\r\ndata: b\r\r", [(b"", b"a"), (b"", b"b")]),
        (b"data:a\n\n", [(b"", b"a")]),
        (b"data:  a \n\n", [(b"", b" a ")]),
        (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
        (b"data\n\n", [(b"", b"")]),
        (b"data:\n\n", [(b"", b"")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [(b"error", b"a"), (b"", b"b")]),
        (b"event: ping\n\ndata: b\n\n", [(b"", b"b")]),
        (b'error: {"code":500}\n\ndata: b\n\n', [(b"error", b'{"code":500}'), (b"", b"b")]),
        (b"id: 7\nretry: 1000\ndata: a\n\n: comment\n\n", [(b"", b"a")]),
        (b": OPENROUTER PROCESSING\n\ndata: a\n\n", [(b"", b"a")]),
        (b"unknown: x\ndata: a\n\n", [(b"", b"a")]),
        (b"data: a\n", [(b"", b"a")]),
        (b"data: a", [(b"", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b"data: \xef\xbb\xbfa\n\n", [(b"", b"\xef\xbb\xbfa")]),
        ("data: {\u2028\u0085}\n\n".encode(), [(b"", "{\u2028\u0085}".encode())]),
        (b"", []),
        (b"\n\n\n", []),
    ],
)
def test_events_are_what_the_lines_say(stream: bytes, events: list[tuple[bytes, bytes]]) -> None:
    assert events_of(stream) == events


def test_an_event_of_many_lines_is_bounded() -> None:
    reader = EventReader(limit=1000)
    for _ in range(1000):
        assert reader.feed(b"data:\n") == []
    with pytest.raises(TooLarge, match="1000 bytes"):
        reader.feed(b"data:\n")


def test_the_bound_is_an_events_and_not_the_streams() -> None:
    reader = EventReader(limit=100)
    assert len([event for _ in range(100) for event in reader.feed(b"data: abcdefgh\n\n")]) == 100


RUNS = st.lists(
    st.sampled_from(
        [
            b"data: ",
            b"data: {}",
            b"data:",
            b"\n\n",
            b"\n\n",
            b"\n",
            b"\r",
            b": c",
            b"event: e",
            b"x",
        ]
    ),
    max_size=12,
).map(b"".join)


@given(RUNS | RUNS.map(b"data: ".__add__))
def test_a_run_and_what_follows_it_are_the_events_of_both(data: bytes) -> None:
    plain, rest = run_of(data)
    reader = EventReader()
    reader.feed(b"data: before\n\n")
    assert reader.between
    follow = [Event(b"", event) for event in plain] + reader.feed(rest)
    assert follow == EventReader().feed(data)


def test_a_run_is_all_events_of_one_line_that_a_read_brings() -> None:
    assert run_of(b"data: a\n\ndata: b\n\ndata: c") == ([b"a", b"b"], b"data: c")
    assert run_of(b"data: a\n\n") == ([b"a"], b"")
    assert run_of(b"data: a\n\n: c\n\n") == ([], b"data: a\n\n: c\n\n")
