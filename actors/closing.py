"""How a turn ends: pure, from what was recorded to what the journal keeps and what its readers are told.

Kept is what a model said to its end, and what a client has seen of an answer that was cut, marked as
interrupted. Of a turn that nobody has seen anything of nothing is kept: whoever sent it can do so again.
"""

from greenroom.actors.entries import TranscriptEntry
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.recording import Recording
from greenroom.actors.stores.records import TurnEnd, TurnState
from greenroom.actors.stores.store import Fenced
from greenroom.actors.turn import TurnEnded, TurnRequest

_ENDED = "turn_ended"


def end_of(
    turn: TurnRequest,
    added: tuple[TranscriptEntry, ...],
    recording: Recording,
    failure: Failure | None,
    *,
    cost: float | None,
    now: float,
    keeps: bool = True,
) -> TurnEnd:
    """Return the end of a turn that adds `added` before its answer; without `keeps` it adds nothing."""
    answer = recording.answer
    kept = answer.kept()
    shown = answer.reason is not None or turn.streamed or _is_gone_on_from(recording)
    return TurnEnd(
        id=turn.id,
        state=_state(recording, failure),
        ended=now,
        entries=(*added, kept) if kept is not None and shown and keeps else (),
        deltas=tuple(recording.deltas),
        reason=answer.reason,
        usage=answer.usage,
        cost=cost,
        served=None if recording.started is None else recording.started.served,
        failure=failure,
    )


def outcome_of(end: TurnEnd, recording: Recording) -> TurnEnded | Failure:
    """Return what a turn's readers are told of its end."""
    if end.failure is not None:
        return end.failure
    assert end.reason is not None, "without a failure it is whole"  # noqa: S101 - an invariant
    return TurnEnded(end.reason, end.usage, end.cost, recording.answered)


def ended_by(whom: str) -> Failure:
    """Return the failure of a turn that somebody ended who goes on from what it has said."""
    return Failure(FailureKind.CONFLICT, f"This turn was ended by {whom}.", code=_ENDED)


def internal(message: str) -> Failure:
    """Return a failure that is our own fault."""
    return Failure(FailureKind.INTERNAL, message)


def store_failure(error: Exception) -> TurnFailed:
    """Return the failure of a turn whose session could not be read or written."""
    if isinstance(error, Fenced):
        what = "The session has another owner now. Try again."
        return TurnFailed.of(FailureKind.STOPPING, what, code="session_moved", retry_after=0.1)
    return TurnFailed.of(FailureKind.STORE, f"{error}", retry_after=1.0)


def _state(recording: Recording, failure: Failure | None) -> TurnState:
    if failure is None:
        return TurnState.FINISHED
    return TurnState.FAILED if recording.stopped is None else TurnState.INTERRUPTED


def _is_gone_on_from(recording: Recording) -> bool:
    return recording.stopped is not None and recording.stopped.code == _ENDED
