"""A connection from its socket to its protocol: TLS, HTTP/1.1 or 2; what goes wrong ends in it."""

import math
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

import trio

from greenroom.http.server.common import Address, Common, Peers
from greenroom.http.server.http1 import Http1
from greenroom.http.server.tls import Certificate
from greenroom.http.server.transport import Plain, Secure

if TYPE_CHECKING:
    from greenroom.http.server.hypercorn_seat import Hypercorn

_HYPERCORN = "greenroom.http.server.hypercorn_seat"


class Connections:
    """Speaks with each client of a server, in the protocol that is theirs.

    Hypercorn, which takes 4 MB, is loaded where the settings have it speak; else by the first WebSocket,
    in a thread: in the loop that would hold up all streams for a tenth of a second.
    """

    def __init__(self, common: Common, certificate: Certificate | None) -> None:
        self._common = common
        self._certificate = certificate
        self._hypercorn: Hypercorn | None = None
        if certificate is not None or common.http1 == "h11" or _HYPERCORN in sys.modules:
            self._load()

    async def stop(self) -> None:
        """Close what hypercorn speaks on: idle connections now, busy ones after their answers."""
        if self._hypercorn is not None:
            await self._hypercorn.stop()

    def _load(self) -> "Hypercorn":
        from greenroom.http.server.hypercorn_seat import Hypercorn  # noqa: PLC0415 - see above

        if self._hypercorn is None:
            self._hypercorn = Hypercorn(self._common.limits, self._common.log)
        return self._hypercorn

    async def converse(
        self, tcp: socket.socket, client: Address, leave: Callable[[str], None]
    ) -> None:
        """Serve one connection to its end, and tell `leave`; nothing but a cancellation comes out."""
        try:
            host, port, *_ = tcp.getsockname()
            if self._certificate is None:
                await self._plain(tcp, Peers(client, (host, port)))
            else:
                peers = Peers(client, (host, port), secure=True)
                await self._secure(tcp, peers, self._certificate)
        except Exception as error:  # noqa: BLE001 - one client's bytes never harm another's connection
            self._failed(error)
        except BaseExceptionGroup as group:
            errors, rest = group.split(Exception)
            if errors is not None:
                self._failed(errors)
            if rest is not None:
                raise rest from None
        finally:
            if tcp.fileno() != -1:
                trio.lowlevel.notify_closing(tcp)
                tcp.close()
            leave(client[0])

    async def _plain(self, tcp: socket.socket, peers: Peers) -> None:
        if self._common.http1 == "h11":
            await self._speak_hypercorn(_stream(tcp), peers)
            return
        transport = Plain(tcp, self._common.limits.write_timeout)
        first = await Http1(self._common, transport, peers).run()
        if first is not None:
            await self._speak_hypercorn(_stream(tcp), peers, first=first)

    async def _secure(self, tcp: socket.socket, peers: Peers, certificate: Certificate) -> None:
        stream = trio.SSLStream(
            _stream(tcp), certificate.context, server_side=True, https_compatible=True
        )
        if not await _Handshake(self._common).shake(stream):
            return
        if stream.selected_alpn_protocol() == "h2":
            await self._speak_hypercorn(stream, peers, http2=True)
            return
        if self._common.http1 == "h11":
            await self._speak_hypercorn(stream, peers)
            return
        transport = Secure(stream, self._common.limits.write_timeout)
        first = await Http1(self._common, transport, peers).run()
        if first is not None:
            await self._speak_hypercorn(stream, peers, first=first)

    async def _speak_hypercorn(
        self,
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream],
        peers: Peers,
        *,
        http2: bool = False,
        first: bytes = b"",
    ) -> None:
        hypercorn = self._hypercorn
        if hypercorn is None:
            await trio.to_thread.run_sync(import_module, _HYPERCORN)
            hypercorn = self._load()
            if self._common.stopping:
                await hypercorn.stop()
        from greenroom.http.server.hypercorn_seat import HypercornSeat  # noqa: PLC0415 - see above

        seat = HypercornSeat(self._common, hypercorn, stream, peers, http2=http2, first=first)
        await seat.run()

    def _failed(self, error: Exception) -> None:
        self._common.log.warning("http.connection_failed", error=repr(error))


class _Handshake:
    """A connection before it is one; it has a head's time, and ends with the server's stop."""

    def __init__(self, common: Common) -> None:
        self.due = trio.current_time() + common.limits.head_timeout
        self._common = common
        self._scope = trio.CancelScope()

    def overdue(self) -> None:
        """Give it up."""
        self.due = math.inf
        self._scope.cancel()

    def stop(self) -> None:
        """Give it up."""
        self._scope.cancel()

    async def shake(self, stream: trio.SSLStream[trio.SocketStream]) -> bool:
        """Do the handshake; return whether it is done."""
        if self._common.stopping:
            return False
        self._common.watched.add(self)
        try:
            with self._scope:
                await stream.do_handshake()
                return True
        except trio.BrokenResourceError:
            pass  # no TLS, or none that is spoken here
        finally:
            self._common.watched.discard(self)
        return False


def _stream(tcp: socket.socket) -> trio.SocketStream:
    """Return trio's stream over a socket, which is closed with it."""
    return trio.SocketStream(trio.socket.from_stdlib_socket(tcp))
