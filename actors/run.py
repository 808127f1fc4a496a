"""The execution of one turn: call the model, pass on what it says, report how it ended.

A run never decides what becomes of its session: it ends with a result, and the session does the rest.
"""

import msgspec
import trio

from greenroom.actors.answer import Answer
from greenroom.actors.channels.channel import Deltas, Finish, Usage
from greenroom.actors.entries import Keepsake, Prompt
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.provider import Lease, LeaseEnded
from greenroom.actors.turn import Progress, Route, TurnEvent, TurnStarted
from greenroom.runtime import Actor, Message, Ref, RuntimeFault, StreamPort

MAX_ANSWER = 16 * 1024 * 1024
"""Characters of text, thinking and arguments that one answer may have."""


_NOT_TOLD = (Finish, Usage, Keepsake)


class Begin(Message, frozen=True):
    """Start the run."""


class RunResult(msgspec.Struct, frozen=True):
    """How a run ended: with an answer that has its finish reason, or with a failure and the rest."""

    answer: Answer
    failure: Failure | None = None


class Run(Actor[Begin]):
    """One turn's work; it stops by itself and leaves a `RunResult`."""

    mailbox_size = 1

    def __init__(
        self,
        turn: str,
        route: Route,
        prompt: Prompt,
        provider: Ref[Lease | LeaseEnded],
        port: StreamPort[TurnEvent],
        time_limit: float,
    ) -> None:
        self._turn = turn
        self._route = route
        self._prompt = prompt
        self._provider = provider
        self._port = port
        self._time_limit = time_limit
        self._answer = Answer()

    async def receive(self, message: Begin) -> None:
        failure: Failure | None = Failure(
            FailureKind.INTERRUPTED, "The client left before the answer was whole."
        )
        with self._port.scope:
            with trio.move_on_after(self._time_limit) as limit:
                failure = await self._converse()
            if limit.cancelled_caught:
                failure = Failure(
                    FailureKind.UPSTREAM_TIMEOUT,
                    f"The turn took longer than its limit of {self._time_limit:g} s.",
                )
        self.stop(RunResult(self._answer, failure))

    async def _converse(self) -> Failure | None:
        try:
            async with self._provider.stream(Lease()) as lease:
                permit = await anext(lease)
                async with permit.channel.open(self._prompt) as batches:
                    started = False
                    async for deltas in batches:
                        if not started:
                            started = True
                            await self._port.send(TurnStarted(self._turn, self._route))
                        if self._answer.size > MAX_ANSWER:
                            return _too_long()
                        told = _without_the_end(deltas)
                        if told:
                            await self._port.send(Progress(told))
                        # What was said is what the client was sent, also where that was cut short.
                        self._answer.take(deltas)
        except TurnFailed as failed:
            return failed.failure
        except RuntimeFault:
            self.log.exception("run.provider_gone", provider=self._route.provider)
            return Failure(
                FailureKind.INTERNAL, f"Provider '{self._route.provider}' is not running."
            )
        return None


def _too_long() -> Failure:
    return Failure(
        FailureKind.UPSTREAM_ERROR, f"The answer is longer than {MAX_ANSWER} characters."
    )


def _without_the_end(deltas: Deltas) -> Deltas:
    """Leave out what the client hears only once the turn is kept, and what it never hears."""
    if any(isinstance(delta, _NOT_TOLD) for delta in deltas):
        return tuple(delta for delta in deltas if not isinstance(delta, _NOT_TOLD))
    return deltas
