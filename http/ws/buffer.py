"""A WebSocket's message while it comes, within hypercorn; see `inbound`."""

from typing import Any

import trio
from hypercorn.protocol.ws_stream import FrameTooLargeError, WebsocketBuffer


class Buffer(WebsocketBuffer):
    """Hypercorn's, which would take in what is too large before it says so."""

    def __init__(self, most: int, too_large: trio.Event) -> None:
        super().__init__(most)
        self._too_large = too_large

    def extend(self, event: Any) -> None:
        if self._too_large.is_set():
            return  # what still comes is the rest of it, and then the client's own close
        if self.length + len(event.data) > self.max_length:
            self._too_large.set()
            raise FrameTooLargeError
        super().extend(event)
