"""One upstream, as the actor that decides who may call it and when.

A call is made in its caller's own task, over a lease: so a delta passes one memory channel on its
way out, and a caller's end is its lease's end, however it comes. What the caller learns of the upstream
stands in the lease's `Call`, which is read at that end. Nothing here waits.
"""

import itertools
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from random import Random

import msgspec
import trio

from greenroom.actors.channels.channel import NOTHING, Channel
from greenroom.actors.channels.rate_limits import reached
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.health import Health, Recovered, Rest, Resting, Standing
from greenroom.actors.settings import Cost, ProviderSettings, Retry
from greenroom.runtime import Actor, Message, Request, StreamPort, Subscription

RETRY_AFTER_S = 1.0


class Call:
    """What becomes of one call; its maker fills it in before leaving the lease.

    Without a failure and not `answered` it tells nothing: its maker was cancelled.
    """

    __slots__ = ("answered", "cost", "failure", "usage")

    def __init__(self) -> None:
        self.answered = False
        self.failure: Failure | None = None
        self.usage = NOTHING
        self.cost = 0.0


class Permit(msgspec.Struct, frozen=True):
    """The right to make one call on `channel` while the lease is held.

    Whoever holds a probe tells the provider as soon as the upstream answers (`Answering`). `price` is
    that of the model, None if it is not known.
    """

    channel: Channel
    number: int
    call: Call
    retry: Retry
    price: Cost | None
    probe: bool


class Lease(Subscription[Permit], frozen=True):
    """Ask for a permit to call a model: the stream's one event, which comes when there is room.

    Leaving the stream gives the permit back. Raises `TurnFailed`: BUSY if too many wait already, or
    the kind of the last failure while the upstream rests.
    """

    model: str


class Answering(Message, frozen=True):
    """A probe has its first word: whatever becomes of the rest, the upstream is well."""

    number: int
    model: str


class LeaseEnded(Message, frozen=True):
    """The holder of a lease, or who waited for one, has left."""

    number: int


class ProviderStatus(msgspec.Struct, frozen=True):
    """A provider at this moment, and its sums since it was started.

    `standings` are of what is not up, by model, "" for all of it. `failures` count by kind, `cost` is
    money as the configuration's prices have it.
    """

    id: str
    active: int
    waiting: int
    standings: dict[str, Standing]
    calls: int
    answered: int
    failures: dict[str, int]
    refused: int
    rests: int
    prompt_tokens: int
    completion_tokens: int
    cost: float


class DescribeProvider(Request[ProviderStatus], frozen=True):
    """Ask a provider how it is."""


ProviderMessage = Lease | Answering | LeaseEnded | DescribeProvider


class _Waiting(msgspec.Struct, frozen=True):
    number: int
    model: str
    port: StreamPort[Permit]


