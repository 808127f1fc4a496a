"""One call of one model: a lease of its provider, the channel, and what the provider is to learn of it.

It is made in its caller's own task. It knows nothing of turns: whatever comes is given to `take`.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Protocol

import msgspec
import trio

from greenroom.actors.channels.channel import Deltas, Notes, Usage
from greenroom.actors.channels.openai.fields import is_known
from greenroom.actors.entries import Prompt
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.provider import Answering, Lease, Permit, ProviderMessage
from greenroom.actors.settings import Cost, Retry
from greenroom.actors.turn import Route
from greenroom.runtime import Ref, RuntimeFault

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

Take = Callable[[Deltas], Awaitable[None]]
Hear = Callable[[Notes], None]


class Upstreams:
    """What runs need to call models, as one configuration has it; those who use it hold it.

    `providers` are by id. `patience` is how long a first word may take, in seconds, all attempts of a
    turn together; `random` spreads what is tried again. `windows` are the sizes of models, in tokens, as
    far as they are known.
    """

    def __init__(
        self,
        providers: Mapping[str, Ref[ProviderMessage]],
        patience: float,
        random: Random,
        windows: Mapping[Route, int] | None = None,
    ) -> None:
        self.providers = providers
        self.patience = patience
        self.random = random
        self.windows = windows or {}
        self.on_free: Callable[[], None] = _nobody_asks
        self._holders = 0

    def provider(self, route: Route) -> Ref[ProviderMessage]:
        """Return who has a model; raises `TurnFailed` (NOT_FOUND)."""
        found = self.providers.get(route.provider)
        if found is None:
            what = f"The provider '{route.provider}' is not configured any more."
            raise TurnFailed.of(FailureKind.NOT_FOUND, what, param="model", code="model_not_found")
        return found

    @property
    def is_held(self) -> bool:
        """Whether somebody may still call one of these providers."""
        return self._holders > 0

    def hold(self) -> None:
        """Keep the providers up until `let_go`, which is called once for it."""
        self._holders += 1

    def let_go(self, _: object = None) -> None:
        """Call no more; the last one out has `on_free` called."""
        self._holders -= 1
        if not self._holders:
            self.on_free()


def _nobody_asks() -> None:
    pass


class Bill:
    """What calls have cost so far: money by the configuration's prices, None where there are none."""

    __slots__ = ("cost",)

    def __init__(self) -> None:
        self.cost: float | None = None

    def add(self, cost: float) -> None:
        """Add what one call has cost."""
        self.cost = (self.cost or 0.0) + cost


class Made(msgspec.Struct):
    """A call that was made: why it failed, if it did.

    `retry` is what the provider allows after a failure, None if it never let the call begin.
    """

    failure: Failure | None = None
    retry: Retry | None = None


class Logs(Protocol):
    """Whoever has a log. A logger that nothing is logged with takes 0.5 KB and 5 µs."""

    @property
    def log(self) -> "FilteringBoundLogger":
        """The log."""
        ...


class Caller:
    """Calls models for `who`, and writes what they cost on one bill, also if a call is cancelled."""

    __slots__ = ("_bill", "_upstreams", "_who")

    def __init__(self, upstreams: Upstreams, bill: Bill, who: Logs) -> None:
        self._upstreams = upstreams
        self._bill = bill
        self._who = who

    async def call(
        self,
        route: Route,
        prompt: Prompt,
        take: Take,
        *,
        first_by: float,
        hear: Hear = lambda _: None,
    ) -> Made:
        """Call a model and give `take` each batch; what it raises as `TurnFailed` is the call's failure.

        The first batch has to be there by `first_by`, of trio's clock; until then the call may wait for
        room, too. `hear` is told once what is to be known of the call beside its answer.
        """
        made = Made()
        with trio.CancelScope(deadline=first_by) as patience:
            try:
                provider = self._upstreams.provider(route)
                async with provider.stream(Lease(route.model)) as lease:
                    permit = await anext(lease)
                    made.retry = permit.retry
                    await self._answer(permit, provider, route, prompt, take, hear, patience)
            except TurnFailed as failed:
                made.failure = failed.failure
            except RuntimeFault:
                self._who.log.exception("run.provider_gone", provider=route.provider)
                what = f"Provider '{route.provider}' is not running."
                made.failure = Failure(FailureKind.INTERNAL, what)
        if patience.cancelled_caught:
            made.failure = _no_word(route)
        return made

    async def _answer(
        self,
        permit: Permit,
        provider: Ref[ProviderMessage],
        route: Route,
        prompt: Prompt,
        take: Take,
        hear: Hear,
        patience: trio.CancelScope,
    ) -> None:
        call = permit.call
        try:
            await self._read(permit, provider, route, prompt, take, hear, patience)
        except TurnFailed as failed:
            call.failure = failed.failure
            raise
        except trio.Cancelled:
            if patience.cancel_called:
                call.failure = _no_word(route)
            raise
        else:
            call.answered = True
        finally:
            if permit.price is not None:
                call.cost = cost_of(call.usage, permit.price)
                self._bill.add(call.cost)

    async def _read(
        self,
        permit: Permit,
        provider: Ref[ProviderMessage],
        route: Route,
        prompt: Prompt,
        take: Take,
        hear: Hear,
        patience: trio.CancelScope,
    ) -> None:
        begun = False
        prompt = msgspec.structs.replace(prompt, model=route.model)
        async with permit.channel.open(prompt) as reading:
            if reading.notes.dropped:
                log_dropped(reading.notes.dropped, route, self._who.log)
            hear(reading.notes)
            async for deltas in reading:
                if not begun:
                    begun = True
                    patience.deadline = math.inf
                    if permit.probe:
                        with suppress(RuntimeFault):  # it learns the same at the lease's end
                            provider.tell(Answering(permit.number, route.model))
                if Usage in map(type, deltas):  # only an answer's last batches have one
                    for delta in deltas:
                        if isinstance(delta, Usage):
                            permit.call.usage = delta
                await take(deltas)


def _no_word(route: Route) -> Failure:
    return Failure(FailureKind.UPSTREAM_TIMEOUT, f"'{route}' did not begin to answer in time.")


def log_dropped(dropped: Sequence[str], route: Route, log: "FilteringBoundLogger") -> None:
    """Log which fields had no place; what no API knows is nobody's news."""
    known = [name for name in dropped if is_known(name)]
    unknown = [name for name in dropped if not is_known(name)]
    if known:
        log.info("run.fields_dropped", model=str(route), fields=known)
    if unknown:
        log.debug("run.fields_unknown", model=str(route), fields=unknown)


def cost_of(usage: Usage, price: Cost) -> float:
    """Return what a call costs; prices are per million tokens."""
    fresh = max(0, usage.prompt - usage.cached - usage.cache_write)
    return (
        fresh * price.input
        + usage.cached * price.cache_read
        + usage.cache_write * price.cache_write
        + usage.completion * price.output
    ) / 1_000_000
