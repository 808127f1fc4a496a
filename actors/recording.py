"""What a turn has told so far: for its answer, for its journal, and for those who hear it late.

It knows who listens. When the last reader of a turn leaves that is nobody else's business, the turn is
stopped in that same moment; so a client's leaving closes its upstream's socket at once.
"""

from typing import Any

import msgspec
import trio

from greenroom.actors.answer import Answer
from greenroom.actors.channels.channel import NOTHING, Delta, Deltas, FinishReason, Usage
from greenroom.actors.copies import joined
from greenroom.actors.entries import AssistantEntry, ToolEntry, TranscriptEntry
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.turn import OnDisconnect, TurnAccepted, TurnEnded, TurnStarted
from greenroom.runtime import StreamPort

LEFT = Failure(FailureKind.INTERRUPTED, "The client left before the answer was whole.")


class Recording:
    """One turn's events, from its first on; `outcome` is set once they are kept.

    It is `whole` once nothing more is said in it. `steps` are what it has said and done before the
    `answer` that it is at. One that `waits` has ended with the last of them, whose calls are the
    client's. `answered` is when the model had ended, by trio's clock.
    """

    __slots__ = (
        "_cancels",
        "_news",
        "_readers",
        "_spent",
        "accepted",
        "answer",
        "answered",
        "deltas",
        "keeps",
        "outcome",
        "scope",
        "started",
        "steps",
        "stopped",
        "waits",
        "whole",
    )

    def __init__(self, on_disconnect: OnDisconnect = OnDisconnect.CONTINUE) -> None:
        self._cancels = on_disconnect is OnDisconnect.CANCEL
        self._readers = 0
        self._news: trio.Event | None = None
        self.scope = trio.CancelScope()
        self.answer = Answer()
        self.steps: list[TranscriptEntry] = []
        self.waits = False
        self.whole = False
        self._spent = NOTHING
        self.deltas: list[Delta] = []
        self.accepted: TurnAccepted | None = None
        self.started: TurnStarted | None = None
        self.stopped: Failure | None = None
        self.answered: float | None = None
        self.keeps = True
        self.outcome: TurnEnded | Failure | None = None

    @classmethod
    def of(
        cls, started: TurnStarted | None, deltas: Deltas, outcome: TurnEnded | Failure
    ) -> "Recording":
        """Return the recording of a turn that has ended."""
        made = cls()
        made.started = started
        made.deltas.extend(deltas)
        made.outcome = outcome
        return made

    # Who listens

    @property
    def abandoned(self) -> bool:
        """Whether nobody listens who would have to."""
        return self._cancels and not self._readers

    def join(self, port: StreamPort[Any]) -> None:
        """Count a reader in, until it leaves."""
        self._readers += 1
        port.on_leave(self._leave)

    def _leave(self) -> None:
        self._readers -= 1
        if self.abandoned and self.outcome is None:
            self.stop(LEFT)

    def stop(self, why: Failure, *, keeps: bool = True) -> None:
        """End the turn where it stands, and with `keeps` keep what it has said; the first reason counts.

        Does nothing to a turn whose answer is whole.
        """
        if self.stopped is None and not self.whole:
            self.stopped, self.keeps = why, keeps
            self.scope.cancel()

    # What it does

    @property
    def usage(self) -> Usage:
        """The tokens of all its model calls."""
        return self._spent + self.answer.usage

    def step(self, entry: AssistantEntry) -> None:
        """Take down an answer that is not the last one: its calls are worked off here."""
        self.steps.append(entry)
        self._spent += self.answer.usage
        self.answer = Answer()

    def discard(self) -> None:
        """Take it that the answer is none, though it took tokens."""
        self._spent += self.answer.usage
        self.answer = Answer()

    def did(self, result: ToolEntry) -> None:
        """Take down a call's result."""
        self.steps.append(result)

    def wait(self) -> None:
        """Take down that its last step has calls that are the client's, so that it ends there."""
        said = self.answer.entry().text
        if said:
            # What was told beside the calls goes with the answer that has made them.
            place = max(i for i, one in enumerate(self.steps) if isinstance(one, AssistantEntry))
            step = self.steps[place]
            assert isinstance(step, AssistantEntry), "it was looked for"  # noqa: S101
            text = joined([step.text or "", said])
            self.steps[place] = msgspec.structs.replace(step, text=text)
        self.waits = self.whole = True
        self.answer.reason = FinishReason.TOOL_CALLS

    # What it tells

    def accept(self, event: TurnAccepted) -> None:
        """Take down that the turn is taken."""
        self.accepted = event
        self._tell()

    def start(self, event: TurnStarted) -> None:
        """Take down that the model has begun."""
        self.started = event
        self._tell()

    def add(self, told: Deltas) -> None:
        """Take down what was told."""
        self.deltas.extend(told)
        self._tell()

    def end(self, outcome: TurnEnded | Failure) -> None:
        """Take down how it ended."""
        self.outcome = outcome
        self._tell()

    async def news(self) -> None:
        """Wait until something was added."""
        if self._news is None:
            self._news = trio.Event()
        await self._news.wait()

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None


def settle(port: StreamPort[Any], outcome: TurnEnded | Failure) -> None:
    """Tell a reader how its turn ended."""
    if isinstance(outcome, TurnEnded):
        port.close(outcome)
    else:
        port.fail(TurnFailed(outcome))
