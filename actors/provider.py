"""One upstream, as the actor that decides who may call it and when.

A call is made in its caller's own task, over a lease: so a delta passes one memory channel on its
way out, and a caller's end is its lease's end, however it comes. Nothing here waits.
"""

import itertools
from collections import deque
from collections.abc import Callable

import msgspec

from greenroom.actors.channels.channel import Channel
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.settings import ProviderSettings
from greenroom.runtime import Actor, Message, StreamPort, Subscription

RETRY_AFTER_S = 1.0


class Permit(msgspec.Struct, frozen=True):
    """The right to make one call at a time on `channel` while the lease is held."""

    channel: Channel


class Lease(Subscription[Permit], frozen=True):
    """Ask for a permit: the stream's one event, which comes when there is room.

    Leaving the stream gives the permit back. Raises `TurnFailed` (BUSY) if too many wait already.
    """


class LeaseEnded(Message, frozen=True):
    """The holder of a lease, or who waited for one, has left."""

    number: int


class Provider(Actor[Lease | LeaseEnded]):
    """Owns one channel and bounds the calls under way on it; who waits is served in order."""

    mailbox_size = 1024

    def __init__(
        self, settings: ProviderSettings, connect: Callable[[ProviderSettings], Channel]
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._channel: Channel | None = None
        self._numbers = itertools.count()
        self._active: set[int] = set()
        self._waiting: deque[tuple[int, StreamPort[Permit]]] = deque()

    async def on_start(self) -> None:
        self._channel = self._connect(self._settings)

    async def receive(self, message: Lease | LeaseEnded) -> None:
        match message:
            case Lease():
                self._enqueue(message)
            case LeaseEnded(number):
                self._active.discard(number)
                self._waiting = deque(item for item in self._waiting if item[0] != number)
        self._grant()

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
            )
        number = next(self._numbers)
        port = self.stream_port(lease)
        self._waiting.append((number, port))
        self.watch_consumer(port, lambda: LeaseEnded(number))

    def _grant(self) -> None:
        assert self._channel is not None, "granted before the start"  # noqa: S101 - an invariant
        while self._waiting and len(self._active) < self._settings.max_concurrent:
            number, port = self._waiting.popleft()
            self._active.add(number)
            port.send_nowait(Permit(self._channel))
