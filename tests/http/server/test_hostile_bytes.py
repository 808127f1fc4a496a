"""One client's bytes harm nobody else, whatever they are."""

import socket
import struct

import h2.connection
import pytest
import trio

from greenroom.actors.channels.channel import TextDelta
from greenroom.http.config import Http1
from greenroom.http.exchange import App, Receive, Scope, Send
from greenroom.http.server import listener
from greenroom.http.server.listener import open_listener
from tests.conftest import Lines, PlayedChannel
from tests.http.conftest import PATH, TOKEN, chat, data_of
from tests.http.server.conftest import SLOW, Client, Server, request, start

pytestmark = pytest.mark.usefixtures("http1")


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
        b"GET /health HTTP/1.1\r\nhost: localhost\r\n"
        b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
        b"http2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
    ),
    "upgrade to WebSocket": (
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ),
    "WebSocket on the endpoint": (
        f"GET {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode(),
    "WebSocket of nonsense": (
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 99\r\n\r\n"
    ),
    "CONNECT": b"CONNECT x:1 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "absolute target": b"GET http://other/health HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "target of bytes": b"GET /\xff\xfe%ff%00?\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "headers of bytes": (
        f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ".encode()
        + b"\xff\xfe\r\n\r\n"
    ),
    "two lengths": (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n"
        b"content-length: 4\r\n\r\nabc"
    ),
    "length and chunks": (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n"
        b"transfer-encoding: chunked\r\n\r\nzz\r\n"
    ),
    "chunk of no size": (
        f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n"
        "transfer-encoding: chunked\r\n\r\nnothing\r\n\r\n"
    ).encode(),
    "head without an end": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 50_000,
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 300,
    "zeros": bytes(100_000),
    "line breaks": b"\r\n" * 10_000,
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/3.0": b"GET / HTTP/3.0\r\nhost: localhost\r\n\r\n",
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
                f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                "sec-websocket-version: 13\r\n"
                "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            assert (await client.head()).status == 403
        assert not server.lines.all("http.server")


async def test_a_crash_of_the_application_ends_one_connection(
    nursery: trio.Nursery, http1: Http1
) -> None:
    async def crash(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/crash":
            raise BaseExceptionGroup("x", [ValueError("1"), ExceptionGroup("y", [KeyError("2")])])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app: App = crash
    lines = Lines()
    own = open_listener("127.0.0.1", 0)
    nursery.start_soon(listener.Server(app, own, lines.log, http1=http1).run)
    for path, status in (("/crash", 500), ("/", 204)):
        stream = await trio.open_tcp_stream(*own.getsockname())
        async with Client(stream) as client:
            await client.send(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            assert (await client.head()).status == status
    assert lines.all("http.server")
