"""Rules of the server, on real sockets: one client's bytes harm nobody else, and a stop is a stop."""

import json
import socket
import struct
from functools import partial
from types import TracebackType

import h2.connection
import pytest
import trio

from greenroom.actors.channels.channel import Channel, TextDelta
from greenroom.http import listener
from greenroom.http.exchange import App, Receive, Scope, Send
from greenroom.http.listener import base_url, open_listener, serve_app
from tests.http.conftest import (
    PATH,
    STOP,
    TOKEN,
    Answer,
    Lines,
    PlayedChannel,
    Site,
    chat,
    data_of,
    words,
)


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
        f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{more}"
        f"content-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


class Server(Site):
    """A house behind a listener of its own."""

    def __init__(self, channel: Channel | None = None, *, grace: float = 5) -> None:
        super().__init__(channel)
        self._grace = grace
        self.stop = trio.Event()
        self.ended = trio.Event()
        self._address: tuple[str, int]

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        own = await open_listener("127.0.0.1", 0)
        self._address = own.socket.getsockname()
        task_status.started()
        await serve_app(self.app, own, self.lines.log, stop=self.stop, grace=self._grace)
        self.ended.set()

    async def connect(self) -> Client:
        return Client(await trio.open_tcp_stream(*self._address))

    async def ask(self, body: object = None) -> Answer:
        async with await self.connect() as client:
            await client.send(request(chat() if body is None else body))
            return await client.answer()


async def start(nursery: trio.Nursery, server: Server) -> None:
    await nursery.start(server.serve)


SLOW = "[slow 0.01] [say " + "word " * 20 + "]"


# Keep-alive


async def test_a_connection_lives_on_after_answers_errors_and_streams(
    nursery: trio.Nursery,
) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            for _ in range(3):
                for body, status in [
                    (chat(), 200),
                    (chat(temperature=9), 400),
                    (chat(stream=True), 200),
                    (b"nonsense", 400),
                    (chat("[fail upstream_error]"), 502),
                    (chat("[fail upstream_error after 1]", stream=True), 200),
                ]:
                    await client.send(request(body))
                    answer = await client.answer()
                    assert answer.status == status
                    if "text/event-stream" in answer.headers["content-type"]:
                        assert data_of(answer.body)[-1] == "[DONE]"
                await client.send(request(b"", method="GET", path="/v1/models"))
                assert (await client.answer()).status == 200
                await client.send(request(b"{}", token="wrong"))
                assert (await client.answer()).status == 401
                await client.send(request(b"", method="GET", path="/nowhere"))
                assert (await client.answer()).status == 404


async def test_requests_that_come_at_once_are_answered_in_their_order(
    nursery: trio.Nursery,
) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(b"".join(request(chat(f"[say {n}]")) for n in range(3)))
            texts = [
                json.loads((await client.answer()).body)["choices"][0]["message"]["content"]
                for _ in range(3)
            ]
    assert texts == ["0", "1", "2"]


async def test_a_large_body_that_waits_to_be_asked_for_is_asked_for(nursery: trio.Nursery) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            data = json.dumps(chat("x" * 2_000_000 + "[say Yes]")).encode()
            await client.send(request(data, more="expect: 100-continue\r\n")[: -len(data)])
            assert (await client.head()).status == 100
            await client.send(data)
            assert (await client.answer()).status == 200


async def test_a_body_that_is_declared_too_large_is_refused_and_the_connection_closed(
    nursery: trio.Nursery,
) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(
                f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
                f"content-length: {10**9}\r\n\r\n".encode()
            )
            answer = await client.answer()
            assert (answer.status, answer.headers["connection"]) == (413, "close")
            assert await client.ended()


@pytest.mark.parametrize("path", ["/health", "/v1/models", PATH])
async def test_a_connection_that_idles_too_long_is_closed(
    path: str, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_IDLE_S", 0.1)
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            for _ in range(2):
                method = "POST" if path == PATH else "GET"
                await client.send(request(chat(), method=method, path=path))
                assert (await client.answer()).status == 200
            with trio.fail_after(2):
                assert await client.ended()


async def test_a_silent_stream_is_not_an_idle_connection(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_IDLE_S", 0.05)
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(chat("[say a b] [slow 0.3]", stream=True)))
            assert data_of((await client.answer()).body)[-1] == "[DONE]"


async def test_a_reader_who_stalls_for_too_long_is_given_up_and_its_run_with_it(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_WRITE_S", 0.2)
    channel = PlayedChannel([(TextDelta("x" * 10_000),)] * 10_000, words("Yes."))
    async with Server(channel) as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(chat(stream=True)))
            with trio.fail_after(3):
                await channel.was_left.wait()
        assert (await server.ask()).status == 200


async def test_the_secret_is_asked_for_before_a_body_is_sent(nursery: trio.Nursery) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(b"x" * 1000, token="wrong")[:-900])
            assert (await client.answer()).status == 401


