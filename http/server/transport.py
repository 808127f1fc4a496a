"""The bytes of one connection, over TCP or TLS: they come when asked for, and go within a time.

Whatever ends a connection is an end for whoever reads, and a `trio.BrokenResourceError` for whoever
writes. It knows nothing of HTTP. Reading and writing are the plain system calls: over
`trio.SocketStream`, which tries to read before it waits, a request costs 12 µs more.
"""

import socket
import struct
from contextlib import suppress
from typing import Protocol

import trio

_ONE_READ = 64 * 1024
_QUICK_WRITES = 16
"""Writes in a row that need not wait, after which the other tasks have their turn."""
_GOODBYE_S = 1.0
_RESET = struct.pack("ii", 1, 0)


class Transport(Protocol):
    """One connection; one task at a time reads, one writes."""

    async def receive(self) -> bytes:
        """Return what one read brings, nothing at the end."""
        ...

    def receive_nowait(self) -> bytes:
        """Return what is there already, nothing if nothing is, or if there is no way to know."""
        ...

    def send_nowait(self, data: bytes) -> int:
        """Send what goes at once and return how many bytes that is; raises trio.BrokenResourceError."""
        ...

    async def send(self, data: bytes) -> None:
        """Send all of it; raises trio.BrokenResourceError, also where that takes too long."""
        ...

    async def end(self) -> None:
        """Say that nothing more will be sent."""
        ...

    async def close(self) -> None:
        """Close it, whatever happens; what was sent before still arrives."""
        ...


class Plain:
    """A connection over TCP; a write has `patience` seconds."""

    __slots__ = ("_patience", "_quick", "_tcp")

    def __init__(self, tcp: socket.socket, patience: float) -> None:
        self._tcp = tcp
        self._patience = patience
        self._quick = 0

    async def receive(self) -> bytes:
        while True:
            try:
                await trio.lowlevel.wait_readable(self._tcp)
                return self._tcp.recv(_ONE_READ)
            except BlockingIOError:
                continue  # woken for nothing
            except (OSError, trio.ClosedResourceError):
                return b""

    def receive_nowait(self) -> bytes:
        try:
            return self._tcp.recv(_ONE_READ)
        except OSError:
            return b""

    def send_nowait(self, data: bytes) -> int:
        self._quick += 1
        return self._sent(data) if self._quick < _QUICK_WRITES else 0

    async def send(self, data: bytes) -> None:
        sent = self._sent(data)
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:])
            return
        self._quick += 1
        if self._quick < _QUICK_WRITES:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            self._quick = 0
            await trio.lowlevel.checkpoint()

    async def end(self) -> None:
        with suppress(OSError):
            self._tcp.shutdown(socket.SHUT_WR)
        await trio.lowlevel.checkpoint()

    async def close(self) -> None:
        if self._tcp.fileno() != -1:
            trio.lowlevel.notify_closing(self._tcp)
            self._tcp.close()

    async def _send_rest(self, rest: memoryview) -> None:
        self._quick = 0
        with trio.move_on_after(self._patience) as patience:
            while rest:
                try:
                    await trio.lowlevel.wait_writable(self._tcp)
                except trio.ClosedResourceError as error:
                    raise trio.BrokenResourceError from error
                rest = rest[self._sent(rest) :]
        if patience.cancelled_caught:
            # A close would leave the system to keep all of it for a reader who never reads.
            with suppress(OSError):
                self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            await self.close()
            raise trio.BrokenResourceError("the client reads too slowly")

    def _sent(self, data: bytes | memoryview) -> int:
        try:
            return self._tcp.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError from error


class Secure:
    """A connection over TLS whose handshake is done; a write has `patience` seconds."""

    def __init__(self, stream: trio.SSLStream[trio.SocketStream], patience: float) -> None:
        self._stream = stream
        self._patience = patience

    async def receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(_ONE_READ))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    def receive_nowait(self) -> bytes:
        return b""

    def send_nowait(self, data: bytes) -> int:
        return 0

    async def send(self, data: bytes) -> None:
        with trio.move_on_after(self._patience) as patience:
            try:
                await self._stream.send_all(data)
            except trio.ClosedResourceError as error:
                raise trio.BrokenResourceError from error
        if patience.cancelled_caught:
            await trio.aclose_forcefully(self._stream)
            raise trio.BrokenResourceError("the client reads too slowly")

    async def end(self) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._stream.transport_stream.send_eof()

    async def close(self) -> None:
        # TLS says goodbye, to whoever still listens.
        with trio.move_on_after(_GOODBYE_S):
            await self._stream.aclose()
