"""Whether a request is known already: pure, what was sent before and what comes now, and a verdict out.

A client's own key (`Idempotency-Key`) names one turn for a day; the same key with another body is a
mistake. An SDK that tries again has no key, and says only that it does: then the same body is the same
turn, if that runs or has just ended.
"""

from collections import OrderedDict

import msgspec

from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.recording import Recording
from greenroom.actors.stores.records import AcceptedTurn, StoredTurn, TurnEnd, TurnState
from greenroom.actors.turn import Sender, TurnEnded, TurnStarted

KEY_LASTS_S = 86_400.0
"""How long a client's own key names its turn."""
MOST_UNDER_WAY = 20_000
"""Requests without a session that are known while they are answered."""
RETRY_LASTS_S = 600.0
"""How long after a turn's end an SDK may still try it again."""

CRASH_CODE = "turn_interrupted"
"""The code of a turn that nobody ended: the gateway went down meanwhile."""


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


def is_of(sender: Sender, stored: StoredTurn, now: float) -> bool:
    """Say whether a request is a turn that has ended, and not too long ago.

    Raises:
        TurnFailed: CONFLICT, if the two have one key and different bodies.
    """
    accepted = stored.accepted
    if sender.idempotency is not None:
        if sender.idempotency != accepted.idempotency or now - accepted.accepted > KEY_LASTS_S:
            return False
        _check_body(sender, accepted.fingerprint)
        return True
    ended = accepted.accepted if stored.end is None else stored.end.ended
    return (
        sender.retry
        and accepted.idempotency is None
        and sender.fingerprint == accepted.fingerprint
        and now - ended <= RETRY_LASTS_S
    )


def recall(sender: Sender, stored: StoredTurn) -> Verdict:
    """Say what a request is that is known to be a turn that has ended.

    Raises:
        TurnFailed: CONFLICT, if the turn cannot be told any more.
    """
    accepted, end = stored.accepted, stored.end
    if end is None or (end.failure is not None and end.failure.code == CRASH_CODE):
        if sender.resumes:
            raise _conflict(
                "The gateway stopped before this turn had ended, so its stream cannot go on. Send the "
                "request without `x-greenroom-starting-after` to have it answered anew.",
                CRASH_CODE,
            )
        return InsteadOf(accepted.id)
    if end.state is not TurnState.FINISHED and not (accepted.streamed and end.served):
        return None  # nobody was told anything of it
    if stored.forgotten:
        raise _conflict(
            "This turn has ended, and its answer is not kept for replays any more; its text is in the "
            "session.",
            "replay_expired",
        )
    return Replay(_recording(accepted, end))


def _recording(accepted: AcceptedTurn, end: TurnEnd) -> Recording:
    assert end.served is not None, "a turn that told something was served"  # noqa: S101
    started = TurnStarted(accepted.id, end.served, accepted.model, accepted.created)
    outcome: TurnEnded | Failure
    if end.reason is not None:
        outcome = TurnEnded(end.reason, end.usage, end.cost)
    else:
        assert end.failure is not None, "a turn ends well or with a failure"  # noqa: S101
        outcome = end.failure
    return Recording.of(started, end.deltas, outcome)


def _check_body(sender: Sender, fingerprint: bytes) -> None:
    if sender.fingerprint != fingerprint:
        raise _conflict(
            "This `Idempotency-Key` was used for another request, with another body or other "
            "credentials. Use a new key for a new request.",
            "idempotency_key_reused",
        )


def _conflict(message: str, code: str) -> TurnFailed:
    return TurnFailed.of(FailureKind.CONFLICT, message, param="Idempotency-Key", code=code)


class Recent:
    """Sessions that pass, for SDKs that lost their answers on the way and ask again.

    It knows in which of them a request is answered now, and the last answers; those are bounded in
    number, in size (characters) and in time (seconds). Nothing of it outlives the process.
    """

    def __init__(self, most: int = 256, size: int = 8 * 1024 * 1024, lasts: float = 60.0) -> None:
        self._most = most
        self._bound = size
        self._lasts = lasts
        self._size = 0
        self._kept: OrderedDict[bytes, tuple[float, Recording]] = OrderedDict()
        self._under_way: OrderedDict[bytes, str] = OrderedDict()

    def session_of(self, sender: Sender, session: str) -> str:
        """Return where a request is answered: in a session of its own, or where it is already."""
        if sender.retry:
            return self._under_way.get(sender.fingerprint, session)
        if sender.fingerprint:
            self._under_way[sender.fingerprint] = session
            self._under_way.move_to_end(sender.fingerprint)
            if len(self._under_way) > MOST_UNDER_WAY:
                self._under_way.popitem(last=False)
        return session

    def ended(self, fingerprint: bytes, session: str) -> None:
        """Forget where a request was answered."""
        if self._under_way.get(fingerprint) == session:
            del self._under_way[fingerprint]

    def keep(self, fingerprint: bytes, recording: Recording, now: float) -> None:
        """Remember an answer; the oldest go for it."""
        self._forget(fingerprint)
        if recording.answer.size > self._bound // 4:
            return
        self._kept[fingerprint] = now, recording
        self._size += recording.answer.size
        while len(self._kept) > self._most or self._size > self._bound:
            self._forget(next(iter(self._kept)))

    def find(self, fingerprint: bytes, now: float) -> Recording | None:
        """Return the answer to the same request, if it is still there."""
        while self._kept:
            first = next(iter(self._kept))
            if now - self._kept[first][0] <= self._lasts:
                break
            self._forget(first)
        kept = self._kept.get(fingerprint)
        return None if kept is None else kept[1]

    def _forget(self, fingerprint: bytes) -> None:
        kept = self._kept.pop(fingerprint, None)
        if kept is not None:
            self._size -= kept[1].answer.size
