"""A bounded mailbox over a memory channel, with a second lane for the runtime's own signals.

Accepting is one step: a message is in the mailbox or its sender hears `NotAccepted`, with nothing
in between. Signals (a watched actor's end, a consumer that left) have a lane of their own, because
they must arrive whatever the mailbox's load is; they are bounded by what they report on, one for
each watch.
"""

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from greenroom.runtime.errors import MailboxFull, NotAccepted
from greenroom.runtime.reply import TURNS_BEFORE_YIELD, ReplyPort, StreamPort

M = TypeVar("M")

Port = ReplyPort[object] | StreamPort[object]


class Envelope(Generic[M]):
    """A message on its way, with the port that its answer goes to."""

    __slots__ = ("message", "port", "turned_away")

    def __init__(self, message: M, port: "Port | None" = None) -> None:
        self.message = message
        self.port = port
        self.turned_away = False


class Mailbox(Generic[M]):
    """What one actor has been sent and has not begun."""

    __slots__ = (
        "_awake",
        "_receive",
        "_send",
        "_signals",
        "_streak",
        "is_awaited",
        "is_open",
        "path",
        "size",
    )

    def __init__(self, path: str, size: int) -> None:
        # Typed by annotation: a subscript would be evaluated for each actor.
        self._send: trio.MemorySendChannel[Envelope[M] | None]
        self._receive: trio.MemoryReceiveChannel[Envelope[M] | None]
        self._send, self._receive = trio.open_memory_channel(size)
        self._signals: deque[Callable[[], M]] | None = None  # an empty deque takes 600 bytes
        self._streak = 0
        self._awake = False
        # Kept here, because asking the channel takes 2 µs, six times a turn.
        self.is_awaited = False
        """Whether its actor waits for it: nothing is here, and nothing is on its way to be handled."""
        self.is_open = True
        self.path = path
        self.size = size

    @property
    def depth(self) -> int:
        """How many messages wait, signals included."""
        signals = self._signals
        return self._receive.statistics().current_buffer_used + (len(signals) if signals else 0)

    def put_nowait(self, envelope: Envelope[M]) -> None:
        """Accept a message now.

        Raises:
            MailboxFull: there is no room.
            NotAccepted: the mailbox is closed.
        """
        try:
            self._send.send_nowait(envelope)
            self.is_awaited = False
        except trio.WouldBlock:
            raise MailboxFull(self.path, self.size) from None
        except trio.BrokenResourceError:
            raise NotAccepted(self.path) from None

    async def put(self, envelope: Envelope[M]) -> None:
        """Accept a message, waiting for room first come, first served.

        Raises:
            NotAccepted: the mailbox is closed, or was closed while this waited.
        """
        try:
            self._send.send_nowait(envelope)
            self.is_awaited = False
        except trio.WouldBlock:
            await self._send.send(envelope)
            if envelope.turned_away:
                raise NotAccepted(self.path) from None
        except trio.BrokenResourceError:
            raise NotAccepted(self.path) from None

    def put_signal(self, message: Callable[[], M]) -> None:
        """Accept a signal of the runtime, ahead of all messages; does nothing once closed.

        `message` is called when the signal is taken, so that its errors are its owner's.
        """
        if self.is_open:
            if self._signals is None:
                self._signals = deque()
            self._signals.append(message)
            self.wake()

    def forget_signals(self) -> None:
        """Drop the signals that wait: they were for an incarnation that has ended."""
        self._signals = None

    def wake(self) -> None:
        """Make a `get` that waits, or the next one, return at once."""
        if self.is_awaited:
            # Who waits has an empty buffer, so that there is room; or is about to be cancelled instead.
            with contextlib.suppress(trio.WouldBlock):
                self._send.send_nowait(None)
            self.is_awaited = False
        else:
            self._awake = True

    async def get(self) -> Envelope[M] | None:
        """Take what is next, waiting for it; None after a `wake` that brought nothing, or a close."""
        if self._streak >= TURNS_BEFORE_YIELD:
            self._streak = 0
            await trio.lowlevel.checkpoint()
        if self._awake:
            self._awake = False
            if not self._signals:
                return None
        if not self._signals:
            envelope, is_empty = None, False
            try:
                envelope = self._receive.receive_nowait()
            except trio.WouldBlock:
                is_empty = True
            if is_empty:  # waiting above would keep the error, 0.7 KB for each idle actor
                self._streak = 0
                self.is_awaited = True
                try:
                    envelope = await self._receive.receive()
                finally:
                    self.is_awaited = False
            if envelope is not None or not self._signals:
                self._streak += 1
                return envelope
        self._streak += 1
        return Envelope(self._signals.popleft()())

    def close(self) -> list[Envelope[M]]:
        """Accept nothing from now on; return what was accepted and not begun.

        Draining lets in the senders that wait for room, so they are told apart by their place: what
        was not in the buffer when it closed was never accepted, and its sender is told so.
        """
        if not self.is_open:
            return []
        self.is_open = False
        self.wake()
        accepted = self._receive.statistics().current_buffer_used
        drained: list[Envelope[M] | None] = []
        with contextlib.suppress(trio.WouldBlock):
            while True:
                drained.append(self._receive.receive_nowait())
        self._receive.close()
        for envelope in drained[accepted:]:
            if envelope is not None:
                envelope.turned_away = True
        self._signals = None
        return [envelope for envelope in drained[:accepted] if envelope is not None]
