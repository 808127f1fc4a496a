"""A stop is a stop: idle connections close at once, open ones get the grace and no more."""

import socket

import pytest
import trio
from hypercorn.events import Event, RawData
from hypercorn.protocol.h11 import H11Protocol

from greenroom.actors.channels.channel import TextDelta
from greenroom.http.server.listener import CannotListen, base_url, open_listener
from tests.conftest import STOP, PlayedChannel
from tests.http.conftest import chat, data_of
from tests.http.server.conftest import SLOW, Server, request, start

pytestmark = pytest.mark.usefixtures("http1")


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
            given = -1
            while given != channel.given:
                given = channel.given
                await trio.sleep(0.2)
            assert given < 10_000, "read ahead without a bound"
            await stopped(server, within=2)


async def test_a_connection_that_is_closed_wherever_it_stands_ends_no_other(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    understand = H11Protocol.handle

    async def stuck(protocol: H11Protocol, event: Event) -> None:
        if isinstance(event, RawData) and event.data == b"GET /stuck":
            await trio.sleep_forever()
        await understand(protocol, event)

    monkeypatch.setattr(H11Protocol, "handle", stuck)
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client, await server.connect() as beside:
            await beside.send(request(chat("[slow 0.1] [say " + "word " * 30 + "]", stream=True)))
            assert (await beside.head()).status == 200
            await client.send(b"GET /stuck")
            await trio.sleep(0.02)
            server.stop.set()
            assert await client.ended()
            said = b""
            while piece := await beside.chunk():
                said += piece
            assert data_of(said)[-1] == "[DONE]"


async def test_who_comes_after_the_stop_is_not_served(nursery: trio.Nursery) -> None:
    async with Server() as server:
        await start(nursery, server)
        await stopped(server, within=1)
        with pytest.raises(OSError, match="all attempts to connect"):
            await server.connect()


async def test_a_port_that_is_taken_cannot_be_listened_on() -> None:
    with (
        open_listener("127.0.0.1", 0) as first,
        pytest.raises(CannotListen, match=r"127\.0\.0\.1:\d+: Address already in use"),
    ):
        open_listener("127.0.0.1", first.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "url"), [("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80")]
)
def test_a_url_has_its_host_in_brackets_where_it_needs_them(host: str, url: str) -> None:
    assert base_url(host, 80) == url
