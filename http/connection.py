"""One client's connection: hypercorn's, kept from harming anyone else's.

Faults of hypercorn's trio worker end here. An exception in one connection ends that connection and not
the server. There is no cleartext HTTP/2, whose malformed frames are most of those exceptions. A write
to a client that does not read has a deadline, so that it cannot hold a shutdown. A client that has left
leaves no socket behind, and one that still sends hears its answer before the socket is closed.
"""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.logging import Logger
from hypercorn.trio.tcp_server import TCPServer

from greenroom.http.ws.inbound import Inbound, state_of

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_IDLE_S = 60.0
_WRITE_S = 60.0
_LINGER_S = 2.0
_MAX_HEAD_BYTES = 64 * 1024


class Connection(TCPServer):
    """One client's connection."""

    log: "FilteringBoundLogger"
    _read_to_the_end = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._client_done = trio.Event()
        # What a connection's requests carry along is the one way to them from here.
        self.state = state_of(Inbound(lambda: getattr(self.protocol.protocol, "stream", None)))

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
        if isinstance(event, Closed):
            await self._let_the_client_end()
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

    async def _let_the_client_end(self) -> None:
        """Give a client that still sends its request the time to see that it is answered.

        A socket that is closed over unread bytes resets the connection, and takes the answer along.
        """
        http = getattr(self.protocol.protocol, "connection", None)
        if getattr(http, "their_state", None) is not h11.SEND_BODY:
            return
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
            await self.stream.send_eof()
        with trio.move_on_after(_LINGER_S):
            await self._client_done.wait()

    async def _read_data(self) -> None:
        # Hypercorn has no setting for this; the seat is its own method, so its version is pinned.
        setattr(self.protocol.protocol, "_check_protocol", _stay_with_http1)  # noqa: B010
        await super()._read_data()
        # The idle timer would hold the socket of a client that has left until it runs out.
        self._read_to_the_end = True
        self._client_done.set()
        await self.idle_task.stop()


async def _stay_with_http1(_: object) -> None:
    """Take no request as the beginning of cleartext HTTP/2."""


def protocol_config(log: "FilteringBoundLogger") -> Config:
    """Return hypercorn's settings; its messages go to `log`."""
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
