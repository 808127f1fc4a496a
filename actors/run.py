"""The execution of one turn: call the model, pass on what it says, report how it ended.

A run never decides what becomes of its session: it ends with a result, and the session does the rest.
Until the first word it may ask again, or ask another model, as `attempts` says; after it nothing is
switched, for the client has heard who answers.
"""

import msgspec
import trio

from greenroom.actors.attempts import Again, Attempts, GiveUp
from greenroom.actors.calling import Bill, Caller, Upstreams
from greenroom.actors.channels.channel import Deltas, Finish, Usage
from greenroom.actors.channels.upstream_errors import TOO_LONG
from greenroom.actors.draft import Draft
from greenroom.actors.entries import Keepsake, SummaryEntry
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.recording import LEFT, Recording
from greenroom.actors.summing import sum_up
from greenroom.actors.turn import Progress, Route, Served, TurnEvent, TurnRequest, TurnStarted
from greenroom.actors.window import Cut
from greenroom.runtime import Actor, Message, StreamPort

MAX_ANSWER = 16 * 1024 * 1024
"""Characters of text, thinking and arguments that one answer may have."""

_SHARE = 2 / 3
"""How much of the time for a first word one model may take while another is left to be asked."""

_NOT_TOLD = (Finish, Usage, Keepsake)


class Begin(Message, frozen=True):
    """Start the run."""


class SummedUp(msgspec.Struct, frozen=True):
    """What was summed up on the way: how many of the session's entries, and what stands for them."""

    entries: int
    summary: SummaryEntry


class RunResult(msgspec.Struct, frozen=True):
    """How a run ended: with a failure, or without one; what was said stands in its recording.

    `cost` is money, by the configuration's prices, None where there are none. `guessed` is how many
    tokens the prompt was thought to take.
    """

    failure: Failure | None = None
    cost: float | None = None
    guessed: int = 0
    summed_up: SummedUp | None = None


class Run(Actor[Begin]):
    """One turn's work; it stops by itself and leaves a `RunResult`.

    It tells what the model says to `port`, and waits for that reader; without one nobody makes it wait.
    """

    mailbox_size = 1

    def __init__(
        self,
        turn: TurnRequest,
        draft: Draft,
        upstreams: Upstreams,
        recording: Recording,
        port: StreamPort[TurnEvent] | None,
        *,
        time_limit: float,
        ahead: int = 0,
    ) -> None:
        self._turn = turn
        self._attempts = Attempts(turn.route, turn.fallbacks, upstreams.random)
        self._draft = draft
        self._upstreams = upstreams
        self._recording = recording
        self._port = port
        self._time_limit = time_limit
        self._ahead = ahead
        self._bill = Bill()
        self._summed_up: SummedUp | None = None
        self._guessed = 0

    async def receive(self, message: Begin) -> None:
        recording = self._recording
        failure: Failure | None = LEFT
        with recording.scope:
            with trio.move_on_after(self._time_limit) as limit:
                failure = await self._converse(Caller(self._upstreams, self._bill, self.log))
            if limit.cancelled_caught:
                failure = Failure(
                    FailureKind.UPSTREAM_TIMEOUT,
                    f"The turn took longer than its limit of {self._time_limit:g} s.",
                )
        if recording.stopped is not None:
            failure = recording.stopped
        self.stop(RunResult(failure, self._bill.cost, self._guessed, self._summed_up))

    async def _converse(self, caller: Caller) -> Failure | None:
        attempts = self._attempts
        await self._shorten(self._draft.due(), caller, self._turn.route)
        deadline = trio.current_time() + self._upstreams.patience
        while True:
            route = attempts.begin()
            prompt = self._draft.prompt()
            self._guessed = self._draft.size()

            async def take(deltas: Deltas, route: Route = route) -> None:
                await self._take(deltas, route)

            left = deadline - trio.current_time()
            first_by = deadline - left * (1 - _SHARE) if attempts.has_others else deadline
            made = await caller.call(route, prompt, take, first_by=first_by)
            failure = made.failure
            if failure is None or self._recording.started is not None:
                return failure
            if failure.code == TOO_LONG and self._summed_up is None:
                deadline += self._draft.shortening.seconds
                if await self._shorten(self._draft.forced(), caller, route):
                    continue
            step = attempts.failed(failure, made.retry)
            if isinstance(step, Again) and trio.current_time() + step.seconds >= deadline:
                step = GiveUp(failure)
            self.log.info(
                "run.attempt_failed",
                model=str(route),
                attempt=attempts.count,
                kind=failure.kind.value,
                code=failure.code,
                next=str(step.route) if isinstance(step, Again) else None,
            )
            match step:
                case GiveUp(final):
                    return final
                case Again(_, seconds):
                    await trio.sleep(seconds)

    # What the model says

    async def _take(self, deltas: Deltas, route: Route) -> None:
        recording = self._recording
        if recording.started is None:
            turn, served = self._turn, Served(route, self._attempts.count)
            event = TurnStarted(turn.id, served, turn.model, turn.created, self._ahead)
            recording.start(event)
            if self._port is not None:
                await self._port.send(event)
        answer = recording.answer
        if answer.size > MAX_ANSWER:
            what = f"The answer is longer than {MAX_ANSWER} characters."
            raise TurnFailed.of(FailureKind.UPSTREAM_ERROR, what)
        told = _without_the_end(deltas)
        if told and self._port is not None:
            await self._port.send(Progress(told))
        # What was said is what the client was sent, also where that was cut short.
        answer.take(deltas)
        recording.add(told)

    # What the model is not shown any more

    async def _shorten(self, cut: Cut | None, caller: Caller, route: Route) -> bool:
        """Sum up what is cut, or leave it out where that fails; return whether anything was cut."""
        if cut is None:
            return False
        draft = self._draft
        attempts = Attempts(route, self._turn.fallbacks, self._upstreams.random)
        text, why = await sum_up(draft.matter(cut), attempts, caller, draft.shortening.seconds)
        if text is None:
            self.log.warning("run.history_dropped", entries=cut.upto, why=why)
        else:
            self.log.info("run.history_summed_up", entries=cut.upto)
        if unpinned := draft.unpinned(cut):
            self.log.warning("run.unpinned", entries=unpinned)
        self._draft = draft.with_summary(cut, text)
        assert self._draft.summary is not None, "it was just made"  # noqa: S101 - an invariant
        self._summed_up = SummedUp(cut.upto, self._draft.summary)
        return True


def _without_the_end(deltas: Deltas) -> Deltas:
    """Leave out what the client hears only once the turn is kept, and what it never hears."""
    if any(isinstance(delta, _NOT_TOLD) for delta in deltas):
        return tuple(delta for delta in deltas if not isinstance(delta, _NOT_TOLD))
    return deltas
