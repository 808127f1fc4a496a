"""What a transport is: one POST, and an answer that streams.

It knows HTTP, connections and time, and nothing of what the bytes mean. Whatever goes wrong out there
leaves as `TurnFailed`. There are two: `direct`, and `proxied` where a proxy is in between; `choice`
tells which.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from types import MappingProxyType
from typing import Protocol

import trio

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.failure import TurnFailed

_LONGEST_ERROR = 64 * 1024
"""Bytes that are read of an answer that is no success."""
_ERROR_TIME = 5.0
"""Seconds that reading those may take."""
_SETTLE_TIME = 0.1
"""Seconds that a body may take to end once all that counts has been read."""

MOST_IDLE = 256
"""Connections that one transport keeps open for a next request; the provider bounds calls under way."""
IDLE_TIME = 15.0
"""Seconds that it keeps one; servers close theirs, and proxies between us forget them, soon after."""
HEADERS = {"user-agent": "greenroom", "accept": "*/*", "accept-encoding": "identity"}
"""What goes with every request that does not say otherwise."""


_NONE: Mapping[str, str] = MappingProxyType({})


class HttpResponse(ABC):
    """An upstream's answer: its status, its headers by lower-case name, and its body as it comes.

    A header that came more than once has its values joined by commas (RFC 9110, 5.3).
    """

    __slots__ = ("headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers

    def forget_headers(self) -> None:
        """Let go of the headers, which take 1 KB: a stream may be long."""
        self.headers = _NONE

    @abstractmethod
    async def read(self) -> bytes:
        """Return what came since the last read, nothing at the body's end; raises `TurnFailed`.

        A read that is cancelled loses nothing.
        """

    async def read_error(self) -> bytes:
        """Return the body as far as it comes within bounds of size and time, for a message."""
        body = bytearray()
        with suppress(TurnFailed), trio.move_on_after(_ERROR_TIME):
            while len(body) < _LONGEST_ERROR and (data := await self.read()):
                body += data
        return bytes(body[:_LONGEST_ERROR])

    async def settle(self) -> None:
        """Give the body a moment to end, so that its connection can serve again."""
        with suppress(TurnFailed), trio.move_on_after(_SETTLE_TIME):
            while await self.read():
                pass


class Transport(Protocol):
    """The connections to one upstream.

    Of its `TimeLimits`, `connect` lasts until the request can be sent, `first_byte` from then to the
    head of the answer, `silence` from one read to the next. Redirects are not followed, cookies are
    not kept, and what an address says of a user is not sent.
    """

    def open(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpResponse]:
        """Send `request`; the context is entered with the head of the answer, of any status.

        Raises `TurnFailed`. Leaving it closes the connection at once unless the body has ended.
        """
        ...

    async def aclose(self) -> None:
        """Close the idle connections; no answer may be under way."""
        ...
