"""The execution of one turn: call the model, pass on what it says, report how it ended.

A run never decides what becomes of its session: it ends with a result, and the session does the rest.
Until the first word it may ask again, or ask another model, as `attempts` says; after it nothing is
switched, for the client has heard who answers.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from random import Random

import msgspec
import trio

from greenroom.actors.attempts import Again, Attempts, GiveUp
from greenroom.actors.channels.channel import Deltas, Finish, Usage
from greenroom.actors.entries import Keepsake, Prompt
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.provider import Answering, Call, Lease, Permit, ProviderMessage
from greenroom.actors.recording import LEFT, Recording
from greenroom.actors.settings import Cost, Retry
from greenroom.actors.turn import (
    Progress,
    Route,
    Served,
    TurnEvent,
    TurnRequest,
    TurnStarted,
)
from greenroom.runtime import Actor, Message, Ref, RuntimeFault, StreamPort

MAX_ANSWER = 16 * 1024 * 1024
"""Characters of text, thinking and arguments that one answer may have."""

_NOT_TOLD = (Finish, Usage, Keepsake)


class Begin(Message, frozen=True):
    """Start the run."""


class RunResult(msgspec.Struct, frozen=True):
    """How a run ended: with a failure, or without one; what was said stands in its recording.

    `cost` is money, by the configuration's prices, None where there are none.
    """

    failure: Failure | None = None
    cost: float | None = None


class Upstreams:
    """What runs need to call models: the providers by id, and how long a first word may take.

    `patience` is in seconds, all attempts of a turn together; `random` spreads what is tried again.
    """

    def __init__(
        self, providers: Mapping[str, Ref[ProviderMessage]], patience: float, random: Random
    ) -> None:
        self.providers = providers
        self.patience = patience
        self.random = random


class Run(Actor[Begin]):
    """One turn's work; it stops by itself and leaves a `RunResult`."""

    mailbox_size = 1

    def __init__(
        self,
        turn: TurnRequest,
        prompt: Prompt,
        upstreams: Upstreams,
        recording: Recording,
        port: StreamPort[TurnEvent],
        *,
        time_limit: float,
        ahead: int = 0,
    ) -> None:
        self._turn = turn
        self._attempts = Attempts(turn.route, turn.fallbacks, upstreams.random)
        self._prompt = prompt
        self._upstreams = upstreams
        self._recording = recording
        self._port = port
        self._time_limit = time_limit
        self._ahead = ahead
        self._patience = trio.CancelScope()
        self._cost: float | None = None

    async def receive(self, message: Begin) -> None:
        recording = self._recording
        failure: Failure | None = LEFT
        with recording.scope:
            with trio.move_on_after(self._time_limit) as limit:
                failure = await self._converse()
            if limit.cancelled_caught:
                failure = Failure(
                    FailureKind.UPSTREAM_TIMEOUT,
                    f"The turn took longer than its limit of {self._time_limit:g} s.",
                )
        if recording.stopped is not None and recording.answer.reason is None:
            failure = recording.stopped
        self.stop(RunResult(failure, self._cost))

    async def _converse(self) -> Failure | None:
        self._patience.deadline = trio.current_time() + self._upstreams.patience
        with self._patience:
            return await self._try_in_turn()
        return Failure(
            FailureKind.UPSTREAM_TIMEOUT,
            f"No model began to answer within {self._upstreams.patience:g} s "
            f"(attempts: {self._attempts.count}).",
        )

    async def _try_in_turn(self) -> Failure | None:
        attempts = self._attempts
        while True:
            route = attempts.begin()
            failure, retry = await self._attempt(route)
            if failure is None or self._recording.started is not None:
                return failure
            step = attempts.failed(failure, retry)
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

    async def _attempt(self, route: Route) -> tuple[Failure | None, Retry | None]:
        """Call one model; return why that failed, and what its provider allows if it let it begin."""
        permit: Permit | None = None
        try:
            provider = self._upstreams.providers[route.provider]
            async with provider.stream(Lease(route.model)) as lease:
                permit = await anext(lease)
                try:
                    await self._call(route, permit, provider)
                except TurnFailed as failed:
                    permit.call.failure = failed.failure
                    raise
                finally:
                    self._settle(permit.call, permit.price)
        except TurnFailed as failed:
            return failed.failure, None if permit is None else permit.retry
        except RuntimeFault:
            self.log.exception("run.provider_gone", provider=route.provider)
            what = f"Provider '{route.provider}' is not running."
            return Failure(FailureKind.INTERNAL, what), None
        return None, permit.retry

    async def _call(self, route: Route, permit: Permit, provider: Ref[ProviderMessage]) -> None:
        prompt = msgspec.structs.replace(self._prompt, model=route.model)
        async with permit.channel.open(prompt) as reading:
            if reading.notes.dropped:
                fields = list(reading.notes.dropped)
                self.log.info("run.fields_dropped", model=str(route), fields=fields)
            async for deltas in reading:
                if self._recording.started is None:
                    self._patience.deadline = math.inf
                    if permit.probe:
                        _report(provider, Answering(permit.number, route.model))
                    await self._start(Served(route, self._attempts.count))
                await self._pass_on(deltas)
        permit.call.answered = True

    async def _start(self, served: Served) -> None:
        turn = self._turn
        event = TurnStarted(turn.id, served, turn.model, turn.created, self._ahead)
        self._recording.start(event)
        await self._port.send(event)

    async def _pass_on(self, deltas: Deltas) -> None:
        answer = self._recording.answer
        if answer.size > MAX_ANSWER:
            what = f"The answer is longer than {MAX_ANSWER} characters."
            raise TurnFailed.of(FailureKind.UPSTREAM_ERROR, what)
        told = _without_the_end(deltas)
        if told:
            await self._port.send(Progress(told))
        # What was said is what the client was sent, also where that was cut short.
        answer.take(deltas)
        self._recording.add(told)

    def _settle(self, call: Call, price: Cost | None) -> None:
        call.usage = self._recording.answer.usage
        if price is not None:
            self._cost = call.cost = cost_of(call.usage, price)


def cost_of(usage: Usage, price: Cost) -> float:
    """Return what a call costs; prices are per million tokens."""
    fresh = max(0, usage.prompt - usage.cached - usage.cache_write)
    return (
        fresh * price.input
        + usage.cached * price.cache_read
        + usage.cache_write * price.cache_write
        + usage.completion * price.output
    ) / 1_000_000


def _report(provider: Ref[ProviderMessage], answering: Answering) -> None:
    with suppress(RuntimeFault):  # it learns the same at the lease's end
        provider.tell(answering)


def _without_the_end(deltas: Deltas) -> Deltas:
    """Leave out what the client hears only once the turn is kept, and what it never hears."""
    if any(isinstance(delta, _NOT_TOLD) for delta in deltas):
        return tuple(delta for delta in deltas if not isinstance(delta, _NOT_TOLD))
    return deltas
