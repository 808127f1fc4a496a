"""HTTP/2 as hypercorn speaks it, without what one frame could do to a whole connection.

Its protocol takes for granted that a request has an ASCII path, that data belongs to a stream which is
still there, and that priorities are few. Here the first is the stream's fault alone, the second is read
and forgotten, and the third are not looked at, as RFC 9113 has it (5.3.2).
"""

from typing import Any, cast

import h2.events
import trio
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hypercorn.events import Closed, Updated
from hypercorn.events import Event as ConnectionEvent
from hypercorn.protocol.events import EndBody, Event, Response
from hypercorn.protocol.h2 import H2Protocol

_OF_THE_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
_MOST_RESETS = 200
"""A stream costs a task, and its client next to nothing."""


class Http2(H2Protocol):
    """The protocol of one connection."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._sent = trio.Event()
        self._resets = 0
        """Streams that the client has reset, less those that have had a whole answer since."""

    async def handle(self, event: ConnectionEvent) -> None:
        """Take what came, or that the connection has ended."""
        await super().handle(event)
        self._sent.set()

    async def stream_send(self, event: Event) -> None:
        """Send what a stream has to say, without the headers of HTTP/1.1 alone (RFC 9113, 8.2.2)."""
        if isinstance(event, Response):
            headers = [header for header in event.headers if header[0] not in _OF_THE_CONNECTION]
            event = Response(event.stream_id, headers, event.status_code)
        await super().stream_send(event)
        if isinstance(event, EndBody):
            if event.stream_id in self.streams:
                self._resets = max(0, self._resets - 1)
            # A connection that closes behind its last answer would do so before that answer's end is out.
            while event.stream_id in self.stream_buffers and not self.closed:
                if self._sent.is_set():
                    self._sent = trio.Event()
                await self._sent.wait()

    async def _send_data(self, stream_id: int) -> None:
        await super()._send_data(stream_id)
        self._sent.set()

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            match event:
                case h2.events.RequestReceived() if not _has_path(event):
                    self._reset(event.stream_id)
                case h2.events.RequestReceived() if self.context.terminated.is_set():
                    # The application says that it stops, which a client understands better than a reset.
                    await self._create_stream(event)
                    await self.send(Updated(idle=False))
                case h2.events.DataReceived() if event.stream_id not in self.streams:
                    self._forget(event)
                case h2.events.PriorityUpdated():
                    pass
                case h2.events.StreamReset() if self._resets >= _MOST_RESETS:
                    await self._send_away()
                    return
                case h2.events.StreamReset():
                    self._resets += 1
                    await super()._handle_events([event])
                case _:
                    await super()._handle_events([event])
        await self._flush()

    async def _send_away(self) -> None:
        """End the connection of a client that asks only to take it back."""
        self.connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
        await self._flush()
        await self.send(Closed())

    def _reset(self, stream_id: int | None) -> None:
        try:
            self.connection.reset_stream(stream_id or 0, ErrorCodes.PROTOCOL_ERROR)
        except ProtocolError:
            return  # its client was quicker

    def _forget(self, event: h2.events.DataReceived) -> None:
        """Give the room back that data took whose stream has its answer, or was reset."""
        try:
            self.connection.acknowledge_received_data(
                event.flow_controlled_length or 0, event.stream_id or 0
            )
        except ProtocolError:
            return  # the stream is gone, and its room with it


def _has_path(event: h2.events.RequestReceived) -> bool:
    """Whether a request has what hypercorn takes for granted."""
    fields = dict(cast("list[tuple[bytes, bytes]]", cast("Any", event).headers or []))
    method, path = fields.get(b":method", b""), fields.get(b":path", b"")
    return method.isascii() and path.isascii() and (path.startswith(b"/") or path == b"*")
