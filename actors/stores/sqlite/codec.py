"""What the journal says as the blobs that tables hold, and back: pure.

Blobs are MessagePack, by field name where the structs are the program's own, so that a field can be added
with a default. A turn's entries are each a blob; several in a row are their blobs in a row, so that one
row is the beginning of another exactly if its bytes are.
"""

import zlib
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from greenroom.actors.channels.channel import Deltas, FinishReason, Usage
from greenroom.actors.entries import SummaryEntry, TranscriptEntry
from greenroom.actors.failure import Failure
from greenroom.actors.stores.records import AcceptedTurn, TurnEnd, TurnState
from greenroom.actors.stores.sqlite.failures import Damaged
from greenroom.actors.turn import Served

AnyEntry = TranscriptEntry | SummaryEntry

_PLAIN, _DEFLATED = b"\x00", b"\x01"
_WORTH_DEFLATING = 256
"""Bytes below which a blob does not get shorter by more than it costs."""
_LEVEL = 1
"""The fastest: what is streamed is text, which shrinks to a third already, and is forgotten in a day."""


class _Accepted(msgspec.Struct, frozen=True, array_like=True):
    """An `AcceptedTurn` without what has columns of its own; fields are only ever added at the end."""

    accepted: float
    fingerprint: bytes
    model: str
    created: int
    streamed: bool
    keep_to: int | None


class _Ending(msgspec.Struct, frozen=True, array_like=True):
    """A `TurnEnd` without what has columns of its own; fields are only ever added at the end."""

    cut_from: int | None
    reason: FinishReason | None
    usage: Usage
    cost: float | None
    served: Served | None
    failure: Failure | None


T = TypeVar("T")

_STATES = {state.value for state in TurnState}

_encode = msgspec.msgpack.Encoder().encode
_entry: msgspec.msgpack.Decoder[AnyEntry] = msgspec.msgpack.Decoder(AnyEntry)
_entries = msgspec.msgpack.Decoder(tuple[TranscriptEntry, ...])
_deltas = msgspec.msgpack.Decoder(Deltas)
_accepted = msgspec.msgpack.Decoder(_Accepted)
_ending = msgspec.msgpack.Decoder(_Ending)
_metadata = msgspec.json.Decoder(dict[str, str])


def encode_entry(entry: AnyEntry) -> bytes:
    """Return an entry's blob."""
    return _encode(entry)


def decode_entry(body: bytes) -> AnyEntry:
    """Return the entry of a blob; raises Damaged."""
    return _decoded(_entry, body)


def decode_added(body: bytes, count: int) -> tuple[TranscriptEntry, ...]:
    """Return the entries of `count` blobs in a row; raises Damaged."""
    return _decoded(_entries, _array_header(count) + body)


def encode_accepted(turn: AcceptedTurn) -> bytes:
    """Return the blob of a turn's acceptance, without what has columns of its own."""
    return _encode(
        _Accepted(
            turn.accepted,
            turn.fingerprint,
            turn.model,
            turn.created,
            turn.streamed,
            turn.keep_to,
        )
    )


def listed_model(turn: AcceptedTurn) -> str | None:
    """Return the model by which a turn is found among those of all sessions, None if it is not."""
    return turn.model or None if turn.request is None else None


def encode_metadata(metadata: Mapping[str, str]) -> str | None:
    """Return a turn's metadata as JSON, in which SQL can look; None where there are none."""
    return msgspec.json.encode(metadata).decode() if metadata else None


def decode_accepted(
    body: bytes,
    turn: str,
    idempotency: str | None,
    added: tuple[TranscriptEntry, ...],
    request: bytes | None,
    metadata: str | None,
    steps: tuple[TranscriptEntry, ...] = (),
) -> AcceptedTurn:
    """Return the acceptance of a blob and what has columns of its own; raises Damaged."""
    kept = _decoded(_accepted, body)
    return AcceptedTurn(
        id=turn,
        accepted=kept.accepted,
        fingerprint=kept.fingerprint,
        idempotency=idempotency,
        model=kept.model,
        created=kept.created,
        streamed=kept.streamed,
        keep_to=kept.keep_to,
        added=added,
        request=request,
        steps=steps,
        metadata={} if metadata is None else _decoded(_metadata, metadata.encode()),
    )


def encode_ending(end: TurnEnd) -> bytes:
    """Return the blob of a turn's end, without id, state, time, entries and deltas."""
    return _encode(_Ending(end.cut_from, end.reason, end.usage, end.cost, end.served, end.failure))


def decode_ending(
    body: bytes, turn: str, state: str, ended: float, entries: tuple[AnyEntry, ...], deltas: Deltas
) -> TurnEnd:
    """Return the end of a blob and what has columns of its own; raises Damaged."""
    kept = _decoded(_ending, body)
    if state not in _STATES:
        raise Damaged(f"a turn's state is damaged: {state!r}")
    return TurnEnd(
        id=turn,
        state=TurnState(state),
        ended=ended,
        cut_from=kept.cut_from,
        entries=entries,
        deltas=deltas,
        reason=kept.reason,
        usage=kept.usage,
        cost=kept.cost,
        served=kept.served,
        failure=kept.failure,
    )


def encode_deltas(deltas: Deltas) -> bytes:
    """Return the blob of what was streamed."""
    body = _encode(deltas)
    if len(body) < _WORTH_DEFLATING:
        return _PLAIN + body
    return _DEFLATED + zlib.compress(body, _LEVEL)


def decode_deltas(body: bytes) -> Deltas:
    """Return what was streamed; raises Damaged."""
    try:
        plain = zlib.decompress(body[1:]) if body[:1] == _DEFLATED else body[1:]
    except zlib.error as error:
        raise Damaged(f"a turn's events are damaged: {error}") from error
    return _decoded(_deltas, plain)


def _decoded(decoder: msgspec.msgpack.Decoder[T] | msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"a part of the journal is damaged: {error}") from error


def _array_header(count: int) -> bytes:
    """Return how MessagePack begins an array of `count` values."""
    if count < 16:
        return bytes([0x90 | count])
    if count < 65_536:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")
