"""The ways back: a reply port answers one request, a stream port answers one subscription.

Each end can go away at any moment without hurting the other. A sender that left makes a port's
verbs do nothing; an actor that dies settles every port it still holds. Settling is synchronous and
never waits, so that it works in the last moment of a dying task.
"""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

import trio

R = TypeVar("R")
E = TypeVar("E")


TURNS_BEFORE_YIELD = 16
"""How many messages or events are taken in a row before the neighbours get a chance."""


class ReplyPort(Generic[R]):
    """The actor's end of one ask. The first `answer` or `fail` counts, the rest do nothing."""

    __slots__ = ("_forget", "_send", "taken")

    def __init__(self, send: "trio.MemorySendChannel[R | _Failed] | None") -> None:
        self._send = send
        self._forget: Callable[[ReplyPort[R]], None] | None = None
        self.taken = False

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._send is None or self._send.statistics().open_receive_channels == 0

    def answer(self, value: R) -> None:
        """Give the asker its value."""
        self._settle(value)

    def fail(self, error: Exception) -> None:
        """Raise `error` at the asker."""
        self._settle(_Failed(error))

    def take(self, forget: "Callable[[ReplyPort[R]], None]") -> None:
        """Mark the port as deferred by its actor; `forget` is called once it is settled."""
        self.taken = True
        self._forget = forget

    def _settle(self, outcome: "R | _Failed") -> None:
        send, self._send = self._send, None
        if send is None:
            return
        with contextlib.suppress(trio.BrokenResourceError):  # raised if the asker has left
            send.send_nowait(outcome)
        if self._forget is not None:
            self._forget(self)


class _Failed:
    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class Reply(Generic[R]):
    """The asker's end of one ask."""

    __slots__ = ("_receive", "port")

    def __init__(self) -> None:
        # Typed by annotation: a subscript would be evaluated for each ask.
        send: trio.MemorySendChannel[R | _Failed]
        self._receive: trio.MemoryReceiveChannel[R | _Failed]
        send, self._receive = trio.open_memory_channel(1)
        self.port: ReplyPort[R] = ReplyPort(send)

    def leave(self) -> None:
        """Wait for no answer: the request was never taken."""
        self._receive.close()

    async def wait(self) -> R:
        """Return the answer, or raise what the actor failed with; call it once."""
        with self._receive:
            outcome = await self._receive.receive()
        if isinstance(outcome, _Failed):
            raise outcome.error
        return outcome


class StreamPort(Generic[E]):
    """The actor's end of one stream.

    Produce inside `with port.scope:`; the consumer's leaving cancels it at once. A stream ends with
    `close`, which may carry one last event, or with `fail`; neither waits for room, so an end is
    never lost to a slow reader.
    """

    __slots__ = ("_forget", "_on_leave", "_scope", "_send", "_stream", "abandoned", "taken")

    def __init__(self, send: trio.MemorySendChannel[E], stream: "ReplyStream[E]") -> None:
        self._send = send
        self._stream = stream
        self._forget: Callable[[StreamPort[E]], None] | None = None
        self._on_leave: Callable[[], None] | None = None
        self._scope: trio.CancelScope | None = None
        self.abandoned = False
        """Whether the consumer has left."""
        self.taken = False

    @property
    def scope(self) -> trio.CancelScope:
        """What the consumer's leaving cancels; most streams have no need of it."""
        if self._scope is None:
            self._scope = trio.CancelScope()
            if self.abandoned:
                self._scope.cancel()
        return self._scope

    async def send(self, event: E) -> None:
        """Give the consumer an event, waiting for room; does nothing once it has left.

        The fast path is no checkpoint: whoever produces without ever waiting must yield by itself.
        """
        try:
            try:
                self._send.send_nowait(event)
            except trio.WouldBlock:
                await self._send.send(event)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # Nothing makes this producer wait any more: `scope` must get its chance to end it.
            await trio.lowlevel.checkpoint()

    def send_nowait(self, event: E) -> None:
        """Give the consumer an event now; does nothing once it has left.

        Raises:
            trio.WouldBlock: there is no room.
        """
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            self._send.send_nowait(event)

    def on_leave(self, tell: Callable[[], None]) -> None:
        """Have `tell` called once when the consumer leaves, in its task; at once if it has."""
        before = self._on_leave
        if self.abandoned:
            tell()
        elif before is None:
            self._on_leave = tell
        else:
            self._on_leave = partial(_both, before, tell)

    def leave(self) -> None:
        """Cancel the producer and end the stream; the consumer's end calls it."""
        self.abandoned = True
        if self._scope is not None:
            self._scope.cancel()
        self.close()
        tell, self._on_leave = self._on_leave, None
        if tell is not None:
            tell()

    def close(self, *last: E) -> None:
        """End the stream, after the events in `last`."""
        self._end(last, None)

    def fail(self, error: Exception) -> None:
        """End the stream: `error` is raised at the consumer after what was sent before."""
        self._end((), error)

    def take(self, forget: "Callable[[StreamPort[E]], None]") -> None:
        """Mark the port as deferred by its actor; `forget` is called once the stream has ended."""
        self.taken = True
        self._forget = forget

    def _end(self, last: tuple[E, ...], error: Exception | None) -> None:
        if self._stream.settle(last, error):
            self._send.close()
            if self._forget is not None:
                self._forget(self)


class ReplyStream(Generic[E]):
    """The consumer's end of one stream: an async iterator with a bound on what waits in it."""

    __slots__ = ("_error", "_last", "_receive", "_settled", "_streak", "port")

    def __init__(self, buffer: int) -> None:
        send: trio.MemorySendChannel[E]
        self._receive: trio.MemoryReceiveChannel[E]
        send, self._receive = trio.open_memory_channel(buffer)
        self._last: tuple[E, ...] = ()
        self._error: Exception | None = None
        self._settled = False
        self._streak = 0
        self.port: StreamPort[E] = StreamPort(send, self)

    def __aiter__(self) -> "ReplyStream[E]":
        return self

    async def __anext__(self) -> E:
        if self._streak < TURNS_BEFORE_YIELD:
            try:
                event = self._receive.receive_nowait()
            except (trio.WouldBlock, trio.EndOfChannel):
                pass  # the way below tells the one from the other
            else:
                self._streak += 1
                return event
        self._streak = 0
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            return self._after_the_end()

    def receive_nowait(self) -> E | None:
        """Return the next event if it is there already, else None; the end is never raised here."""
        try:
            return self._receive.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return None

    def settle(self, last: tuple[E, ...], error: Exception | None) -> bool:
        """Fix how the stream ends; return False if that was fixed before."""
        if self._settled:
            return False
        self._settled = True
        self._last, self._error = last, error
        return True

    def leave(self) -> None:
        """Take no more and cancel the producer; safe to call again, and after the end."""
        self._receive.close()
        self.port.leave()

    def _after_the_end(self) -> E:
        if self._last:
            first, *rest = self._last
            self._last = tuple(rest)
            return first
        error, self._error = self._error, None
        raise StopAsyncIteration if error is None else error


def _both(first: Callable[[], None], second: Callable[[], None]) -> None:
    first()
    second()
