"""The events of one response, in order and numbered: pure, from a turn's events; and the response so far.

A turn that runs and one that the journal tells of give the same events. So does the response itself:
whoever reads the last event has what a retrieval returns.
"""

from itertools import count

from greenroom.actors.channels.channel import Deltas, FinishReason, Usage
from greenroom.actors.failure import Failure, FailureKind
from greenroom.actors.turn import TurnAccepted, TurnEnded, TurnStarted
from greenroom.http.errors import of_failure
from greenroom.http.responses import event_objects as events
from greenroom.http.responses.asked import Asked, Outcome, response_of
from greenroom.http.responses.event_objects import Event
from greenroom.http.responses.objects import (
    IncompleteDetails,
    InputDetails,
    OutputDetails,
    Response,
    ResponseError,
    ResponseUsage,
)
from greenroom.http.responses.output import Output

_CUT = {
    FinishReason.LENGTH: IncompleteDetails("max_output_tokens"),
    FinishReason.CONTENT_FILTER: IncompleteDetails("content_filter"),
}
_ENDED_BY_SOMEBODY = "turn_ended"


class Log:
    """Tells of one response; `accept` comes first."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._numbers = count()
        self._accepted = TurnAccepted("")
        self._output = Output("", self._numbers, summarises=False)
        self._outcome = Outcome("queued" if asked.background else "in_progress")

    @property
    def next_number(self) -> int:
        """The number of the next event."""
        return next(self._numbers)

    @property
    def response(self) -> Response:
        """The response as it is now."""
        turn, model, created = self._accepted.turn, self._accepted.model, self._accepted.created
        return response_of(self._asked, turn, model, created, self._outcome)

    @property
    def so_far(self) -> Response:
        """The response as it is now, with what has been said of its output."""
        self._outcome = Outcome(self._outcome.status, self._output.items())
        return self.response

    def accept(self, accepted: TurnAccepted) -> list[Event]:
        """Say that there is a response, which waits if nobody waits for it, and else is begun."""
        self._accepted = accepted
        self._output = Output(accepted.turn, self._numbers, summarises=self._asked.summarises)
        kind = events.Queued if self._asked.background else events.InProgress
        return [self._snapshot(events.Created), self._snapshot(kind)]

    def start(self, _: TurnStarted | None = None) -> list[Event]:
        """Say that the model is at work, if that is not said."""
        if self._outcome.status != "queued":
            return []
        self._outcome = Outcome("in_progress")
        return [self._snapshot(events.InProgress)]

    def progress(self, deltas: Deltas) -> list[Event]:
        """Say what the model says."""
        return [event for delta in deltas for event in self._output.take(delta)]

    def end(self, ended: TurnEnded) -> list[Event]:
        """Say that it has ended, and why."""
        cut = _CUT.get(ended.reason)
        closed = self._output.close("completed" if cut is None else "incomplete")
        self._outcome = Outcome(
            "completed" if cut is None else "incomplete",
            self._output.items(),
            usage_of(ended.usage),
            incomplete=cut,
            completed_at=int(ended.ended) if cut is None else None,
        )
        kind = events.Completed if cut is None else events.Incomplete
        return [*closed, self._snapshot(kind)]

    def fail(self, failure: Failure) -> list[Event]:
        """Say that it has failed, or was cancelled."""
        self._output.break_off()
        cancelled = is_cancelled(failure)
        self._outcome = Outcome(
            "cancelled" if cancelled else "failed",
            self._output.items(),
            error=None if cancelled else error_of(failure),
        )
        return [self._snapshot(events.Failed)]

    def _snapshot(self, kind: type[events.Snapshot]) -> Event:
        return kind(sequence_number=next(self._numbers), response=self.response)


def usage_of(usage: Usage) -> ResponseUsage:
    """Return a turn's usage in the API's form."""
    return ResponseUsage(
        usage.prompt,
        InputDetails(usage.cached, usage.cache_write),
        usage.completion,
        OutputDetails(usage.reasoning),
        usage.prompt + usage.completion,
    )


def is_cancelled(failure: Failure) -> bool:
    """Say whether a turn did not fail but was ended: by a request, or by its client's leaving."""
    if failure.kind is FailureKind.INTERRUPTED:
        return failure.code is None
    return failure.code == _ENDED_BY_SOMEBODY


def is_kept(failure: Failure) -> bool:
    """Say whether a turn that failed so has ended with that, and not only whoever heard it."""
    return failure.kind not in (FailureKind.STORE, FailureKind.STOPPING)


def error_of(failure: Failure) -> ResponseError:
    """Return a failure as a response has it.

    OpenAI's codes for what is the model's or the server's fault are fewer than ours, so that is one of
    theirs; the message says more.
    """
    api_error = of_failure(failure)
    own = api_error.body.code or "invalid_prompt"
    code = "server_error" if api_error.status >= 500 else own
    return ResponseError(code, api_error.body.message)
