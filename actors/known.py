"""Whether a request is known already: pure, what was sent before and what comes now, and a verdict out.

A client's own key (`Idempotency-Key`) names one turn for a day; the same key with another body is a
mistake. An SDK that tries again has no key, and says only that it does: then the same body is the same
turn, if that runs or has just ended.
"""

import msgspec

from greenroom.actors.closing import outcome_of
from greenroom.actors.failure import (
    CRASH_CODE,
    ENDED_CODE,
    FailureKind,
    TurnFailed,
)
from greenroom.actors.recording import Recording
from greenroom.actors.stores.records import (
    AcceptedTurn,
    StoredTurn,
    TurnEnd,
    TurnState,
)
from greenroom.actors.turn import Sender, TurnAccepted, TurnStarted

KEY_LASTS_S = 86_400.0
"""How long a client's own key names its turn."""
RETRY_LASTS_S = 60.0
"""How long after a turn's end an SDK may still try it again; they wait 8 s at most between two tries."""


class Replay(msgspec.Struct, frozen=True):
    """The request is that turn, and is told it again."""

    recording: Recording


class InsteadOf(msgspec.Struct, frozen=True):
    """The request is that turn, of which nothing counts: it runs in its place."""

    turn: str


Verdict = Replay | InsteadOf | None


def is_same(sender: Sender, other: Sender) -> bool:
    """Say whether a request is another's turn, which has not ended yet.

    Raises:
        TurnFailed: CONFLICT, if the two have one key and different bodies.
    """
    if sender.idempotency is not None:
        if sender.idempotency != other.idempotency:
            return False
        _check_body(sender, other.fingerprint)
        return True
    return sender.retry and other.idempotency is None and sender.fingerprint == other.fingerprint


def is_of(sender: Sender, stored: StoredTurn, now: float, since: float) -> bool:
    """Say whether a request is a turn that has ended, and not too long ago.

    One that is tried again was sent first at `since` or later: a turn before that was another request's,
    however alike the two are.

    Raises:
        TurnFailed: CONFLICT, if the two have one key and different bodies.
    """
    accepted = stored.accepted
    if sender.idempotency is not None:
        if sender.idempotency != accepted.idempotency or now - accepted.accepted > KEY_LASTS_S:
            return False
        if not _is_untold(stored):
            _check_body(sender, accepted.fingerprint)
        return True
    ended = accepted.accepted if stored.end is None else stored.end.ended
    return (
        sender.retry
        and accepted.idempotency is None
        and sender.fingerprint == accepted.fingerprint
        and accepted.accepted >= since
        and now - ended <= RETRY_LASTS_S
    )


def recall_unended(turn: str, recording: Recording) -> Verdict:
    """Say what a request is that is known to be a turn that waits or runs."""
    stopped = recording.stopped
    if stopped is not None and stopped.code != ENDED_CODE:
        return InsteadOf(turn)  # its readers have left, and it counts no more
    return Replay(recording)


def recall(sender: Sender, stored: StoredTurn) -> Verdict:
    """Say what a request is that is known to be a turn that has ended.

    Raises:
        TurnFailed: CONFLICT, if the turn cannot be told any more.
    """
    accepted, end = stored.accepted, stored.end
    if end is None or _is_crash(end):
        if sender.resumes:
            raise _conflict(
                "The gateway stopped before this turn had ended, so its stream cannot go on. Send the "
                "request without `x-greenroom-starting-after` to have it answered anew.",
                CRASH_CODE,
            )
        return InsteadOf(accepted.id)
    if _is_untold(stored):
        return None
    if sender.idempotency is None and end.failure is not None and end.failure.code != ENDED_CODE:
        # Whoever tries again has got nothing of it, or would not.
        return InsteadOf(accepted.id)
    if stored.forgotten:
        raise _conflict(
            "This turn has ended, and its answer is not kept for replays any more; its text is in the "
            "session.",
            "replay_expired",
        )
    return Replay(_recording(accepted, end))


def nothing_to_resume() -> TurnFailed:
    """Return the refusal of a request that goes on with a turn that is not known."""
    return _conflict(
        "No turn of this `Idempotency-Key` is known here, so its stream cannot go on. Send the request "
        "without `x-greenroom-starting-after` to have it answered anew.",
        "replay_unknown",
    )


def _is_crash(end: TurnEnd) -> bool:
    return end.failure is not None and end.failure.code == CRASH_CODE


def _is_untold(stored: StoredTurn) -> bool:
    """Say whether a turn has left nothing, with its client or its session, so that its key is free."""
    end = stored.end
    if end is None or _is_crash(end) or end.state is TurnState.FINISHED:
        return False
    return not end.entries and not (stored.accepted.streamed and end.served)


def _recording(accepted: AcceptedTurn, end: TurnEnd) -> Recording:
    started: TurnStarted | None = None
    if end.served is not None:  # else it was ended before a model had begun
        started = TurnStarted(accepted.id, end.served, accepted.model, accepted.created)
    recording = Recording.of(started, end.deltas, outcome_of(end))
    recording.accepted = TurnAccepted(accepted.id, accepted.model, accepted.created)
    return recording


def _check_body(sender: Sender, fingerprint: bytes) -> None:
    if sender.fingerprint != fingerprint:
        raise _conflict(
            "This `Idempotency-Key` was used for a request with another body. Use a new key for a new "
            "request.",
            "idempotency_key_reused",
        )


def _conflict(message: str, code: str) -> TurnFailed:
    return TurnFailed.of(FailureKind.CONFLICT, message, param="Idempotency-Key", code=code)
