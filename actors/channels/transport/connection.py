"""One connection to an upstream, over TCP or TLS: bytes out, bytes in, and closed in one step.

It knows nothing of HTTP. Whatever goes wrong once it is open is a `trio.BrokenResourceError`.
"""

import ssl

import trio

from greenroom.actors.channels.transport.address import Origin
from greenroom.actors.channels.transport.tls import Records, shared_context


class Connection:
    """An open connection to `origin`; one task at a time uses it."""

    def __init__(
        self, origin: Origin, stream: trio.SocketStream, records: Records | None = None
    ) -> None:
        self.origin = origin
        self._stream = stream
        self._records = records
        self._ended = False

    @property
    def quiet(self) -> bool:
        """Whether the upstream has neither sent anything that was not taken, nor closed."""
        return not self._ended and not self._stream.socket.is_readable()

    async def send(self, data: bytes) -> None:
        """Send all of `data`; if that is cancelled, the connection is good for nothing more."""
        if self._records is not None:
            try:
                data = self._records.sealed(data)
            except ssl.SSLError as error:
                raise trio.BrokenResourceError from error
        await self._stream.send_all(data)

    async def receive(self) -> bytes:
        """Return what one read of the network brings, or nothing at the end.

        If that is cancelled, nothing is lost.
        """
        if self._records is None:
            return bytes(await self._stream.receive_some())
        return await self._receive_records(self._records)

    async def _receive_records(self, records: Records) -> bytes:
        data = b""
        while not data and not self._ended:
            if owed := records.owed():
                await self._stream.send_all(owed)
            records.feed(await self._stream.receive_some())
            try:
                data, self._ended = records.opened()
            except ssl.SSLError as error:
                raise trio.BrokenResourceError from error
        return data

    def close(self) -> None:
        """Close it at once, without a word to the upstream."""
        self._stream.socket.close()


async def connect(origin: Origin) -> Connection:
    """Open a connection to `origin`, to whichever of its addresses answers first (RFC 8305).

    Raises `OSError`, of which `ssl.SSLError` is one, or `trio.BrokenResourceError`. If it is cancelled,
    a handshake included, the socket is closed at once.
    """
    stream = await trio.open_tcp_stream(origin.host, origin.port)
    if not origin.secure:
        return Connection(origin, stream)
    try:
        records = Records(shared_context(), origin.host)
        await _shake(stream, records)
    except BaseException:
        stream.socket.close()
        raise
    return Connection(origin, stream, records)


async def _shake(stream: trio.SocketStream, records: Records) -> None:
    done = False
    while not done:
        done = records.shake()
        if owed := records.owed():
            await stream.send_all(owed)
        if not done:
            records.feed(await stream.receive_some())
