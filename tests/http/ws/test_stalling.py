"""A client on a real socket that stops reading: its turn ends, and it is told why if it reads again."""

import json
import threading

import trio
from msgspec.structs import replace
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from greenroom.http.server import listener
from tests.conftest import PlayedChannel, words
from tests.http.conftest import TOKEN
from tests.http.ws.conftest import BOUNDS, WsSite

WAIT_S = 20.0


def read_late(port: int, given_up: threading.Event) -> int | None:
    """Ask for more than sockets hold, read nothing until that is given up, then all; return the code."""
    ws: ClientConnection
    with connect(f"ws://127.0.0.1:{port}/v1/ws", proxy=None, max_queue=1) as ws:
        for id_, method, params in (
            ("1", "connect", {"auth": {"token": TOKEN}}),
            ("2", "chat.send", {"text": "Hi", "session": "k"}),
        ):
            frame = {"type": "req", "id": id_, "method": method, "params": params}
            ws.send(json.dumps(frame))
        assert given_up.wait(WAIT_S)
        try:
            while True:
                ws.recv(timeout=WAIT_S)
        except ConnectionClosed as closed:
            return None if closed.rcvd is None else closed.rcvd.code


async def test_a_reader_that_stops_is_closed_with_a_code() -> None:
    channel = PlayedChannel(words(*["x" * 20_000] * 2_000))
    given_up = threading.Event()
    codes: list[int | None] = []
    async with WsSite(channel, bounds=replace(BOUNDS, stall=0.3)) as site:
        own = listener.open_listener("127.0.0.1", 0)
        server = listener.Server(site.sockets, own, site.lines.log)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.run)

            async def read() -> None:
                port = own.getsockname()[1]
                codes.append(await trio.to_thread.run_sync(read_late, port, given_up))

            nursery.start_soon(read)
            with trio.fail_after(WAIT_S):
                await channel.was_left.wait()
            given_up.set()
            server.stop()
        assert codes == [1008]
        assert channel.given < 2_000
        (closed,) = site.lines.all("ws.closed")
        assert closed["reason"] == "Nothing was read for 0.3 seconds."
