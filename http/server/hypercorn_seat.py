"""Hypercorn's protocols on one connection: HTTP/2, WebSocket, and its own HTTP/1.1; no harm to others.

What its trio worker does to a connection is held within it: a write to a client that does not read has a
deadline, so that it cannot hold a stop; one that has left leaves no socket behind; one that still sends
hears its answer before the socket is closed; and there is no cleartext HTTP/2. Hypercorn's version is
pinned, as its own methods are the seats that are taken here.
"""

from contextlib import suppress
from functools import partial
from select import POLLIN, poll
from typing import TYPE_CHECKING, Any, cast

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.logging import Logger
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState

from greenroom.http.config import HttpLimits
from greenroom.http.exchange import BODIES, App, Receive, Scope, Send
from greenroom.http.exchange import Event as AppEvent
from greenroom.http.server.common import STOPPING, Common, Peers
from greenroom.http.server.http2 import Http2

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_LINGER_S = 2.0
_ONE_READ = 64 * 1024
_NO_END = 2**63
"""Requests of one connection: ours has no bound on them either, as nobody gains by one."""

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


class HypercornSeat(TCPServer):
    """One connection, spoken to by hypercorn; `first` are bytes that were read from it already."""

    _read_to_the_end = False

    def __init__(
        self,
        common: Common,
        hypercorn: "Hypercorn",
        stream: Stream,
        peers: Peers,
        *,
        http2: bool,
        first: bytes = b"",
    ) -> None:
        app = ASGIWrapper(cast("ASGIFramework", _bounded(common, self)))
        # Typed for TLS, written for both.
        either = cast("trio.SSLStream[trio.SocketStream]", stream)
        super().__init__(app, hypercorn.config, hypercorn.context, {}, either)
        self._common = common
        self._peers = peers
        self._http2 = http2
        self._first = first
        self._plain = stream if isinstance(stream, trio.SocketStream) else None
        self._client_done = trio.Event()
        self._reading = trio.CancelScope()
        self._takes_in = False
        """Whether bytes were read and are being understood."""

    async def run(self) -> None:
        """Serve the connection to its end."""
        peers, state = self._peers, ConnectionState({})
        try:
            # Hypercorn's own way into its group lets its cancellation out again, to all connections.
            self._task_group = TaskGroup()
            async with trio.open_nursery() as self._nursery:
                setattr(self._task_group, "_nursery", self._nursery)  # noqa: B010
                self.protocol = ProtocolWrapper(
                    self.app, self.config, self.context, self._task_group, state,
                    peers.secure, peers.client, peers.server, self.protocol_send,
                )  # fmt: skip
                if self._http2:
                    self.protocol.protocol = Http2(
                        self.app, self.config, self.context, self._task_group, state,
                        peers.secure, peers.client, peers.server, self.protocol_send,
                    )  # fmt: skip
                elif isinstance(self.protocol.protocol, H11Protocol):
                    setattr(self.protocol.protocol, "_check_protocol", _stay_with_http1)  # noqa: B010
                await self.protocol.initiate()
                await self.idle_task.restart(self._task_group, self._idle_timeout)
                if self._first:
                    await self.protocol.handle(RawData(self._first))
                await self._read_data()
        finally:
            with trio.move_on_after(_LINGER_S):
                await self._close()

    async def protocol_send(self, event: Event) -> None:
        """Write what the protocol has to say."""
        if isinstance(event, Closed):
            await self._let_the_client_end()
            async with self.send_lock:  # the end of an answer may be on its way
                await self._close()
            await self.protocol.handle(Closed())
            # It may have read what belongs to no request any more, and wait for the next one's turn.
            self._reading.cancel()
            return
        if not isinstance(event, RawData):
            if not (self._read_to_the_end and isinstance(event, Updated)):
                await super().protocol_send(event)
            return
        async with self.send_lock:
            whole = await self._write(event.data)
        if not whole:
            await self.protocol.handle(Closed())
            self._reading.cancel()  # for the same reason

    async def give_up(self) -> None:
        """Close a connection whose client reads too slowly."""
        await trio.aclose_forcefully(self.stream)

    async def _write(self, data: bytes) -> bool:
        try:
            with trio.fail_after(self._common.limits.write_timeout):
                await self.stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        except trio.TooSlowError:
            await self.give_up()
            return False
        return True

    async def _let_the_client_end(self) -> None:
        """Give a client that still sends its request the time to see that it is answered.

        A socket that is closed over unread bytes resets the connection, and takes the answer along.
        """
        http = getattr(self.protocol.protocol, "connection", None)
        if getattr(http, "their_state", None) is not h11.SEND_BODY:
            return
        with suppress(
            trio.BrokenResourceError,
            trio.ClosedResourceError,
            trio.BusyResourceError,
            AttributeError,
        ):
            await self.stream.send_eof()
        with trio.move_on_after(_LINGER_S):
            await self._client_done.wait()

    async def _read_data(self) -> None:
        with self._reading:
            data = None
            while data != b"":
                try:
                    data = bytes(await self.stream.receive_some(_ONE_READ))
                except (trio.ClosedResourceError, trio.BrokenResourceError):
                    break
                self._takes_in = True
                await self.protocol.handle(RawData(data))
                self._takes_in = False
            await self.protocol.handle(Closed())
        # The idle timer would hold the socket of a client that has left until it runs out.
        self._read_to_the_end = True
        self._client_done.set()
        await self.idle_task.stop()

    async def _idle_timeout(self) -> None:
        with trio.move_on_after(self.config.keep_alive_timeout):
            await self.context.terminated.wait()
        # A request that came in this very moment is answered, and ends this task.
        if self._has_news():
            await trio.sleep(_LINGER_S)
        else:
            await trio.lowlevel.checkpoint_if_cancelled()
        with trio.CancelScope(shield=True):
            await self._initiate_server_close()

    def _has_news(self) -> bool:
        """Whether bytes came that nobody has understood yet; as for TLS, those that were read."""
        if self._takes_in or self._plain is None:
            return self._takes_in
        looking = poll()
        looking.register(self._plain.socket.fileno(), POLLIN)
        return bool(looking.poll(0))

    async def _initiate_server_close(self) -> None:
        await super()._initiate_server_close()
        # Whatever else of an idle connection waits for its client waits in vain.
        self._nursery.cancel_scope.cancel()


