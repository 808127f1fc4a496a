"""One connection of a client, over h11: requests in, answers out, in as many pieces as is wanted.

It knows HTTP/1.1 and sockets, and nothing of what is said.
"""

from collections.abc import Mapping

import h11
import msgspec
import trio

_MOST_AT_ONCE = 65_536
_SHRED = 7


class Request(msgspec.Struct, frozen=True):
    """A request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Connection:
    """A connection, from its first request to its last; `shred` cuts what is sent into small pieces."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.SERVER)
        self.shred = False

    async def request(self) -> Request | None:
        """Return the next request, None once the client has left."""
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        head: h11.Request | None = None
        body = bytearray()
        while True:
            match self._http.next_event():
                case h11.Request() as head:
                    pass
                case h11.Data(data=data):
                    body += data
                case h11.EndOfMessage():
                    assert head is not None, "a body without a head"
                    headers = {name.decode(): value.decode() for name, value in head.headers}
                    return Request(head.method.decode(), head.target.decode(), headers, bytes(body))
                case _:
                    if not await self._more():
                        return None

    async def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a whole answer, in one write: its last byte ends it."""
        length = {"content-length": str(len(body))}
        await self._write(
            _head(status, {**headers, **length}), h11.Data(data=body), h11.EndOfMessage()
        )

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of an answer."""
        await self._write(_head(status, headers))

    async def send(self, data: bytes) -> None:
        """Send a piece of a body, in a write of its own."""
        step = _SHRED if self.shred else len(data) or 1
        for start in range(0, len(data), step):
            await self._write(h11.Data(data=data[start : start + step]))

    async def end(self) -> None:
        """Send the end of a body."""
        await self._write(h11.EndOfMessage())

    async def until_left(self) -> None:
        """Return when the client has closed the connection; it may ask again after a whole answer."""
        while await self._more():
            ended = self._http.our_state is h11.DONE
            assert ended, "the client sent something before its answer was whole"

    async def _write(self, *events: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        if data := b"".join(self._http.send(event) or b"" for event in events):
            await self._stream.send_all(data)

    async def _more(self) -> bool:
        try:
            data = await self._stream.receive_some(_MOST_AT_ONCE)
        except trio.BrokenResourceError:
            return False
        if data:
            self._http.receive_data(data)
        return bool(data)


def _head(status: int, headers: Mapping[str, str]) -> h11.Response:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return h11.Response(status_code=status, headers=pairs)
