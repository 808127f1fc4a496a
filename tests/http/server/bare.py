"""One small application behind a listener, and a client of it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from greenroom.http.config import HttpLimits
from greenroom.http.exchange import Exchange, Receive, Scope, Send
from greenroom.http.server.listener import Server as Listening
from greenroom.http.server.listener import open_listener
from tests.conftest import Lines
from tests.http.server.conftest import Client

Answering = Callable[[Exchange], Awaitable[None]]
GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Bare:
    """One small application behind a listener; it answers with `answering`."""

    def __init__(self, answering: Answering, **limits: float) -> None:
        self.lines = Lines()
        self._answering = answering
        own = open_listener("127.0.0.1", 0)
        self._address = own.getsockname()
        bounds = HttpLimits(**limits)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self.server = Listening(self._app, own, self.lines.log, bounds)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answering(Exchange(scope, receive, send))

    async def connect(self) -> Client:
        return Client(await trio.open_tcp_stream(*self._address))


@asynccontextmanager
async def bare(
    nursery: trio.Nursery, answering: Answering, **limits: float
) -> AsyncGenerator[tuple[Bare, Client]]:
    server = Bare(answering, **limits)
    nursery.start_soon(server.server.run)
    async with await server.connect() as client:
        yield server, client


async def fine(exchange: Exchange) -> None:
    await exchange.respond(200, (), await exchange.read_body(10**9, 30))


async def at_once(exchange: Exchange) -> None:
    """Answer without a look at the body."""
    await exchange.start(401, ((b"content-length", b"2"),))
    await exchange.write(b"no", more=False)


def post(size: int, more: str = "") -> bytes:
    head = f"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {size}\r\n{more}\r\n"
    return head.encode()
