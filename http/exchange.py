"""One HTTP request over bare ASGI: read its body within bounds, answer it, hear of the client's leaving.

The hot path speaks ASGI itself: one task reads, works and writes, so that the client's leaving can
cancel exactly that task, and nothing outlives the request.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import trio

from greenroom.http.errors import INVALID_REQUEST, ApiError

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]
T = TypeVar("T")

OWN_SERVER = "greenroom.server"
"""The extension of ASGI that is an `OwnServer`, where the request came in by ours."""

BODIES = "greenroom.bodies"
"""Stands in the scope for the set of deadlines under which a server's bodies are read, if it has one."""

BEGUN = "greenroom.begun"
"""Where a scope has the moment at which its request came, by trio's clock."""

JSON_TYPE = (b"content-type", b"application/json; charset=utf-8")
TEXT_TYPE = (b"content-type", b"text/plain; charset=utf-8")
SSE_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class OwnServer(Protocol):
    """What our own server can do for a request beside ASGI, which takes a task or an event for each.

    An exchange does the same by ASGI where another server has the connection.
    """

    left: bool
    """Whether the client has left."""

    def cancel_when_left(self) -> None:
        """Have the task that answers cancelled as soon as the client leaves."""
        ...

    def take_body(self) -> bytes | None:
        """Return what is to come of the body if all of that is there; else None."""
        ...

    def put(self, piece: bytes) -> Awaitable[None] | None:
        """Send a piece of the answer that is not the last; return what is to be awaited, if anything."""
        ...


class ClientGone(Exception):  # noqa: N818 - not an error of anyone's
    """The client left before its request was whole."""


class Head:
    """What a request says before its body."""

    __slots__ = ("client", "headers", "method", "path")

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.client: tuple[str, int] | None = scope.get("client")
        self.headers: dict[bytes, bytes] = dict(scope["headers"])

    def header(self, name: bytes) -> str | None:
        """Return a header's value without its surrounding white space, None if absent or empty.

        Clients send UTF-8, as curl does with what it is given; what is none is read as Latin-1.
        """
        given = self.headers.get(name)
        if given is None:
            return None
        value = given.strip(b" \t")
        try:
            return value.decode() or None
        except UnicodeDecodeError:
            return value.decode("latin-1")


class Exchange(Head):
    """A request and the answer to it; `begun` is when it came, by trio's clock."""

    __slots__ = (
        "_bodies",
        "_body_ended",
        "_ended",
        "_receive",
        "_send",
        "_server",
        "begun",
        "left",
        "started",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope)
        self._bodies: set[trio.CancelScope] = scope.get(BODIES, set())
        self._server: OwnServer | None = scope.get("extensions", {}).get(OWN_SERVER)
        self._receive = receive
        self._send = send
        self.begun: float = scope.get(BEGUN, 0.0)
        self.started = False
        self.left = False
        self._ended = False
        self._body_ended = False

    def forget_headers(self, scope: Scope) -> None:
        """Let go of the request's headers, which take 1 KB: its answer may last."""
        self.headers = {}
        scope["headers"] = ()

    async def read_body(self, max_bytes: int, seconds: float) -> bytes:
        """Return the whole body.

        Raises:
            ApiError: 413 beyond `max_bytes`, 408 after `seconds`, 503 where the server waits no longer.
            ClientGone: the client left.
        """
        declared = self.headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:20]) > max_bytes:
            raise _too_large(max_bytes)
        # Nearly every body is there when its request is: 12 µs less than to wait for it.
        if self._server is not None and (whole := self._server.take_body()) is not None:
            self._body_ended = True
            if len(whole) > max_bytes:
                raise _too_large(max_bytes)
            return whole
        pieces: list[bytes] = []
        size = 0
        with trio.move_on_after(seconds) as patience:
            self._bodies.add(patience)
            try:
                while not self._body_ended:
                    piece = await self._read_piece()
                    size += len(piece)
                    if size > max_bytes:
                        raise _too_large(max_bytes)
                    pieces.append(piece)
            finally:
                self._bodies.discard(patience)
            return b"".join(pieces)
        if trio.current_time() < patience.deadline:
            raise stopping()
        raise ApiError(
            408,
            INVALID_REQUEST,
            "Request body timeout",
            code="request_timeout",
            headers={"connection": "close"},
        )

    async def _read_piece(self) -> bytes:
        event = await self._receive()
        if event["type"] == "http.disconnect":
            self._body_ended = True
            raise ClientGone
        self._body_ended = not event.get("more_body", False)
        piece: bytes = event.get("body", b"")
        return piece

    async def _discard_body(self) -> None:
        with suppress(ClientGone):
            while not self._body_ended:
                await self._read_piece()

    async def while_there(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` and return what it does; call it once the body is read.

        When the client leaves the work is cancelled, and `left` is true. The server may cancel more than
        the work, but for its own connection alone, so that a request needs no task to wait for this.

        Raises:
            ClientGone: the client left.
        """
        if self._server is not None:
            self._server.cancel_when_left()
            try:
                return await work()
            finally:
                self.left = self._server.left
        done: list[T] = []
        async with trio.open_nursery() as nursery:

            async def cancel_when_left() -> None:
                await self._until_client_leaves()
                self.left = True
                nursery.cancel_scope.cancel()

            nursery.start_soon(cancel_when_left)
            done.append(await work())
            nursery.cancel_scope.cancel()
        if not done:
            raise ClientGone
        return done[0]

    async def _until_client_leaves(self) -> None:
        """Return when the client has left.

        After a whole answer it never returns, because the server reports its own end of the
        request as a disconnect, and whoever acted on that would cancel the server's own steps.
        """
        while (await self._receive())["type"] != "http.disconnect":
            continue
        if self._ended:
            await trio.sleep_forever()

    async def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        """Send a whole answer.

        What comes of an unread body meanwhile is thrown away: the server ends a request only once
        the few places for its events are free, and would wait for that for ever.
        """
        length = (b"content-length", str(len(body)).encode())
        await self.start(status, (*headers, length))
        if self._body_ended:
            await self.write(body, more=False)
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._discard_body)
            await self.write(body, more=False)
            nursery.cancel_scope.cancel()

    async def respond_error(self, error: ApiError) -> None:
        """Send an error's envelope."""
        extra = [(name.encode(), value.encode()) for name, value in error.headers.items()]
        await self.respond(error.status, (JSON_TYPE, *extra), error.encode())

    async def start(self, status: int, headers: Iterable[Header]) -> None:
        """Send an answer's head."""
        self.started = True
        await self._send(
            {"type": "http.response.start", "status": status, "headers": list(headers)}
        )

    async def write(self, piece: bytes, *, more: bool = True) -> None:
        """Send a piece of an answer's body; waits while the client reads too slowly."""
        self._ended = not more
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    def put(self, piece: bytes) -> Awaitable[None] | None:
        """Send a piece that is not the last, at once if that is possible: None then.

        Otherwise return what is to be awaited now, as `write` is.
        """
        return self.write(piece) if self._server is None else self._server.put(piece)


def stopping() -> ApiError:
    """Return the refusal of a request that came too late, or not quickly enough."""
    return ApiError(
        503,
        "api_error",
        "The gateway is stopping. Try again.",
        code="stopping",
        headers={"retry-after": "1", "connection": "close"},
    )


def _too_large(max_bytes: int) -> ApiError:
    return ApiError(
        413,
        INVALID_REQUEST,
        f"Payload too large: the limit is {max_bytes} bytes.",
        code="payload_too_large",
        headers={"connection": "close"},
    )
