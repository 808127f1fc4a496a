"""One request over a connection of its own, read as it comes; leaving closes the connection at once.

No client of a library shows each byte and leaves when it is told to. It knows HTTP/1.1, over h11.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import h11
import trio

_MOST_AT_ONCE = 65_536


class Answer:
    """An answer whose head is there; header names are in lower case."""

    def __init__(self, connection: h11.Connection, stream: trio.SocketStream) -> None:
        self._connection = connection
        self._stream = stream
        self.status = 0
        self.headers: dict[str, str] = {}

    async def begin(self) -> None:
        """Read the head."""
        head = await self._next()
        assert isinstance(head, h11.Response), head
        self.status = head.status_code
        self.headers = {name.decode(): value.decode() for name, value in head.headers}

    async def more(self) -> bytes:
        """Return more of the body, nothing at its end."""
        event = await self._next()
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    async def body(self) -> bytes:
        """Return the rest of the body."""
        pieces: list[bytes] = []
        while piece := await self.more():
            pieces.append(piece)
        return b"".join(pieces)

    async def error(self) -> str | None:
        """Return the code of an answer that is an error."""
        code: str | None = json.loads(await self.body())["error"]["code"]
        return code

    async def _next(self) -> object:
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            self._connection.receive_data(await self._stream.receive_some(_MOST_AT_ONCE))
        return event


@asynccontextmanager
async def post(
    url: str, key: str, body: object, headers: Mapping[str, str]
) -> AsyncGenerator[Answer]:
    """Post JSON to a gateway whose key that is; raises as sockets and h11 do where one breaks off."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    data = json.dumps(body).encode()
    sent = {
        "host": parts.netloc,
        "authorization": f"Bearer {key}",
        "content-type": "application/json",
        "content-length": f"{len(data)}",
        **headers,
    }
    connection = h11.Connection(h11.CLIENT)
    request = h11.Request(method="POST", target=parts.path, headers=list(sent.items()))
    events = (request, h11.Data(data=data), h11.EndOfMessage())
    async with await trio.open_tcp_stream(parts.hostname, parts.port) as stream:
        await stream.send_all(b"".join(connection.send(event) or b"" for event in events))
        answer = Answer(connection, stream)
        await answer.begin()
        yield answer