class Provider(Actor[ProviderMessage]):
    """Owns one channel, bounds the calls under way on it, and keeps calls off while it fails."""

    mailbox_size = 1024

    def __init__(
        self,
        settings: ProviderSettings,
        connect: Callable[[ProviderSettings], Channel],
        random: Random,
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._channel: Channel | None = None
        self._prices = {model.id: model.cost for model in settings.models}
        self._numbers = itertools.count()
        self._active: dict[int, tuple[str, Call]] = {}
        self._waiting: deque[_Waiting] = deque()
        self._health = Health(settings.cooldown, random)
        self._failures: Counter[str] = Counter()
        self._sums = Counter[str]()
        self._cost = 0.0

    async def on_start(self) -> None:
        self._channel = self._connect(self._settings)

    async def receive(self, message: ProviderMessage) -> ProviderStatus | None:
        match message:
            case Lease():
                self._enqueue(message)
            case Answering(number, model):
                self._note(self._health.ended(number, model, None, trio.current_time()))
            case LeaseEnded(number):
                self._end(number)
            case DescribeProvider():
                return self._status()
        self._grant()
        return None

    async def on_stop(self) -> None:
        if self._channel is not None:
            await self._channel.aclose()

    def _enqueue(self, lease: Lease) -> None:
        busy = len(self._active) >= self._settings.max_concurrent
        if busy and len(self._waiting) >= self._settings.max_waiting:
            raise TurnFailed.of(
                FailureKind.BUSY,
                f"Provider '{self._settings.id}' has {len(self._active)} calls under way and "
                f"{len(self._waiting)} waiting. Try again later.",
                code="provider_busy",
                retry_after=RETRY_AFTER_S,
                limits=reached(
                    self._settings.max_concurrent + self._settings.max_waiting, RETRY_AFTER_S
                ),
            )
        number = next(self._numbers)
        port = self.stream_port(lease)
        self._waiting.append(_Waiting(number, lease.model, port))
        self.watch_consumer(port, partial(LeaseEnded, number))

    def _grant(self) -> None:
        assert self._channel is not None, "granted before the start"  # noqa: S101 - an invariant
        while self._waiting and len(self._active) < self._settings.max_concurrent:
            item = self._waiting.popleft()
            if item.port.abandoned:
                continue  # its `LeaseEnded` is on the way, and must find nothing
            refusal = self._health.admit(item.number, item.model, trio.current_time())
            if refusal is not None:
                self._refuse(item, refusal)
                continue
            call = Call()
            self._active[item.number] = item.model, call
            self._sums["calls"] += 1
            probe = self._health.is_probe(item.number)
            if probe:
                self.log.info("provider.probing", model=item.model)
            price = self._prices.get(item.model)
            permit = Permit(
                self._channel, item.number, call, self._settings.retry, price, probe=probe
            )
            item.port.send_nowait(permit)

    def _refuse(self, item: _Waiting, why: Resting) -> None:
        self._sums["refused"] += 1
        what = f"The provider '{self._settings.id}'"
        if why.model is not None:
            what = f"The model '{why.model}' of the provider '{self._settings.id}'"
        failure = Failure(
            why.last.kind,
            f"{what} is left alone for {why.seconds:.0f} s after failures in a row. The last: "
            f"{why.last.message}",
            code="upstream_resting",
            retry_after=max(why.seconds, RETRY_AFTER_S),
        )
        item.port.fail(TurnFailed(failure))

    def _end(self, number: int) -> None:
        held = self._active.pop(number, None)
        if held is None:
            self._waiting = deque(item for item in self._waiting if item.number != number)
            return
        model, call = held
        self._sums["prompt_tokens"] += call.usage.prompt
        self._sums["completion_tokens"] += call.usage.completion
        self._cost += call.cost
        if call.failure is not None:
            self._failures[call.failure.kind.value] += 1
        elif call.answered:
            self._sums["answered"] += 1
        else:
            self._health.left(number)
            return
        self._note(self._health.ended(number, model, call.failure, trio.current_time()))

    def _note(self, change: Rest | Recovered | None) -> None:
        match change:
            case Rest(model, seconds, failures, last):
                self._sums["rests"] += 1
                self.log.warning(
                    "provider.resting",
                    model=model,
                    seconds=round(seconds, 3),
                    failures=failures,
                    last=last.kind.value,
                    code=last.code,
                )
                self._turn_away(model, seconds, last)
            case Recovered(scopes):
                for model in scopes:
                    self.log.info("provider.recovered", model=model)
            case None:
                pass

    def _turn_away(self, model: str | None, seconds: float, last: Failure) -> None:
        """Refuse those that wait for what rests now, instead of having each find it out."""
        concerned = [item for item in self._waiting if model in (None, item.model)]
        self._waiting = deque(item for item in self._waiting if model not in (None, item.model))
        for item in concerned:
            self._refuse(item, Resting(model, seconds, last))

    def _status(self) -> ProviderStatus:
        standings = self._health.standings(trio.current_time())
        return ProviderStatus(
            id=self._settings.id,
            active=len(self._active),
            waiting=len(self._waiting),
            standings={model or "": standing for model, standing in standings.items()},
            calls=self._sums["calls"],
            answered=self._sums["answered"],
            failures=dict(self._failures),
            refused=self._sums["refused"],
            rests=self._sums["rests"],
            prompt_tokens=self._sums["prompt_tokens"],
            completion_tokens=self._sums["completion_tokens"],
            cost=self._cost,
        )