def _bounded(common: Common, seat: HypercornSeat) -> App:
    """Wrap the application: it hears of a stop, and no answer of it waits for ever.

    HTTP/2 has windows, which a client may leave shut without a byte unsent.
    """

    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        scope[BODIES] = common.bodies
        if common.stopping:
            scope[STOPPING] = True

        async def in_time(event: AppEvent) -> None:
            if common.stopping and event["type"] == "http.response.start":
                event["headers"] = [*event["headers"], (b"connection", b"close")]
            with trio.move_on_after(common.limits.write_timeout) as patience:
                await send(event)
            if patience.cancelled_caught:
                await seat.give_up()

        await common.app(scope, receive, in_time)

    return bounded


async def _stay_with_http1(_: object) -> None:
    """Take no request as the beginning of cleartext HTTP/2."""


class Hypercorn:
    """Hypercorn's settings, and whether it stops; for all connections of a server."""

    def __init__(self, limits: HttpLimits, log: "FilteringBoundLogger") -> None:
        self.context = WorkerContext(None)
        self.config = config = Config()
        config.keep_alive_timeout = cast("int", limits.keep_alive)
        config.h11_max_incomplete_size = limits.max_head_bytes
        config.h2_max_header_list_size = limits.max_head_bytes
        config.keep_alive_max_requests = _NO_END
        config.include_server_header = False
        config.logger_class = cast("type[Logger]", partial(_Log, log))

    async def stop(self) -> None:
        """Close idle connections now, busy ones after their answers."""
        await self.context.terminated.set()


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
