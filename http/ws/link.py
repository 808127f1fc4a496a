"""A WebSocket as frames: they are read within bounds, and what is none closes it."""

import msgspec
import trio

from greenroom.http.decode import check_depth, decode
from greenroom.http.errors import INVALID_REQUEST, ApiError
from greenroom.http.exchange import Receive, Send
from greenroom.http.ws import calls, frames
from greenroom.http.ws.frames import Code
from greenroom.http.ws.inbound import Inbound
from greenroom.http.ws.outbox import Outbox

_LINGER_S = 2.0
_LONGEST_REASON = 120


class Closing(Exception):  # noqa: N818 - not an error of anyone's
    """The connection is to be closed, and why."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class ClientLeft(Exception):  # noqa: N818 - not an error of anyone's
    """The client has closed the connection."""


class Bounds(msgspec.Struct, frozen=True):
    """What one connection may do; times in seconds.

    `first_frame` bytes before it has said who it is, which it has to within `connect`; `frame` bytes
    afterwards, with JSON nested at most `depth` deep. At most `requests` are under way; a client that
    takes nothing in for `stall` is given up; every `tick` it hears from us.
    """

    frame: int
    depth: int
    tick: float
    first_frame: int = 64 * 1024
    connect: float = 10.0
    requests: int = 32
    stall: float = 30.0


class Link:
    """A connection that has been accepted."""

    def __init__(self, receive: Receive, send: Send, inbound: Inbound, bounds: Bounds) -> None:
        self._receive = receive
        self._send = send
        self._inbound = inbound
        self._bounds = bounds
        self.most = bounds.first_frame
        self.outbox = Outbox(self._write, bounds.stall)

    # Frames that come

    async def first(self) -> calls.Connect:
        """Return the first frame.

        Raises:
            Closing: it does not come in time, or is not `connect`.
            ClientLeft: the client has.
        """
        with trio.move_on_after(self._bounds.connect):
            call = await self.next()
            if isinstance(call, calls.Connect):
                return call
            raise Closing(Code.POLICY, "The first frame must be `connect`.")
        what = f"No `connect` within {self._bounds.connect:g} seconds."
        raise Closing(Code.POLICY, what)

    async def next(self) -> calls.Call:
        """Return the next request; one that cannot be read is answered, and the next one is returned.

        Raises:
            Closing: what came is no frame at all.
            ClientLeft: the client has.
        """
        while True:
            data = await self._next_text()
            try:
                named = calls.read_name.decode(data)
            except msgspec.ValidationError as error:
                raise Closing(Code.POLICY, f"Not a request: {error}") from None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Closing(Code.INVALID, f"Not JSON: {error}") from None
            try:
                # What surrounds a body is two deep.
                check_depth(data, self._bounds.depth + 2)
                return decode(data, calls.read_call)
            except ApiError as error:
                await self.say(frames.refusal(named.id, _named(error, named.method)))

    def widen(self) -> None:
        """Take larger frames from now on."""
        self.most = max(self._bounds.frame, self.most)
        self._inbound.widen(self.most)

    async def too_large(self) -> Closing:
        """Return once a frame was larger than it may be, before it was whole."""
        await self._inbound.too_large.wait()
        return self._too_large()

    async def _next_text(self) -> bytes:
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise ClientLeft
        if self._inbound.too_large.is_set():
            raise self._too_large()
        text: str | None = event.get("text")
        if text is None:
            raise Closing(Code.UNSUPPORTED, "Frames are text, not binary.")
        data = text.encode()
        if len(data) > self.most:
            raise self._too_large()
        return data

    def _too_large(self) -> Closing:
        return Closing(Code.TOO_LARGE, f"A frame has at most {self.most} bytes.")

    # Frames that go

    async def say(self, frame: frames.Frame) -> None:
        """Send a frame after those that wait."""
        await self.outbox.say(frames.encode(frame))

    async def _write(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    async def close(self, closing: Closing) -> None:
        """Close it, and wait a moment for the client to close it, too.

        A socket that is closed over unread bytes would take the reason along.
        """
        reason = closing.reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
        await self._send({"type": "websocket.close", "code": int(closing.code), "reason": reason})
        with trio.move_on_after(_LINGER_S):
            while (await self._receive())["type"] != "websocket.disconnect":
                continue


def _named(error: ApiError, method: str) -> ApiError:
    """Return what is wrong with a frame; an unknown method is named."""
    if error.body.param != "method":
        return error
    what = f"There is no method '{method[:64]}'. `docs/websocket.md` has all of them."
    return ApiError(404, INVALID_REQUEST, what, param="method", code="unknown_method")
