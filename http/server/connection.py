"""A connection from its socket to its protocol: TLS, HTTP/1.1 or 2; what goes wrong ends in it."""

import math
import socket

import trio

from greenroom.http.server.common import Address, Common, Peers
from greenroom.http.server.http1 import Http1
from greenroom.http.server.hypercorn_seat import Hypercorn, HypercornSeat
from greenroom.http.server.tls import Certificate
from greenroom.http.server.transport import Plain, Secure


class Connections:
    """Speaks with each client of a server, in the protocol that is theirs."""

    def __init__(self, common: Common, certificate: Certificate | None) -> None:
        self._common = common
        self._certificate = certificate
        self.hypercorn = Hypercorn(common.limits, common.log)

    async def converse(self, tcp: socket.socket, client: Address) -> None:
        """Serve one connection to its end; no exception but a cancellation comes out."""
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

    async def _plain(self, tcp: socket.socket, peers: Peers) -> None:
        if self._common.http1 == "h11":
            await self._hypercorn(_stream(tcp), peers)
            return
        transport = Plain(tcp, self._common.limits.write_timeout)
        first = await Http1(self._common, transport, peers).run()
        if first is not None:
            await self._hypercorn(_stream(tcp), peers, first=first)

    async def _secure(self, tcp: socket.socket, peers: Peers, certificate: Certificate) -> None:
        stream = trio.SSLStream(
            _stream(tcp), certificate.context, server_side=True, https_compatible=True
        )
        if not await _Handshake(self._common).shake(stream):
            return
        if stream.selected_alpn_protocol() == "h2":
            await self._hypercorn(stream, peers, http2=True)
            return
        if self._common.http1 == "h11":
            await self._hypercorn(stream, peers)
            return
        transport = Secure(stream, self._common.limits.write_timeout)
        first = await Http1(self._common, transport, peers).run()
        if first is not None:
            await self._hypercorn(stream, peers, first=first)

    async def _hypercorn(
        self,
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream],
        peers: Peers,
        *,
        http2: bool = False,
        first: bytes = b"",
    ) -> None:
        seat = HypercornSeat(self._common, self.hypercorn, stream, peers, http2=http2, first=first)
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
