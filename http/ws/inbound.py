"""What the server takes in of one WebSocket: how large a message may be, before it is whole.

Hypercorn puts messages together, and has one bound for all of them. Whoever has not said who they are
gets a small one of their own. Nothing is compressed: a small message must not become a large one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio

from greenroom.http.exchange import Scope

if TYPE_CHECKING:
    from greenroom.http.ws.buffer import Buffer

_KEY = "greenroom.inbound"


class Inbound:
    """The bound of one WebSocket; `stream` returns hypercorn's object of it, None where there is none."""

    def __init__(self, stream: Callable[[], Any] = lambda: None) -> None:
        self._stream = stream
        self._buffer: Buffer | None = None
        self.too_large = trio.Event()
        """Set once a message was larger; the server closes the connection for it by itself."""

    def begin(self, most: int) -> None:
        """Bound messages by `most` characters or bytes; call it before the connection is accepted."""
        stream = self._stream()
        if stream is not None:
            # Where hypercorn has a stream it is loaded, and nowhere else.
            from greenroom.http.ws.buffer import Buffer  # noqa: PLC0415

            stream.handshake.extensions = None
            stream.buffer = self._buffer = Buffer(most, self.too_large)

    def widen(self, most: int) -> None:
        """Bound messages by `most` from now on."""
        if self._buffer is not None:
            self._buffer.max_length = most


def state_of(inbound: Inbound) -> dict[str, Any]:
    """Return what a connection's scopes carry."""
    return {_KEY: inbound}


def inbound_of(scope: Scope) -> Inbound:
    """Return that of the connection that `scope` is of; without our server, one that bounds nothing."""
    found = scope.get("state", {}).get(_KEY)
    return found if isinstance(found, Inbound) else Inbound()