# Hostile bytes


def _preface(headers: list[tuple[bytes, bytes]], *, end: bool = True) -> bytes:
    """Cleartext HTTP/2 by prior knowledge, with the given head unchecked."""
    connection = h2.connection.H2Connection()
    connection.config.validate_outbound_headers = False
    connection.config.normalize_outbound_headers = False
    connection.initiate_connection()
    connection.send_headers(1, headers, end_stream=end)
    return connection.data_to_send()


def non_ascii_path() -> bytes:
    return _preface(
        [
            (b":method", b"GET"),
            (b":path", "/ä".encode()),
            (b":scheme", b"http"),
            (b":authority", b"x"),
        ]
    )


def connect_without_path() -> bytes:
    return _preface([(b":method", b"CONNECT"), (b":authority", b"x")])


def data_after_an_early_response() -> bytes:
    head = [(b":method", b"POST"), (b":path", b"/x"), (b":scheme", b"http"), (b":authority", b"x")]
    frame = b"\x00\x00\x04\x00\x00\x00\x00\x00\x01abcd"
    return _preface(head, end=False) + frame * 50


def flood_of_priorities() -> bytes:
    frame = b"\x00\x00\x05\x02\x00" + struct.pack(">I", 3) + struct.pack(">IB", 0, 1)
    head = [(b":method", b"GET"), (b":path", b"/x"), (b":scheme", b"http"), (b":authority", b"x")]
    frames = [
        frame.replace(struct.pack(">I", 3), struct.pack(">I", 2 * n + 3)) for n in range(2000)
    ]
    return _preface(head) + b"".join(frames)


