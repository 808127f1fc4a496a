"""The server: hypercorn's connection and protocol on listeners of our own, kept from each other's harm.

Three faults of hypercorn's trio worker end here. An exception in one connection ends that connection
and not the server. There is no cleartext HTTP/2, whose malformed frames are most of those exceptions.
A write to a client that does not read has a deadline, so that it cannot hold a shutdown.
"""

import socket
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.logging import Logger
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState

from greenroom.http.exchange import App

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_BACKLOG = 1024
_IDLE_S = 60.0
_WRITE_S = 60.0
_MAX_HEAD_BYTES = 64 * 1024


class Connection(TCPServer):
    """One client's connection."""

    log: "FilteringBoundLogger"
    _read_to_the_end = False

    async def run(self) -> None:
        """Serve the connection; whatever goes wrong in it ends here."""
        try:
            await super().run()
        except Exception as error:  # noqa: BLE001 - one client's bytes never harm another's connection
            self.log.warning("http.connection_failed", error=repr(error))
        except BaseExceptionGroup as group:
            errors, rest = group.split(Exception)
            self.log.warning("http.connection_failed", error=repr(errors))
            if rest is not None:
                raise rest from None

    async def protocol_send(self, event: Event) -> None:
        """Write what the protocol has to say."""
        if not isinstance(event, RawData):
            if not (self._read_to_the_end and isinstance(event, Updated)):
                await super().protocol_send(event)
            return
        async with self.send_lock:
            whole = await self._write(event.data)
        if not whole:
            await self.protocol.handle(Closed())

    async def _write(self, data: bytes) -> bool:
        try:
            with trio.fail_after(_WRITE_S):
                await self.stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        except trio.TooSlowError:
            await trio.aclose_forcefully(self.stream)
            return False
        return True

    async def _read_data(self) -> None:
        # Hypercorn has no setting for this; the seat is its own method.
        setattr(self.protocol.protocol, "_check_protocol", _stay_with_http1)  # noqa: B010
        await super()._read_data()
        # The client is gone: nothing is left to wait for, and the socket can be closed.
        await self.idle_task.stop()
        # The idle timer would hold the socket of a client that has left until it runs out.
        self._read_to_the_end = True
        await self.idle_task.stop()


async def _stay_with_http1(_: object) -> None:
    """Take no request as the beginning of cleartext HTTP/2."""


def base_url(host: str, port: int) -> str:
    """Return the URL of what listens on an address."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def open_listener(host: str, port: int) -> trio.SocketListener:
    """Listen on one address.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        await sock.bind((host, port))
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return trio.SocketListener(sock)


async def serve_app(
    app: App,
    listener: trio.SocketListener,
    log: "FilteringBoundLogger",
    *,
    stop: trio.Event,
    grace: float,
) -> None:
    """Serve `app` until `stop` is set, then let open requests end, for `grace` seconds at most."""
    config = _config(log)
    context = WorkerContext(None)
    wrapped = ASGIWrapper(cast("ASGIFramework", app))

    async def connect(stream: trio.SocketStream) -> None:
        # Typed for TLS, written for both.
        either = cast("trio.SSLStream[trio.SocketStream]", stream)
        connection = Connection(wrapped, config, context, ConnectionState({}), either)
        connection.log = log
        await connection.run()

    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as accepting:
            accept = partial(trio.serve_listeners, connect, [listener], handler_nursery=connections)
            accepting.start_soon(accept)
            await stop.wait()
            accepting.cancel_scope.cancel()
        # Idle connections close now, busy ones after their answer.
        await context.terminated.set()
        connections.cancel_scope.deadline = trio.current_time() + grace


def _config(log: "FilteringBoundLogger") -> Config:
    config = Config()
    config.keep_alive_timeout = _IDLE_S
    config.h11_max_incomplete_size = _MAX_HEAD_BYTES
    config.include_server_header = False
    config.alpn_protocols = ["http/1.1"]
    config.logger_class = cast("type[Logger]", partial(_Log, log))
    return config


class _Log(Logger):
    """Hypercorn's own messages, in our log; its access log is ours already."""

    def __init__(self, log: "FilteringBoundLogger", config: Config) -> None:
        super().__init__(config)
        self._log = log

    async def access(self, request: Any, response: Any, request_time: float) -> None:
        return

    async def critical(self, message: str, *args: Any, **_: Any) -> None:
        self._log.critical("http.server", message=message % args if args else message)

    async def error(self, message: str, *args: Any, **_: Any) -> None:
        self._log.error("http.server", message=message % args if args else message)

    async def warning(self, message: str, *args: Any, **_: Any) -> None:
        self._log.warning("http.server", message=message % args if args else message)

    async def info(self, message: str, *args: Any, **_: Any) -> None:
        self._log.debug("http.server", message=message % args if args else message)

    async def debug(self, message: str, *args: Any, **_: Any) -> None:
        self._log.debug("http.server", message=message % args if args else message)

    async def exception(self, message: str, *_: Any, **__: Any) -> None:
        self._log.exception("http.server", message=message)
