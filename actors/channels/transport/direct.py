"""The transport without a proxy in between: HTTP/1.1 over trio's sockets, and nothing else.

No task runs here. Who enters an exchange sends its request, and who reads the body reads the socket:
what nobody takes stays with the upstream, what one network read brought is taken together, and an
exchange costs the same however many others are under way.
"""

from contextlib import AbstractAsyncContextManager
from types import TracebackType

import trio

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.transport.address import Origin
from greenroom.actors.channels.transport.answer import Answer
from greenroom.actors.channels.transport.connection import Connection, connect
from greenroom.actors.channels.transport.foreign import (
    NO_ANSWER,
    NO_CONNECTION,
    SILENCE,
    broken,
    late,
    unaskable,
    unreachable,
)
from greenroom.actors.channels.transport.idle import Idle
from greenroom.actors.channels.transport.request import Writer
from greenroom.actors.channels.transport.silence import Silence
from greenroom.actors.channels.transport.transport import HttpResponse
from greenroom.actors.failure import TurnFailed
from greenroom.actors.settings import TimeLimits


class Direct:
    """A `Transport`; `provider` is the upstream's id, for messages."""

    def __init__(self, provider: str, limits: TimeLimits) -> None:
        self._provider = provider
        self._limits = limits
        self._writer = Writer()
        self._idle = Idle()
        self._silence = Silence(limits.silence)

    def open(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpResponse]:
        return _Exchange(
            self._provider, self._limits, self._idle, self._silence, self._writer, request
        )

    async def aclose(self) -> None:
        self._idle.close()
        await trio.lowlevel.checkpoint()


class _Exchange:
    """One request and its answer."""

    __slots__ = ("_idle", "_limits", "_line", "_provider", "_request", "_silence", "_writer")

    def __init__(
        self,
        provider: str,
        limits: TimeLimits,
        idle: Idle,
        silence: Silence,
        writer: Writer,
        request: HttpRequest,
    ) -> None:
        self._provider = provider
        self._limits = limits
        self._idle = idle
        self._silence = silence
        self._writer = writer
        self._request = request
        self._line: _Line

    async def __aenter__(self) -> HttpResponse:
        try:
            origin, data = self._writer.write(self._request)
        except ValueError:
            raise unaskable(self._provider) from None
        reused = self._idle.take(origin)
        response = None if reused is None else await self._ask(reused, data)
        if response is None:
            fresh = await self._connect(origin, sent=reused is not None)
            response = await self._ask(fresh, data)
        if response is None:
            raise broken(self._provider, self._line.error, answered=False)
        del self._request  # nothing is sent again from here on
        return response

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._line.leave(self._idle)

    async def _connect(self, origin: Origin, *, sent: bool) -> Connection:
        with trio.move_on_after(self._limits.connect):
            try:
                return await connect(origin)
            except (OSError, trio.BrokenResourceError) as error:
                raise unreachable(self._provider, error, sent=sent) from error
        raise late(self._provider, NO_CONNECTION, self._limits.connect)

    async def _ask(self, connection: Connection, data: bytes) -> HttpResponse | None:
        """Return the answer, or None if the connection was closed without a byte of one.

        That happens to an idle connection at the very moment of its reuse. Nothing was answered, so it
        is safe to ask again over a fresh one.
        """
        line = self._line = _Line(connection)
        try:
            with trio.move_on_after(self._limits.first_byte) as patience:
                await line.ask(data)
        except BaseException:
            line.close()
            raise
        if patience.cancelled_caught:
            line.close()
            raise late(self._provider, NO_ANSWER, self._limits.first_byte)
        if line.answer.status:
            return _Response(self._provider, self._limits.silence, self._silence, line)
        if line.answer.begun:
            raise broken(self._provider, line.error, answered=False)
        return None


class _Response(HttpResponse):
    """An answer that is read from its connection when it is taken."""

    __slots__ = ("_failure", "_line", "_patience", "_provider", "_silence")

    def __init__(self, provider: str, patience: float, silence: Silence, line: "_Line") -> None:
        super().__init__(line.answer.status, line.answer.headers)
        self._provider = provider
        self._patience = patience
        self._silence = silence
        self._line = line
        self._failure: TurnFailed | None = None

    def forget_headers(self) -> None:
        super().forget_headers()
        self._line.answer.headers = {}

    async def read(self) -> bytes:
        line = self._line
        if self._failure is None and line.due and not await self._silence.bound(line):
            self._failure = late(self._provider, SILENCE, self._patience)
            line.close()
        if body := line.take():
            return body
        if self._failure is None and line.answer.malformed:
            self._failure = broken(self._provider, line.error, answered=True)
        if self._failure is not None:
            raise self._failure
        return b""

    async def settle(self) -> None:
        self._line.take()
        if self._line.due:  # most bodies have ended, and need no time limit
            await super().settle()


class _Line:
    """A connection while a request and its answer have it; closed as soon as it is of no more use."""

    __slots__ = ("_body", "_connection", "answer", "error")

    def __init__(self, connection: Connection) -> None:
        self.answer = Answer()
        self.error: Exception | None = None
        self._body = b""
        """What came of the body and was not taken."""
        self._connection: Connection | None = connection

    @property
    def due(self) -> bool:
        """Whether whoever wants more of the body has to wait for it."""
        return not self._body and not self.answer.ended

    async def ask(self, data: bytes) -> None:
        """Send a request, and receive until its answer begins or turns out to be none.

        An upstream that does not hear all of a request may have answered it already.
        """
        try:
            await self._open().send(data)
        except trio.BrokenResourceError as error:
            self.error = error
        while not (self.answer.status or self.answer.ended):
            await self.receive()

    async def receive(self) -> None:
        """Take what one read of the network brings; all of the body so far must have been taken."""
        try:
            data = await self._open().receive()
        except trio.BrokenResourceError as error:
            self.error = error
            self.answer.fail()
        else:
            if data:
                self._body = self.answer.feed(data)
            else:
                self.answer.end()
        if self.answer.malformed:
            self.close()

    async def wait(self) -> None:
        """Receive until there is some of the body, or none to come."""
        while self.due:
            await self.receive()

    def nudge(self) -> None:
        """Wake who waits, as `Silence` wants it."""
        if self._connection is not None:
            self._connection.nudge()

    def calm(self) -> None:
        """Take back a nudge that came too late."""
        if self._connection is not None:
            self._connection.calm()

    def take(self) -> bytes:
        """Return what there is of the body."""
        body, self._body = self._body, b""
        return body

    def close(self) -> None:
        """Close the connection, whatever comes of the answer."""
        self.answer.drop()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def leave(self, idle: Idle) -> None:
        """Give the connection back if it can carry another answer, or else close it."""
        if self._connection is not None and self.answer.reusable and self.error is None:
            idle.put(self._connection)
            self._connection = None
        self.close()

    def _open(self) -> Connection:
        if self._connection is None:
            raise trio.ClosedResourceError("this answer was left, and its connection with it")
        return self._connection