HOSTILE: dict[str, bytes] = {
    "non-ASCII :path": non_ascii_path(),
    "CONNECT without :path": connect_without_path(),
    "DATA after an early response": data_after_an_early_response(),
    "flood of PRIORITY": flood_of_priorities(),
    "HTTP/2 preface alone": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "upgrade to h2c": (
        b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
        b"http2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
    ),
    "upgrade to WebSocket": (
        b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ),
    "WebSocket on the endpoint": (
        f"GET {PATH} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode(),
    "WebSocket of nonsense": (
        b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 99\r\n\r\n"
    ),
    "CONNECT": b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
    "absolute target": b"GET http://other/health HTTP/1.1\r\nhost: x\r\n\r\n",
    "target of bytes": b"GET /\xff\xfe%ff%00?\xff HTTP/1.1\r\nhost: x\r\n\r\n",
    "headers of bytes": (
        f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \xff\xfe\r\n\r\n".encode("latin-1")
    ),
    "two lengths": (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n"
        b"content-length: 4\r\n\r\nabc"
    ),
    "length and chunks": (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n"
        b"transfer-encoding: chunked\r\n\r\nzz\r\n"
    ),
    "chunk of no size": (
        f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
        "transfer-encoding: chunked\r\n\r\nnothing\r\n\r\n"
    ).encode(),
    "head without an end": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 50_000,
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 300,
    "zeros": bytes(100_000),
    "line breaks": b"\r\n" * 10_000,
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/3.0": b"GET / HTTP/3.0\r\nhost: x\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_bytes_end_neither_the_server_nor_a_stream_beside_them(
    name: str, nursery: trio.Nursery
) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as beside, await server.connect() as hostile:
            await beside.send(request(chat(SLOW, stream=True)))
            assert (await beside.head()).status == 200
            with trio.move_on_after(0.1):
                try:
                    await hostile.send(HOSTILE[name])
                    while await hostile.stream.receive_some():
                        pass
                except trio.BrokenResourceError:
                    pass
            said = b""
            while piece := await beside.chunk():
                said += piece
            assert data_of(said)[-1] == "[DONE]"
            assert said.count(b'"content":') == 21
        assert (await server.ask()).status == 200
        assert not server.ended.is_set()
        assert not server.lines.all("http.server")


@pytest.mark.parametrize("name", ["non-ASCII :path", "HTTP/2 preface alone", "upgrade to h2c"])
async def test_no_http_2_is_spoken_in_cleartext(name: str, nursery: trio.Nursery) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(HOSTILE[name])
            first = await client.until(b"\r\n")
    assert first.startswith(b"HTTP/1.1 ")
    assert b" 101 " not in first


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("sent", [b"", b"GET", b'{"mod'])
async def test_a_connection_that_breaks_off_harms_nobody(
    sent: bytes, reset: bool, nursery: trio.Nursery
) -> None:
    async with Server() as server:
        await start(nursery, server)
        client = await server.connect()
        whole = request(chat())
        await client.send(whole[:-20] if sent.startswith(b"{") else sent)
        await trio.sleep(0.02)
        if reset:
            client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(client.stream)
        assert (await server.ask()).status == 200
        assert not server.lines.all("http.server")


@pytest.mark.parametrize("reset", [False, True])
async def test_a_client_that_leaves_its_stream_ends_its_run(
    reset: bool, nursery: trio.Nursery
) -> None:
    channel = PlayedChannel([(TextDelta("a"),), 1000.0])
    async with Server(channel) as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(chat(stream=True)))
            await client.head()
            await client.chunk()
            if reset:
                client.stream.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
        with trio.fail_after(2):
            await channel.was_left.wait()


@pytest.mark.parametrize("path", ["/", "/health", PATH, "/v1/models"])
async def test_a_websocket_is_refused_on_every_path(path: str, nursery: trio.Nursery) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(
                f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                "sec-websocket-version: 13\r\n"
                "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            assert (await client.head()).status == 403
        assert not server.lines.all("http.server")


async def test_a_crash_of_the_application_ends_one_connection(nursery: trio.Nursery) -> None:
    async def crash(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/crash":
            raise BaseExceptionGroup("x", [ValueError("1"), ExceptionGroup("y", [KeyError("2")])])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app: App = crash
    lines, stop = Lines(), trio.Event()
    own = await open_listener("127.0.0.1", 0)
    nursery.start_soon(partial(serve_app, app, own, lines.log, stop=stop, grace=1))
    for path, status in (("/crash", 500), ("/", 204)):
        stream = await trio.open_tcp_stream(*own.socket.getsockname())
        async with Client(stream) as client:
            await client.send(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            assert (await client.head()).status == status
    assert lines.all("http.server")


# Stopping


async def stopped(server: Server, within: float) -> float:
    """Stop a server; how long it took."""
    begun = trio.current_time()
    server.stop.set()
    with trio.fail_after(within):
        await server.ended.wait()
    return trio.current_time() - begun


async def test_idle_connections_are_closed_at_once(nursery: trio.Nursery) -> None:
    async with Server() as server:
        await start(nursery, server)
        fresh, used, half, read = [await server.connect() for _ in range(4)]
        for body, client in ((chat(), used), (chat(stream=True), read)):
            await client.send(request(body))
            await client.answer()
        await read.send(request(b"", method="GET", path="/v1/models"))
        await read.answer()
        await half.send(b"GET / HT")
        await trio.sleep(0.02)
        await stopped(server, within=1)
        for client in (fresh, used, half, read):
            assert await client.ended()
            await trio.aclose_forcefully(client.stream)


async def test_an_open_stream_gets_its_time_to_end(nursery: trio.Nursery) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(chat(SLOW, stream=True)))
            await client.head()
            server.stop.set()
            said = b""
            while piece := await client.chunk():
                said += piece
            assert data_of(said)[-1] == "[DONE]"
            with trio.fail_after(1):
                await server.ended.wait()
            assert await client.ended()


async def test_an_open_stream_gets_no_more_than_the_grace(nursery: trio.Nursery) -> None:
    channel = PlayedChannel([(TextDelta("a"),), 1000.0, STOP])
    async with Server(channel, grace=0.3) as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(chat(stream=True)))
            await client.head()
            assert await stopped(server, within=2) >= 0.3
        with trio.fail_after(1):
            await channel.was_left.wait()


async def test_a_reader_who_never_reads_does_not_hold_a_stop(nursery: trio.Nursery) -> None:
    channel = PlayedChannel([(TextDelta("x" * 10_000),)] * 10_000)
    async with Server(channel, grace=0.3) as server:
        await start(nursery, server)
        async with await server.connect() as client:
            client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await client.send(request(chat(stream=True)))
            await trio.sleep(0.3)
            given = channel.given
            await trio.sleep(0.1)
            assert channel.given == given < 10_000, "read ahead without a bound"
            await stopped(server, within=2)


async def test_who_comes_after_the_stop_is_not_served(nursery: trio.Nursery) -> None:
    async with Server() as server:
        await start(nursery, server)
        await stopped(server, within=1)
        with pytest.raises(OSError, match="all attempts to connect"):
            await server.connect()


async def test_a_port_that_is_taken_cannot_be_listened_on() -> None:
    first = await open_listener("127.0.0.1", 0)
    async with first:
        with pytest.raises(OSError, match="in use"):
            await open_listener("127.0.0.1", first.socket.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "url"), [("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80")]
)
def test_a_url_has_its_host_in_brackets_where_it_needs_them(host: str, url: str) -> None:
    assert base_url(host, 80) == url
