"""One connection to an upstream, over TCP or TLS: bytes out, bytes in, and closed in one step.

It knows nothing of HTTP. trio opens the sockets and waits for them; reading and writing are the plain
system calls. A chunk of a stream so costs 45 µs and not 55 as over `trio.SocketStream`, which tries to
read before it waits, mostly in vain.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable

import trio

from greenroom.actors.channels.transport.address import Origin
from greenroom.actors.channels.transport.tls import Records, shared_context

_ONE_READ = 64 * 1024
"""Bytes that one read takes from the network at most."""


class Connection:
    """An open connection to `origin`; one task at a time uses it.

    Whatever goes wrong with it is a `trio.BrokenResourceError`.
    """

    __slots__ = ("_nudged", "_tcp", "origin")

    def __init__(self, origin: Origin, tcp: socket.socket) -> None:
        self.origin = origin
        self._tcp = tcp
        self._nudged = False
        """Whether a nudge has yet to be felt."""

    def quiet(self) -> bool:
        """Whether the upstream has neither closed nor sent anything that was not received."""
        try:
            self._tcp.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    async def send(self, data: bytes) -> None:
        """Send all of `data`, and wait only where the network does not take it.

        If that is cancelled, a part of it may be sent.
        """
        rest = self._sent(memoryview(data))
        while rest:
            await self._wait(trio.lowlevel.wait_writable)
            rest = self._sent(rest)

    async def receive(self) -> bytes:
        """Return what one read of the network brings, or nothing at the end.

        If that is cancelled, nothing is lost.
        """
        while True:
            await self._wait(trio.lowlevel.wait_readable)
            try:
                return self._tcp.recv(_ONE_READ)
            except BlockingIOError:
                continue  # woken for nothing
            except OSError as error:
                raise trio.BrokenResourceError from error

    def _sent(self, data: memoryview) -> memoryview:
        """Send what the network takes now; return the rest."""
        try:
            return data[self._tcp.send(data) :]
        except BlockingIOError:
            return data
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def _wait(self, ready: Callable[[socket.socket], Awaitable[None]]) -> None:
        if self._nudged:
            self._nudged = False
            raise trio.ClosedResourceError
        try:
            await ready(self._tcp)
        except trio.ClosedResourceError:
            self._nudged = False
            raise

    def nudge(self) -> None:
        """Have who waits for it get a `trio.ClosedResourceError`, and leave it open.

        Whoever is about to be woken by the network gets it where it waits next.
        """
        self._nudged = True
        trio.lowlevel.notify_closing(self._tcp)

    def calm(self) -> None:
        """Take back a nudge that nobody has felt."""
        self._nudged = False

    def close(self) -> None:
        """Close it at once, without a word to the upstream; closing again does nothing."""
        if self._tcp.fileno() != -1:
            trio.lowlevel.notify_closing(self._tcp)
            self._tcp.close()


class SecureConnection(Connection):
    """A connection with TLS on it, once `shake` has returned."""

    __slots__ = ("_ended", "_owed", "_records")

    def __init__(self, origin: Origin, tcp: socket.socket) -> None:
        super().__init__(origin, tcp)
        self._records = Records(shared_context(), origin.host)
        self._owed = memoryview(b"")
        """What the network has not taken yet."""
        self._ended = False

    def quiet(self) -> bool:
        return not self._ended and super().quiet()

    async def shake(self) -> None:
        """Do the handshake; raises `ssl.SSLError` or `trio.BrokenResourceError`."""
        done = False
        while not done:
            done = self._records.shake()
            self._owe(self._records.owed())
            await self._pay()
            if not done:
                self._records.feed(await super().receive())

    async def send(self, data: bytes) -> None:
        try:
            self._owe(self._records.sealed(data))
        except ssl.SSLError as error:
            raise trio.BrokenResourceError from error
        await self._pay()

    async def receive(self) -> bytes:
        data = b""
        while not data and not self._ended:
            await self._pay()
            self._records.feed(await super().receive())
            try:
                data, self._ended = self._records.opened()
            except ssl.SSLError as error:
                raise trio.BrokenResourceError from error
            self._owe(self._records.owed())
        return data

    def _owe(self, sealed: bytes) -> None:
        """Have `sealed` sent before anything else is."""
        if sealed:
            self._owed = memoryview(b"".join((self._owed, sealed)))

    async def _pay(self) -> None:
        """Send what is owed, from where a cancelled call has left off: no record may be cut."""
        while self._owed:
            self._owed = self._sent(self._owed)
            if self._owed:
                await self._wait(trio.lowlevel.wait_writable)


async def connect(origin: Origin) -> Connection:
    """Open a connection to `origin`, to whichever of its addresses answers first (RFC 8305).

    Raises `OSError`, of which `ssl.SSLError` is one, or `trio.BrokenResourceError`. If it is cancelled,
    a handshake included, the socket is closed at once.
    """
    stream = await trio.open_tcp_stream(origin.host, origin.port)
    tcp = socket.socket(fileno=stream.socket.detach())
    tcp.setblocking(False)
    if not origin.secure:
        return Connection(origin, tcp)
    try:
        connection = SecureConnection(origin, tcp)
        await connection.shake()
    except BaseException:
        trio.lowlevel.notify_closing(tcp)
        tcp.close()
        raise
    return connection
