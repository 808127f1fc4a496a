"""How a turn ends: pure, from what was recorded to what the journal keeps and what its readers are told.

Kept is what a model said to its end, whatever came after that, and what a client has seen of an answer
that was cut, marked as interrupted. What a turn has added is kept also if somebody ended it who goes on
from it, and if tools of ours have done something for it. Of any other turn that nobody has seen anything
of nothing is kept: whoever sent it can do so again.
"""

from greenroom.actors.entries import AssistantEntry, TranscriptEntry
from greenroom.actors.failure import ENDED_CODE, Failure, FailureKind, TurnFailed
from greenroom.actors.recording import Recording
from greenroom.actors.stores.records import TurnEnd, TurnState
from greenroom.actors.stores.store import Fenced
from greenroom.actors.transcript import CUT_OFF, synthetic_results
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
    return TurnEnd(
        id=turn.id,
        state=_state(recording, failure),
        ended=now,
        entries=_entries(turn, added, recording),
        deltas=tuple(recording.deltas),
        reason=answer.reason,
        usage=recording.usage,
        cost=cost,
        served=None if recording.started is None else recording.started.served,
        failure=failure,
    )


def unbegun(turn: TurnRequest, recording: Recording, failure: Failure, now: float) -> TurnEnd:
    """Return the end of a turn that never ran."""
    return TurnEnd(turn.id, _state(recording, failure), now, failure=failure)


def outcome_of(end: TurnEnd, answered: float | None = None) -> TurnEnded | Failure:
    """Return what a turn's readers are told of its end; `answered` is when its model had ended."""
    if end.failure is not None:
        return end.failure
    assert end.reason is not None, "without a failure it is whole"  # noqa: S101 - an invariant
    return TurnEnded(end.reason, end.usage, end.cost, end.ended, answered)


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


def _entries(
    turn: TurnRequest, added: tuple[TranscriptEntry, ...], recording: Recording
) -> tuple[TranscriptEntry, ...]:
    """Return what the transcript keeps of a turn."""
    kept, steps = recording.answer.kept(), tuple(recording.steps)
    if recording.answer.reason is not None:
        return (*added, *steps, *(() if kept is None or recording.waits else (kept,)))
    if not recording.keeps:
        return ()
    stopped = recording.stopped
    if steps or (stopped is not None and stopped.code == ENDED_CODE):
        # What tools have done is done, whoever has seen it.
        return cut_off(added, steps, kept)
    return (*added, kept) if kept is not None and turn.streamed else ()


def cut_off(
    added: tuple[TranscriptEntry, ...],
    steps: tuple[TranscriptEntry, ...] = (),
    answer: AssistantEntry | None = None,
) -> tuple[TranscriptEntry, ...]:
    """Return what is kept of a turn that was cut off at that answer: each call has a result."""
    end = answer or AssistantEntry("", interrupted=True)
    return (*added, *steps, *synthetic_results(steps, CUT_OFF), end)
