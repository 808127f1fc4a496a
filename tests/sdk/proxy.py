"""What lies between a client and its gateway, and loses answers: a proxy that does as its script says.

It gives each request a connection of its own to the gateway, and takes one step of the script for it. But
for `HANG_UP`, it hears the whole answer whatever its client gets of it: a gateway does not notice where a
network loses what it has sent. A client should ask for its connections to be closed, for they are.
"""

import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

import h11
import trio

_MOST_AT_ONCE = 65_536


class Step(StrEnum):
    """What becomes of a request and its answer."""

    PASS = "pass"
    LOSE = "lose the request"
    SWALLOW = "drop the connection before the answer"
    HEAD = "drop it after the answer's head"
    HALF = "drop it in the middle of the answer's body"
    DELAY = "give nothing until the client has had enough"
    HANG_UP = "drop it, and the one to the gateway, when the test says so"


class Proxy:
    """The proxy of one gateway, in a thread; as a context, it runs. Past its script's end it passes all.

    `has_begun` tells that an answer has begun which it is to hang up on.
    """

    def __init__(self, gateway_url: str, script: Iterable[Step] = ()) -> None:
        parts = urlsplit(gateway_url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._gateway = parts.hostname, parts.port
        self._script = deque(script)
        self._started = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,), name="proxy")
        self._token: trio.lowlevel.TrioToken | None = None
        self._stop = trio.Event()
        self._hang_up = trio.Event()
        self.has_begun = False
        self.url = ""

    def hang_up(self) -> None:
        """Drop both connections of the request whose step that is."""
        assert self._token is not None
        self._token.run_sync_soon(self._hang_up.set)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        with suppress(trio.RunFinishedError):  # it has failed, which its thread has told
            self._token.run_sync_soon(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/v1"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._take, [listener])
            self._started.set()
            await self._stop.wait()
            nursery.cancel_scope.cancel()

    async def _take(self, client: trio.SocketStream) -> None:
        """Take one request; the connection ends with it."""
        async with client:
            request = await _request(client)
            step = self._script.popleft() if self._script else Step.PASS
            if step is Step.LOSE:
                return
            async with await trio.open_tcp_stream(*self._gateway) as gateway:
                connection = h11.Connection(h11.CLIENT)
                await gateway.send_all(b"".join(connection.send(e) or b"" for e in request))
                if step is Step.HANG_UP:
                    await self._hear_until_hung_up(gateway)
                    return
                head, body = await _answer(gateway, connection)
            with suppress(trio.BrokenResourceError):  # the client has left
                match step:
                    case Step.PASS:
                        await client.send_all(head + body)
                    case Step.HEAD:
                        await client.send_all(head)
                    case Step.HALF:
                        await client.send_all(head + body[: len(body) // 2])
                    case Step.DELAY:
                        while await client.receive_some(_MOST_AT_ONCE):
                            pass
                    case _:
                        pass

    async def _hear_until_hung_up(self, gateway: trio.SocketStream) -> None:
        async with trio.open_nursery() as nursery:

            async def hear() -> None:
                while await gateway.receive_some(_MOST_AT_ONCE):
                    self.has_begun = True

            nursery.start_soon(hear)
            await self._hang_up.wait()
            nursery.cancel_scope.cancel()


async def _request(client: trio.SocketStream) -> list[h11.Event]:
    connection = h11.Connection(h11.SERVER)
    events: list[h11.Event] = []
    while not events or not isinstance(events[-1], h11.EndOfMessage):
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await client.receive_some(_MOST_AT_ONCE))
        else:
            assert isinstance(event, h11.Event)
            events.append(event)
    return events


async def _answer(gateway: trio.SocketStream, connection: h11.Connection) -> tuple[bytes, bytes]:
    """Return the head and the body of a whole answer, as they came."""
    raw = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            piece = await gateway.receive_some(_MOST_AT_ONCE)
            raw += piece
            connection.receive_data(piece)
        elif isinstance(event, h11.EndOfMessage):
            break
    head, blank, body = raw.partition(b"\r\n\r\n")
    return head + blank, body
