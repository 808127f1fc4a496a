"""Listening, and every connection from its beginning to its end.

Connections outlive what serves them: when the actors stop, whoever still waits for an answer is told so
over a connection that is still open.
"""

import errno
import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from greenroom.http.config import Http1, HttpLimits
from greenroom.http.exchange import App
from greenroom.http.server.common import Address, Common
from greenroom.http.server.connection import Connections
from greenroom.http.server.places import Places
from greenroom.http.server.refused import Refused
from greenroom.http.server.tls import Certificate

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_BACKLOG = 1024
_TURN = 64
"""Connections that are accepted before the other tasks have their turn."""
_BREATH_S = 0.1
"""How long nobody is accepted where the system has no descriptor left."""
_MOST_TURNED_AWAY = 256
_KEEPALIVE_S = 30
_SEND_BUFFER = 256 * 1024
"""Bytes that the system holds for a client who does not read; by itself it would hold up to 4 MiB."""
_ONES_OWN = {errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.EHOSTDOWN,
             errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOPROTOOPT, errno.EOPNOTSUPP}  # fmt: skip
"""What accepting fails with that is one connection's fault, and no reason to stop."""


def base_url(host: str, port: int, *, secure: bool = False) -> str:
    """Return the URL of what listens on an address."""
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class CannotListen(Exception):  # noqa: N818 - it says what happened
    """The address cannot be had, and why."""


def open_listener(
    host: str, port: int, limits: HttpLimits | None = None, *, share: bool = False
) -> socket.socket:
    """Listen on one address.

    Where another gateway listens on it, only one that is told to `share` joins it: the system then gives
    a new connection to one of the two, and to the one that is left once the other has stopped.

    Raises:
        CannotListen: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
        # From here on another may join, but none that is not told to.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _tune(sock, limits or HttpLimits())
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        reason = error.strerror or str(error)
        raise CannotListen(f"cannot listen on {host}:{port}: {reason}") from error
    return sock


def _tune(sock: socket.socket, limits: HttpLimits) -> None:
    """Set what connections take over: no delay, little held back, an end where a client vanished."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    with suppress(AttributeError):  # not every system has these
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_S // 3)
        patience = round(limits.write_timeout * 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)


class Server:
    """Serves one application on one listener; `run` it in a nursery that outlives the application."""

    def __init__(
        self,
        app: App,
        listener: socket.socket,
        log: "FilteringBoundLogger",
        limits: HttpLimits | None = None,
        *,
        http1: Http1 = "httptools",
        certificate: Certificate | None = None,
    ) -> None:
        limits = limits or HttpLimits()
        self._listener = listener
        self._common = Common(app, limits, log, http1)
        self._connections = Connections(self._common, certificate)
        self._places = Places(limits.max_connections, limits.max_connections_per_address)
        self._tick = min(1.0, limits.head_timeout / 4, limits.keep_alive / 4)
        self._turned_away: deque[socket.socket] = deque()
        self._stop = trio.Event()
        self._ended = trio.Event()

    async def run(self) -> None:
        """Accept and serve; return after `stop`, when the last connection has ended."""
        try:
            async with trio.open_nursery() as watching:
                watching.start_soon(self._watch)
                async with trio.open_nursery() as connections:
                    async with trio.open_nursery() as accepting:
                        accepting.start_soon(self._accept, connections)
                        await self._stop.wait()
                        accepting.cancel_scope.cancel()
                    # A closed listener resets those that wait in it.
                    self._take(connections, _BACKLOG)
                    self._listener.close()
                    # Idle connections close now, busy ones after their answer.
                    for connection in list(self._common.watched):
                        connection.stop()
                    await self._connections.hypercorn.stop()
                watching.cancel_scope.cancel()
        finally:
            self._listener.close()
            self._send_away(0)
            self._ended.set()

    def stop(self) -> None:
        """Accept no more."""
        self._common.stopping = True
        self._stop.set()

    def cut_bodies(self) -> None:
        """Wait no longer for bodies; their senders are told."""
        for patience in list(self._common.bodies):
            patience.cancel()

    async def ended(self) -> None:
        """Wait for the last connection's end; the caller sets the deadline."""
        await self._ended.wait()

    async def _accept(self, connections: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._listener)
            if not self._take(connections, _TURN):
                self._common.log.error("http.server", message="no descriptor left to accept with")
                await trio.sleep(_BREATH_S)

    def _take(self, connections: trio.Nursery, most: int) -> bool:
        """Accept those who wait; return False where the system has nothing left to do so with."""
        for _ in range(most):
            try:
                tcp, address = self._listener.accept()
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno in _ONES_OWN:
                    continue
                return False
            client: Address = (address[0], address[1])
            refused = self._places.take(client[0])
            if refused is None:
                tcp.setblocking(False)
                connections.start_soon(self._serve, tcp, client, name="http.connection")
            else:
                self._turn_away(tcp, refused)
        return True

    async def _serve(self, tcp: socket.socket, client: Address) -> None:
        try:
            await self._connections.converse(tcp, client)
        finally:
            self._places.leave(client[0])

    def _turn_away(self, tcp: socket.socket, refused: Refused) -> None:
        """Tell a client that there is no place, and close a little later, so that it can read that."""
        tcp.setblocking(False)
        with suppress(OSError):
            tcp.send(refused.encode())
            tcp.shutdown(socket.SHUT_WR)
        self._turned_away.append(tcp)
        self._send_away(_MOST_TURNED_AWAY)

    def _send_away(self, most: int) -> None:
        while len(self._turned_away) > most:
            self._turned_away.popleft().close()

    async def _watch(self) -> None:
        """End what has taken too long; one task looks at all connections, so that none has a timer."""
        while True:
            leaving = len(self._turned_away)
            await trio.sleep(self._tick)
            for _ in range(min(leaving, len(self._turned_away))):
                self._turned_away.popleft().close()
            now = trio.current_time()
            for connection in list(self._common.watched):
                if connection.due <= now:
                    connection.overdue()
