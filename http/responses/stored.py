"""A response as the journal has it: the object that it is, and the events that told of it, byte for byte.

What was streamed is kept for a while only. Then the object is made of what the transcript has, without
what the model thought, and the events are gone.
"""

from collections.abc import Iterator

from greenroom.actors.channels.channel import (
    Deltas,
    RefusalDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
)
from greenroom.actors.closing import outcome_of
from greenroom.actors.entries import AssistantEntry, SummaryEntry, ToolEntry, TranscriptEntry
from greenroom.actors.failure import Failure
from greenroom.actors.stores.records import StoredEntry, StoredTurn, TurnEnd
from greenroom.actors.turn import TurnAccepted, TurnEnded, TurnStarted
from greenroom.actors.turns import Found
from greenroom.http.errors import INVALID_REQUEST, NO_RETRY, ApiError
from greenroom.http.responses.asked import Asked
from greenroom.http.responses.encoder import EventEncoder
from greenroom.http.responses.log import Log
from greenroom.http.responses.objects import Response

_AT_ONCE = 256
"""Deltas whose events are written in one piece."""
_UNNUMBERED = 10**15
"""Above every number that an entry will have."""


def response_as_it_is(found: Found, asked: Asked) -> Response:
    """Return the response that a turn is, while it goes on or after its end."""
    log = Log(asked)
    log.accept(accepted_of(found.turn))
    end = found.turn.end
    if end is None:
        if found.so_far is not None:
            if found.so_far.runs:
                log.start()
            log.progress(found.so_far.deltas)
        return log.so_far
    log.progress(_told(end) if found.turn.forgotten else end.deltas)
    outcome = outcome_of(end)
    log.fail(outcome) if isinstance(outcome, Failure) else log.end(outcome)
    return log.response


def events_of(turn: StoredTurn, end: TurnEnd, encoder: EventEncoder) -> Iterator[bytes]:
    """Yield the events of a turn that has ended, in pieces.

    Raises:
        ApiError: 409, before the first piece: they are not kept any more.
    """
    if turn.forgotten:
        what = "This response's events are not kept any more; retrieve it without `stream`."
        raise ApiError(409, INVALID_REQUEST, what, code="replay_expired", headers=NO_RETRY)
    yield encoder.accept(accepted_of(turn))
    if end.served is not None:
        accepted = turn.accepted
        yield encoder.start(TurnStarted(accepted.id, end.served, accepted.model, accepted.created))
    for first in range(0, len(end.deltas), _AT_ONCE):
        yield encoder.progress(end.deltas[first : first + _AT_ONCE])
    outcome = outcome_of(end)
    if isinstance(outcome, TurnEnded):
        yield encoder.end(outcome)
    else:
        yield encoder.fail(outcome)


def accepted_of(turn: StoredTurn) -> TurnAccepted:
    """Return the event that a turn began with."""
    accepted = turn.accepted
    return TurnAccepted(accepted.id, accepted.model, accepted.created)


def input_of(turn: StoredTurn, until: int | None) -> list[StoredEntry]:
    """Return what a turn's request added to the transcript; `until` is the last number of its end.

    A turn that had to wait was accepted before that was known, and tells it by its end. What is in no
    transcript has numbers of nothing.
    """
    added: tuple[TranscriptEntry | SummaryEntry, ...] = turn.accepted.added
    entries = () if turn.end is None else turn.end.entries
    first = _UNNUMBERED if until is None or not entries else until - len(entries) + 1
    if not added:
        is_answered = bool(entries) and isinstance(entries[-1], AssistantEntry)
        added = entries[:-1] if is_answered else entries
    numbered = [
        StoredEntry(number, turn.accepted.id, entry) for number, entry in enumerate(added, first)
    ]
    return [
        stored
        for stored in numbered
        if not (isinstance(stored.entry, ToolEntry) and stored.entry.synthetic)
    ]


def _told(end: TurnEnd) -> Deltas:
    """Return deltas that say what the transcript has of a turn's answer."""
    answer = end.entries[-1] if end.entries else None
    if not isinstance(answer, AssistantEntry):
        return ()
    text = () if not answer.text else (TextDelta(answer.text),)
    refusal = () if answer.refusal is None else (RefusalDelta(answer.refusal),)
    calls = [
        delta
        for index, call in enumerate(answer.tool_calls)
        for delta in (
            ToolCallStart(index, call.id, call.name, call.kind == "custom", call.extra),
            ToolCallArguments(index, call.arguments),
        )
    ]
    return (*text, *refusal, *calls)
