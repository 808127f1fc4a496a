"""How a turn ends: pure, from what was recorded to what the journal keeps and what its readers are told.

Kept is what a model said to its end, whatever came after that, and what a client has seen of an answer
that was cut, marked as interrupted. What a turn has added is kept also if somebody ended it who goes on
from it. Of a turn that nobody has seen anything of nothing is kept: whoever sent it can do so again.
"""

from greenroom.actors.entries import AssistantEntry, TranscriptEntry
from greenroom.actors.failure import ENDED_CODE, Failure, FailureKind, TurnFailed
from greenroom.actors.recording import Recording
from greenroom.actors.stores.records import TurnEnd, TurnState
from greenroom.actors.stores.store import Fenced
from greenroom.actors.turn import TurnEnded, TurnRequest


def end_of(
    turn: TurnRequest,
    added: tuple[TranscriptEntry, ...],
    recording: Recording,
    failure: Failure | None,
    *,
    cost: float | None,
    now: float,
) -> TurnEnd:
    """Return the end of a turn that adds `added` before its answer."""
    answer = recording.answer
    if answer.reason is not None:
        failure = None
    elif failure is None:
        failure = internal("The model's answer has no end.")
    kept = _kept(turn, recording)
    return TurnEnd(
        id=turn.id,
        state=_state(recording, failure),
        ended=now,
        entries=() if kept is None else (*added, kept),
        deltas=tuple(recording.deltas),
        reason=answer.reason,
        usage=answer.usage,
        cost=cost,
        served=None if recording.started is None else recording.started.served,
        failure=failure,
    )


def unbegun(turn: TurnRequest, recording: Recording, failure: Failure, now: float) -> TurnEnd:
    """Return the end of a turn that never ran."""
    return TurnEnd(turn.id, _state(recording, failure), now, failure=failure)


def outcome_of(end: TurnEnd) -> TurnEnded | Failure:
    """Return what a turn's readers are told of its end."""
    if end.failure is not None:
        return end.failure
    assert end.reason is not None, "without a failure it is whole"  # noqa: S101 - an invariant
    return TurnEnded(end.reason, end.usage, end.cost, end.ended)


def ended_by(whom: str) -> Failure:
    """Return the failure of a turn that somebody ended who goes on from what it has said."""
    return Failure(FailureKind.CONFLICT, f"This turn was ended by {whom}.", code=ENDED_CODE)


def internal(message: str) -> Failure:
    """Return a failure that is our own fault."""
    return Failure(FailureKind.INTERNAL, message)


def store_failure(error: Exception) -> TurnFailed:
    """Return the failure of a turn whose session could not be read or written."""
    if isinstance(error, Fenced):
        what = "The session has another owner now. Try again."
        return TurnFailed.of(FailureKind.STOPPING, what, code="session_moved", retry_after=0.1)
    return TurnFailed.of(FailureKind.STORE, f"{error}", retry_after=1.0)


def stopping() -> TurnFailed:
    """Return the failure of a turn whose session is at its end."""
    return TurnFailed.of(FailureKind.STOPPING, "The session is stopping. Try again.")


def _state(recording: Recording, failure: Failure | None) -> TurnState:
    if failure is None:
        return TurnState.FINISHED
    return TurnState.FAILED if recording.stopped is None else TurnState.INTERRUPTED


def _kept(turn: TurnRequest, recording: Recording) -> AssistantEntry | None:
    """Return the answer that the transcript keeps, None if it keeps nothing of the turn."""
    kept = recording.answer.kept()
    if recording.answer.reason is not None:
        return kept
    if not recording.keeps:
        return None
    if recording.stopped is not None and recording.stopped.code == ENDED_CODE:
        return kept or AssistantEntry("", interrupted=True)
    return kept if turn.streamed else None
