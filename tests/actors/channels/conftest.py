"""An upstream on a loopback socket that does exactly what a test writes down, however hostile.

It reads requests strictly, and notes what a well-behaved client never does; a test that leaves such a
note behind fails. Time is virtual where a test asks for `virtual_time`.
"""

import gc
import itertools
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import NamedTuple

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.channels.adapter import Decoder, HttpRequest
from greenroom.actors.channels.channel import (
    Delta,
    Finish,
    OfChoice,
    ReasoningDelta,
    RefusalDelta,
    Stamp,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.channels.http_channel import HttpChannel
from greenroom.actors.channels.openai.reply import OpenAIDecoder
from greenroom.actors.channels.transport.direct import Direct
from greenroom.actors.channels.transport.proxied import Proxied
from greenroom.actors.channels.transport.transport import HttpResponse, Transport
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.entries import Keepsake
from greenroom.actors.failure import Failure, TurnFailed
from greenroom.actors.settings import ProviderSettings, Secret, TimeLimits

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


Json = dict[str, object]
Outcome = tuple[list[Delta], Failure | None]

DONE = b"data: [DONE]\n\n"
LIMITS = TimeLimits(connect=10, first_byte=20, silence=30)


class Received(NamedTuple):
    """A request; header names are lower case."""

    target: str
    headers: dict[str, str]
    body: bytes


class Peer:
    """A client's connection, as the script of an answer sees it."""

    def __init__(self, stream: trio.abc.Stream, serial: int) -> None:
        self._stream = stream
        self._unread = b""
        self.serial = serial
        """Which one it is of the upstream's connections, from 1 on."""
        self.number = 0
        """How many requests came over it."""
        self.complaints: list[str] = []

    async def request(self) -> Received | None:
        """Return the next request, or None once the client has closed."""
        head = await self._until(b"\r\n\r\n")
        if head is None:
            return None
        first, *lines = head.decode("ascii").split("\r\n")
        method, target, version = first.split(" ")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        if (method, version) != ("POST", "HTTP/1.1") or "host" not in headers:
            self.complaints.append(first)
        body = await self._exactly(int(headers["content-length"]))
        if self._unread:
            self.complaints.append("more than one request at once")
        return Received(target, headers, body)

    async def send(self, *pieces: bytes) -> None:
        """Send each piece in a write of its own."""
        for piece in pieces:
            await self._stream.send_all(piece)

    async def stream(self, *events: object, end: bool = True) -> None:
        """Send a head and events, a write and an HTTP chunk for each; strings are sent as they are."""
        await self.send(STREAM_HEAD, *map(chunked, map(event, events)))
        if end:
            await self.send(chunked(b"data: [DONE]\n\n") + chunked(b""))

    async def answer(self, status: int, body: bytes, *headers: str) -> None:
        """Send a whole answer."""
        head = "\r\n".join(
            [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers, "", ""]
        )
        await self.send(head.encode() + body)

    async def hang(self) -> None:
        """Begin a stream and leave it at that."""
        await self.send(STREAM_HEAD, chunked(b"Hel"))
        await self.gone()

    async def gone(self) -> None:
        """Wait until the client has closed its connection."""
        if await self._more():
            self.complaints.append("sent something after its request")

    async def close(self) -> None:
        """End the connection in good order."""
        await self._stream.aclose()

    async def reset(self) -> None:
        """End the connection with a reset."""
        assert isinstance(self._stream, trio.SocketStream)
        self._stream.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
        await self._stream.aclose()

    async def _until(self, end: bytes) -> bytes | None:
        while end not in self._unread:
            if not await self._more():
                return None
        head, _, self._unread = self._unread.partition(end)
        return head

    async def _exactly(self, size: int) -> bytes:
        while len(self._unread) < size and await self._more():
            pass
        body, self._unread = self._unread[:size], self._unread[size:]
        return body

    async def _more(self) -> bool:
        try:
            data = await self._stream.receive_some(65536)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        self._unread += data
        return bool(data)


Script = Callable[[Peer], Awaitable[None]]


class Upstream:
    """The server: `script` answers each request, and `open` counts the connections that last."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Received] = []
        self.complaints: list[str] = []
        self.open = 0
        self.served = 0
        self.script: Script = Peer.stream
        self._left = trio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def down_to(self, connections: int) -> None:
        """Wait until no more than so many connections are open, which must come at once."""
        with trio.fail_after(1):
            while self.open > connections:
                self._left = trio.Event()
                await self._left.wait()

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection to its end."""
        self.open += 1
        self.served += 1
        peer = Peer(stream, self.served)
        try:
            while (received := await peer.request()) is not None:
                self.requests.append(received)
                peer.number += 1
                await self.script(peer)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.open -= 1
            self._left.set()
            self.complaints += peer.complaints
            await trio.aclose_forcefully(stream)


def event(data: object) -> bytes:
    """Frame data as an event, unless it is bytes already."""
    return data if isinstance(data, bytes) else b"data: %b\n\n" % msgspec.json.encode(data)


def chunked(data: bytes) -> bytes:
    """Frame data as an HTTP chunk; no data is the last chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def sse(*chunks: object, done: bytes = DONE) -> bytes:
    """Write the body of an answer."""
    return b"".join(map(event, chunks)) + done


def chunk(delta: Json | None = None, finish: object = None, **more: object) -> Json:
    """Return a chunk as OpenAI sends it, but for the fields that say otherwise."""
    choice: Json = {"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": finish}
    head: Json = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return head | {"choices": [choice]} | more


def said(*texts: str) -> list[Json]:
    """Return a chunk for each text."""
    return [chunk({"content": text}) for text in texts]


def outcome_of(decoder: Decoder, pieces: Iterable[bytes]) -> Outcome:
    """Return the deltas of an answer that came in these pieces, and how it failed, if it did."""
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    try:
        deltas += decoder.end()
    except TurnFailed as failed:
        return deltas, failed.failure
    return deltas, None


def in_order(deltas: list[Delta]) -> bool:
    """Whether a whole answer keeps the promises of `Channel`, each of its choices by itself."""
    others: dict[int, list[Delta]] = defaultdict(list)
    first: list[Delta] = []
    for delta in deltas:
        if isinstance(delta, OfChoice):
            assert not any(isinstance(d, Finish) for d in first), "the first choice ends last"
            others[delta.index].append(delta.delta)
        else:
            first.append(delta)
    assert 0 not in others
    return all(map(_is_in_order, (first, *others.values())))


def _is_in_order(deltas: list[Delta]) -> bool:
    calls = -1
    finished = counted = kept = 0
    for delta in deltas:
        match delta:
            case ToolCallStart(index):
                assert index == calls + 1
                calls = index
            case ToolCallArguments(index):
                assert index == calls
            case Keepsake():
                kept += 1
            case Finish():
                finished += 1
            case Usage():
                counted += 1
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                assert delta.text
            case _:
                pass
        assert not kept or isinstance(delta, Keepsake | Finish | Usage | Stamp)
        assert not finished or isinstance(delta, Finish | Usage)
    return finished == 1 and counted <= 1 and kept <= 1


def decode_pieces(*pieces: bytes) -> Outcome:
    """Return the outcome of an OpenAI answer that came in these pieces."""
    ids = itertools.count()
    return outcome_of(OpenAIDecoder(UpstreamErrors("local"), lambda: f"new-{next(ids)}"), pieces)


def same_wherever_cut(decode: Callable[..., Outcome], body: bytes) -> Outcome:
    """Return what a whole answer brings, having seen that cuts and line ends change nothing."""
    outcome = decode(body)
    if len(body) < 4096:
        for cut in range(len(body)):
            assert decode(body[:cut], body[cut:]) == outcome
        for same in [body] if b"\r" in body else [body, body.replace(b"\n", b"\r\n")]:
            assert decode(*(bytes([byte]) for byte in same)) == outcome
    return outcome


def decode(body: bytes) -> Outcome:
    """Return what a whole OpenAI answer brings, wherever it is cut."""
    return same_wherever_cut(decode_pieces, body)


@pytest.fixture
def virtual_time() -> MockClock:
    """A clock that jumps whenever nothing has happened for a moment, sockets included."""
    return MockClock(autojump_threshold=0.02)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def post(url: str, body: bytes = b"{}", **headers: str) -> HttpRequest:
    return HttpRequest(url, headers, body)


async def whole(response: HttpResponse) -> bytes:
    """Read a body to its end."""
    body = bytearray()
    while data := await response.read():
        body += data
    return bytes(body)


async def listen(
    nursery: trio.Nursery, serve: Callable[[trio.SocketStream], Awaitable[object]]
) -> int:
    """Give each connection to a port of the loopback to `serve`; return the port."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, serve, listeners)
    port: int = listeners[0].socket.getsockname()[1]
    return port


@pytest.fixture
async def upstream(nursery: trio.Nursery) -> AsyncGenerator[Upstream]:
    """An upstream that runs as long as the test."""
    server = Upstream()
    server.port = await listen(nursery, server.serve)
    yield server
    assert server.complaints == []


@pytest.fixture(params=[Direct, Proxied])
async def transport(request: pytest.FixtureRequest) -> AsyncGenerator[Transport]:
    """Either transport, with `LIMITS`; generators that are left unfinished are found at its end."""
    transport: Transport = request.param("local", LIMITS)
    yield transport
    await transport.aclose()
    gc.collect()


@pytest.fixture
async def connect(upstream: Upstream) -> AsyncGenerator[Callable[..., HttpChannel]]:
    """Make channels to the upstream; their settings are the default ones but for those given."""
    channels: list[HttpChannel] = []

    def connect(**changes: object) -> HttpChannel:
        settings = ProviderSettings(
            "local", "openai-completions", upstream.url, Secret("sk-secret")
        )
        channels.append(HttpChannel(msgspec.structs.replace(settings, **changes)))
        return channels[-1]

    yield connect
    for channel in channels:
        await channel.aclose()
