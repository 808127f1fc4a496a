"""Listening, and every connection from its beginning to its end.

Connections outlive what serves them: when the actors stop, whoever still waits for an answer is told so
over a connection that is still open.
"""

import socket
from functools import partial
from typing import TYPE_CHECKING, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState

from greenroom.http.connection import Connection, protocol_config
from greenroom.http.exchange import App

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_BACKLOG = 1024


def base_url(host: str, port: int) -> str:
    """Return the URL of what listens on an address."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class CannotListen(Exception):  # noqa: N818 - it says what happened
    """The address cannot be had, and why."""


async def open_listener(host: str, port: int) -> trio.SocketListener:
    """Listen on one address.

    Raises:
        CannotListen: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        await sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        reason = error.strerror or str(error)
        raise CannotListen(f"cannot listen on {host}:{port}: {reason}") from error
    return trio.SocketListener(sock)


class Server:
    """Serves one application on one listener; `run` it in a nursery that outlives the application."""

    def __init__(
        self, app: App, listener: trio.SocketListener, log: "FilteringBoundLogger"
    ) -> None:
        self._app = ASGIWrapper(cast("ASGIFramework", app))
        self._listener = listener
        self._log = log
        self._config = protocol_config(log)
        self._context = WorkerContext(None)
        self._stop = trio.Event()
        self._ended = trio.Event()

    async def run(self) -> None:
        """Accept and serve; return after `stop`, when the last connection has ended."""
        try:
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as accepting:
                    accepting.start_soon(
                        partial(
                            trio.serve_listeners,
                            self._connect,
                            [self._listener],
                            handler_nursery=connections,
                        )
                    )
                    await self._stop.wait()
                    accepting.cancel_scope.cancel()
                # Idle connections close now, busy ones after their answer.
                await self._context.terminated.set()
        finally:
            self._ended.set()

    def stop(self) -> None:
        """Accept no more."""
        self._stop.set()

    async def ended(self, within: float) -> bool:
        """Wait for the last connection's end; say whether it came `within` seconds."""
        with trio.move_on_after(within):
            await self._ended.wait()
        return self._ended.is_set()

    async def _connect(self, stream: trio.SocketStream) -> None:
        # Typed for TLS, written for both.
        either = cast("trio.SSLStream[trio.SocketStream]", stream)
        state = ConnectionState({})
        connection = Connection(self._app, self._config, self._context, state, either)
        connection.log = self._log
        await connection.run()
