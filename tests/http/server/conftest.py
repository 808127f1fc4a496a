"""A server on a real socket, and a client that speaks byte by byte.

Import the names from `tests.http.server.conftest`; pytest has it loaded before any test.
"""

import json
from types import TracebackType

import pytest
import trio
from msgspec.structs import replace

from greenroom.actors.channels.channel import Channel
from greenroom.http.config import Http1, HttpLimits
from greenroom.http.server import listener
from greenroom.http.server.listener import open_listener
from tests.http.conftest import PATH, TOKEN, Answer, Site, chat


class Client:
    """One connection, byte by byte."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.buffer = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def until(self, mark: bytes) -> bytes:
        """Read to the end of `mark`."""
        while mark not in self.buffer:
            got = await self.stream.receive_some()
            assert got, f"the connection ended after {self.buffer!r}"
            self.buffer += got
        before, _, self.buffer = self.buffer.partition(mark)
        return before + mark

    async def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            got = await self.stream.receive_some()
            assert got, "the connection ended in a body"
            self.buffer += got
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    async def head(self) -> Answer:
        first, *rest = (await self.until(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = dict(line.lower().split(": ", 1) for line in rest)
        return Answer(int(first.split(" ")[1]), headers, b"")

    async def chunk(self) -> bytes:
        size = int(await self.until(b"\r\n"), 16)
        return (await self.exactly(size + 2))[:-2]

    async def answer(self) -> Answer:
        """Read one whole answer."""
        answer = await self.head()
        if "content-length" in answer.headers:
            answer.body = await self.exactly(int(answer.headers["content-length"]))
        elif "chunked" in answer.headers.get("transfer-encoding", ""):
            while piece := await self.chunk():
                answer.body += piece
        return answer

    async def ended(self) -> bool:
        """Wait for the other side to close; whether it said nothing more before."""
        try:
            return not self.buffer and not await self.stream.receive_some()
        except trio.BrokenResourceError:
            return True

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await trio.aclose_forcefully(self.stream)


def request(
    body: object = None,
    *,
    method: str = "POST",
    path: str = PATH,
    token: str = TOKEN,
    more: str = "",
) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n{more}"
        f"content-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


class Server(Site):
    """A house behind a listener of its own."""

    http1: Http1 = "httptools"

    def __init__(
        self, channel: Channel | None = None, *, grace: float = 5, **limits: float
    ) -> None:
        super().__init__(channel)
        self._grace = grace
        self._limits = replace(HttpLimits(), **limits)
        self.stop = trio.Event()
        self.ended = trio.Event()
        self._address: tuple[str, int]

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        own = open_listener("127.0.0.1", 0)
        self._address = own.getsockname()
        server = listener.Server(self.app, own, self.lines.log, self._limits, http1=self.http1)
        async with trio.open_nursery() as connections:
            connections.start_soon(server.run)
            task_status.started()
            await self.stop.wait()
            server.stop()
            with trio.move_on_after(self._grace):
                await server.ended()
            connections.cancel_scope.cancel()
        self.ended.set()

    async def connect(self) -> Client:
        return Client(await trio.open_tcp_stream(*self._address))

    async def ask(self, body: object = None) -> Answer:
        async with await self.connect() as client:
            await client.send(request(chat() if body is None else body))
            return await client.answer()


@pytest.fixture(params=["httptools", "h11"])
def http1(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Http1:
    """Whose HTTP/1.1 the servers of a test speak: each in turn."""
    spoken: Http1 = request.param
    monkeypatch.setattr(Server, "http1", spoken)
    return spoken


async def start(nursery: trio.Nursery, server: Server) -> None:
    await nursery.start(server.serve)


SLOW = "[slow 0.01] [say " + "word " * 20 + "]"
