"""One stream's frames harm no other stream of their connection, in HTTP/2."""

import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

from greenroom.http.config import HttpLimits
from greenroom.http.errors import ApiError
from greenroom.http.exchange import ClientGone, Exchange, Receive, Scope, Send
from greenroom.http.server.common import STOPPING
from tests.http.server.http2_client import Http2Client
from tests.http.server.test_tls import Site

HEAD = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"localhost")]


class Served(Site):
    """A server whose application does what the path says."""

    def __init__(self, folder: Path, **limits: float) -> None:
        bounds = HttpLimits(**limits)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        super().__init__(folder, app=self._app, limits=bounds)
        self.go = trio.Event()
        self.let_go = trio.Event()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        if STOPPING in scope:
            await exchange.respond(503, ((b"connection", b"close"),), b"")
            return
        match scope["path"]:
            case "/early":
                await exchange.respond_error(
                    ApiError(413, "t", "m", headers={"connection": "close"})
                )
            case "/wait":
                await self.go.wait()
                await exchange.respond(200, (), b"waited")
            case "/flood":
                try:
                    await exchange.start(200, ())
                    for _ in range(1000):
                        await exchange.write(bytes(10_000))
                finally:
                    self.let_go.set()
            case _:
                with suppress(ClientGone):
                    body = await exchange.read_body(10**7, 10)
                    await exchange.respond(200, (), str(len(body)).encode())


@asynccontextmanager
async def opened(
    nursery: trio.Nursery, folder: Path, **limits: float
) -> AsyncGenerator[tuple[Served, Http2Client]]:
    site = Served(folder, **limits)
    nursery.start_soon(site.server.run)
    async with Http2Client(await site.connect(site.context("h2"))) as client:
        yield site, client


async def settle(client: Http2Client) -> None:
    """Have all that was sent before be looked at."""
    assert (await client.ask("POST", "/", b"abc")).body == b"3"


@pytest.mark.parametrize(
    "headers",
    [
        [*HEAD, (b":path", "/ä".encode())],
        [*HEAD, (b":path", b"a")],
        [(b":method", b"CONNECT"), (b":authority", b"localhost")],
        [(b":method", b"CONNECT"), (b":authority", b"x"), (b":protocol", b"websocket"), *HEAD[1:2],
         (b":path", b"/\xff")],
    ],
)  # fmt: skip
async def test_a_request_without_a_path_of_ascii_ends_its_own_stream(
    headers: list[tuple[bytes, bytes]], nursery: trio.Nursery, tmp_path: Path
) -> None:
    async with opened(nursery, tmp_path) as (site, client):
        _, beside = await client.begin([*HEAD, (b":path", b"/wait")])
        await client.begin(headers)
        if client.closed:
            pytest.fail("the connection ended")
        await settle(client)
        site.go.set()
        while not beside.ended:
            assert await client.read()
        assert beside.body == b"waited"


async def test_data_behind_an_early_answer_is_read_and_forgotten(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    async with opened(nursery, tmp_path) as (_, client):
        for _ in range(3):
            number, answer = await client.begin([*HEAD, (b":path", b"/early")], None)
            while not (answer.ended or answer.reset):
                assert await client.read()
            assert answer.status == 413
            assert "connection" not in answer.headers
            frame = struct.pack(">I", 16_000)[1:] + b"\x00\x00" + struct.pack(">I", number)
            await client.frames(frame + bytes(16_000))
        await settle(client)


async def test_priorities_are_not_looked_at(nursery: trio.Nursery, tmp_path: Path) -> None:
    async with opened(nursery, tmp_path) as (_, client):
        await settle(client)
        for n in range(2000):
            await client.frames(
                b"\x00\x00\x05\x02\x00" + struct.pack(">I", 2 * n + 9) + struct.pack(">IB", 0, 1)
            )
        await settle(client)


async def test_streams_that_are_reset_at_once_leave_nothing_behind(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    async with opened(nursery, tmp_path) as (site, client):
        for _ in range(3):
            for _ in range(90):
                number, _ = await client.begin([*HEAD, (b":path", b"/")], None)
                client.h2.reset_stream(number)
                await client.flush()
            for _ in range(60):
                await settle(client)
        assert not site.lines.all("http.server")


async def test_a_window_that_stays_shut_is_a_reader_who_stalls(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    async with opened(nursery, tmp_path, write_timeout=0.3) as (site, client):
        await client.begin([*HEAD, (b":path", b"/flood")])
        with trio.fail_after(10):
            await site.let_go.wait()


async def test_a_body_that_nobody_reads_does_not_hold_the_connection_for_ever(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    async with opened(nursery, tmp_path, keep_alive=0.3) as (site, client):
        _, answer = await client.begin([*HEAD, (b":path", b"/early")], b"x" * 16_000)
        while not (answer.ended or answer.reset):
            assert await client.read()
        with trio.fail_after(10):
            while await client.read():
                continue
        site.server.stop()
        with trio.fail_after(5):
            await site.server.ended()


async def test_a_request_after_the_stop_is_told(nursery: trio.Nursery, tmp_path: Path) -> None:
    async with opened(nursery, tmp_path) as (site, client):
        _, under_way = await client.begin([*HEAD, (b":path", b"/wait")])
        await settle(client)
        site.server.stop()
        await trio.sleep(0.05)
        assert (await client.ask("POST", "/")).status == 503
        site.go.set()
        while not under_way.ended:
            assert await client.read()
        assert under_way.body == b"waited"
        with trio.fail_after(5):
            await site.server.ended()
