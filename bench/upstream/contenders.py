"""The clients: Greenroom's two transports, and a floor of trio's sockets and `httptools` alone."""

from contextlib import AbstractAsyncContextManager
from types import TracebackType

import httptools
import trio

from bench.upstream.plan import Body, Contender, Name
from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.transport.direct import Direct
from greenroom.actors.channels.transport.proxied import Proxied
from greenroom.actors.channels.transport.transport import Transport
from greenroom.actors.settings import TimeLimits

_HEADERS = {"authorization": "Bearer sk-0123456789abcdef", "content-type": "application/json"}
_BODY = (
    b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":'
    b'[{"role":"system","content":"Be brief."},{"role":"user","content":"Tell me of %b"}]}'
) % (b"many things. " * 20)


def contender(name: Name, port: int) -> Contender:
    """Return that client of the upstream at `port` of this machine."""
    match name:
        case "floor":
            return Floor(port)
        case "direct":
            return Ours(Direct("bench", TimeLimits()), port)
        case "httpx2":
            return Ours(Proxied("bench", TimeLimits()), port)


class Ours:
    """A transport as a channel has it."""

    def __init__(self, transport: Transport, port: int) -> None:
        self._transport = transport
        self._base = f"http://127.0.0.1:{port}"

    def open(self, target: str) -> AbstractAsyncContextManager[Body]:
        return self._transport.open(HttpRequest(self._base + target, _HEADERS, _BODY))

    async def aclose(self) -> None:
        await self._transport.aclose()


class Floor:
    """What can't be done without: send, receive, parse. No limits, no checks, no errors told apart."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.free: list[trio.SocketStream] = []
        lines = "".join(f"{name}: {value}\r\n" for name, value in _HEADERS.items())
        head = f"host: 127.0.0.1:{port}\r\n{lines}content-length: {len(_BODY)}\r\n\r\n"
        self.rest = head.encode() + _BODY

    def open(self, target: str) -> AbstractAsyncContextManager[Body]:
        return _Exchange(self, target)

    async def aclose(self) -> None:
        for stream in self.free:
            await stream.aclose()


class _Exchange(AbstractAsyncContextManager[Body]):
    def __init__(self, floor: Floor, target: str) -> None:
        self._floor = floor
        self._target = target
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._begun = self._ended = False

    async def __aenter__(self) -> Body:
        floor = self._floor
        self._stream = (
            floor.free.pop() if floor.free else await trio.open_tcp_stream("127.0.0.1", floor.port)
        )
        await self._stream.send_all(f"POST {self._target} HTTP/1.1\r\n".encode() + floor.rest)
        while not self._begun:
            await self._receive()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del self._parser  # it and this object hold each other
        if self._ended:
            self._floor.free.append(self._stream)
        else:
            await trio.aclose_forcefully(self._stream)

    async def read(self) -> bytes:
        while not self._pieces and not self._ended:
            await self._receive()
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data

    async def _receive(self) -> None:
        data = await self._stream.receive_some()
        if not data:
            raise trio.BrokenResourceError
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        self._begun = True

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        self._ended = True
