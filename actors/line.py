"""The turns of one session: the one that runs, those that wait, and who may join them."""

from collections.abc import Callable

import msgspec

from greenroom.actors.channels.rate_limits import reached
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.journal import Planned
from greenroom.actors.known import Verdict, is_same, recall_unended
from greenroom.actors.recording import Recording
from greenroom.actors.session_messages import SoFar
from greenroom.actors.stores.records import AcceptedTurn
from greenroom.actors.turn import OnBusy, Sender, TurnAccepted, TurnEvent, TurnRequest
from greenroom.runtime import StreamPort

_RETRY_AFTER_S = 1.0


class Item(msgspec.Struct, frozen=True):
    """A turn that waits or runs; `ahead` is how many were before it when it came.

    Its run tells `port`, which is None where all its readers follow its recording. It is `accepted` while
    it waits if the journal has it already.
    """

    turn: TurnRequest
    port: StreamPort[TurnEvent] | None
    recording: Recording
    ahead: int
    instead_of: str | None
    accepted: AcceptedTurn | None = None

    def announce(self) -> None:
        """Tell its readers that it is taken, if it did not wait."""
        turn = self.turn
        event = TurnAccepted(turn.id, turn.model, turn.created)
        self.recording.accept(event)
        if turn.announced and self.port is not None:
            self.port.send_nowait(event)


class Running(msgspec.Struct, frozen=True):
    """The turn that runs, and what it makes of the transcript."""

    item: Item
    planned: Planned


class Line:
    """The turns of the session that is called `key`."""

    __slots__ = ("_key", "running", "waiting")

    def __init__(self, key: str) -> None:
        self._key = key
        self.waiting: list[Item] = []  # few; a deque has 0.7 KB from the beginning on
        self.running: Running | None = None

    def __len__(self) -> int:
        return len(self.waiting) + (self.running is not None)

    def items(self) -> list[Item]:
        """Return all of them, in order."""
        return [*(() if self.running is None else (self.running.item,)), *self.waiting]

    def find(self, turn: str) -> Item | None:
        """Return a turn by its id."""
        return next((item for item in self.items() if item.turn.id == turn), None)

    def known(self, sender: Sender) -> Verdict:
        """Say what a request is, if it is one of them; raises `TurnFailed` as `is_same` does."""
        for item in self.items():
            if is_same(sender, item.turn.sender):
                return recall_unended(item.turn.id, item.recording)
        return None

    def look(self, turn: str) -> SoFar | None:
        """Return how far a turn is."""
        item = self.find(turn)
        if item is None:
            return None
        return SoFar(item not in self.waiting, tuple(item.recording.deltas))

    def check_room(self, policy: OnBusy, most: int) -> None:
        """Refuse a new turn where `most` wait already, or it would rather not wait.

        Raises:
            TurnFailed: CONFLICT or BUSY.
        """
        if policy is OnBusy.REJECT and len(self):
            raise self.busy("another turn.")
        if self.running is not None and len(self.waiting) >= most:
            raise TurnFailed.of(
                FailureKind.BUSY,
                f"Session '{self._key}' has {len(self.waiting)} turns waiting, which is its limit. "
                "Try again later.",
                code="session_queue_full",
                retry_after=_RETRY_AFTER_S,
                limits=reached(most, _RETRY_AFTER_S),
            )

    def busy(self, what: str) -> TurnFailed:
        """Return the refusal of what cannot go together with the turns that there are."""
        message = f"Session '{self._key}' is busy with {what}"
        return TurnFailed.of(FailureKind.CONFLICT, message, code="session_busy")

    def take_waiting(self) -> list[Item]:
        """Take all out that wait, and return them."""
        waiting, self.waiting = self.waiting, []
        return waiting

    def drop(self, is_meant: Callable[[Item], bool], why: Failure) -> list[Item]:
        """Take those out of the waiting turns that are meant, and stop them; return them."""
        dropped = [item for item in self.waiting if is_meant(item)]
        self.waiting = [item for item in self.waiting if item not in dropped]
        for item in dropped:
            item.recording.stop(why)
        return dropped
