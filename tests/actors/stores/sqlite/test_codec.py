"""Blobs say what was said, damaged ones say that they are, and a row of them begins as its entries do."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import Delta, Deltas, TextDelta
from greenroom.actors.entries import TranscriptEntry, UserEntry
from greenroom.actors.stores.sqlite import codec
from greenroom.actors.stores.sqlite.failures import Damaged
from tests.actors.stores.conftest import RICH, RICH_DELTAS, accepted, finished

ENTRIES: st.SearchStrategy[TranscriptEntry] = st.one_of(
    st.sampled_from(RICH), st.builds(UserEntry, st.text())
)
DELTAS: st.SearchStrategy[Delta] = st.one_of(
    st.sampled_from(RICH_DELTAS), st.builds(TextDelta, st.text())
)


@given(deltas=st.lists(DELTAS, max_size=80).map(tuple))
def test_what_was_streamed_is_told_again(deltas: Deltas) -> None:
    assert codec.decode_deltas(codec.encode_deltas(deltas)) == deltas


@given(entries=st.lists(ENTRIES, max_size=40))
def test_blobs_in_a_row_are_entries_in_a_row(entries: list[TranscriptEntry]) -> None:
    row = b"".join(map(codec.encode_entry, entries))
    assert codec.decode_added(row, len(entries)) == tuple(entries)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65_535, 65_536])
def test_any_number_of_blobs_may_be_in_a_row(count: int) -> None:
    entry = UserEntry("")
    row = codec.encode_entry(entry) * count
    assert codec.decode_added(row, count) == (entry,) * count


@given(one=st.lists(ENTRIES, max_size=6), other=st.lists(ENTRIES, max_size=6))
def test_a_row_begins_another_exactly_if_its_entries_do(
    one: list[TranscriptEntry], other: list[TranscriptEntry]
) -> None:
    first, second = (b"".join(map(codec.encode_entry, entries)) for entries in (one, other))
    assert second.startswith(first) == (other[: len(one)] == one)


def test_long_answers_take_less_room_than_they_have() -> None:
    deltas = tuple(TextDelta(f"word {n} ") for n in range(1000))
    assert len(codec.encode_deltas(deltas)) < len(msgspec.msgpack.encode(deltas)) / 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\x00\xc1",
        b"\x01",
        b"\x01no zlib",
        b"\x01" + b"x\x9c\x03\x00\x00\x00\x00\x01",
    ],
)
def test_damaged_deltas_say_so(body: bytes) -> None:
    with pytest.raises(Damaged, match="damaged"):
        codec.decode_deltas(body)


@given(at=st.integers(0, 200), byte=st.integers(0, 255))
def test_any_damage_is_damage_and_nothing_else(at: int, byte: int) -> None:
    end = finished()
    blobs = [
        codec.encode_entry(RICH[1]),
        codec.encode_accepted(accepted()),
        codec.encode_ending(end),
    ]
    for n, blob in enumerate(blobs):
        changed = bytearray(blob)
        changed[at % len(blob)] = byte
        try:
            if n == 0:
                codec.decode_entry(bytes(changed))
            elif n == 1:
                codec.decode_accepted(bytes(changed), "t1", None, (), None, None)
            else:
                codec.decode_ending(bytes(changed), "t1", "finished", 1.0, (), ())
        except Damaged:
            continue


def test_a_state_that_is_none_is_damage() -> None:
    with pytest.raises(Damaged):
        codec.decode_ending(codec.encode_ending(finished()), "t1", "done", 1.0, (), ())
