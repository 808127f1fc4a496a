"""What all connections of one server have in common, and what each of them is from outside."""

from typing import TYPE_CHECKING, Protocol

import msgspec
import trio

from greenroom.http.config import Http1, HttpLimits
from greenroom.http.exchange import App
from greenroom.http.server.intake import HeadLimits

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

Address = tuple[str, int]

STOPPING = "greenroom.stopping"
"""Stands in the scope of a request that came after the stop."""


class Watched(Protocol):
    """A connection that is looked at now and then."""

    due: float
    """When it has taken too long for what it does, by trio's clock."""

    def overdue(self) -> None:
        """End what has taken too long."""
        ...

    def stop(self) -> None:
        """Close it now if it idles, else after its answer."""
        ...


class Common:
    """What a server's connections share: the application, the bounds, the log, and whether it stops."""

    def __init__(
        self, app: App, limits: HttpLimits, log: "FilteringBoundLogger", http1: Http1
    ) -> None:
        self.app = app
        self.limits = limits
        self.head_limits = HeadLimits(
            limits.max_head_bytes, limits.max_request_line_bytes, limits.max_headers
        )
        self.log = log
        self.http1 = http1
        self.stopping = False
        self.watched: set[Watched] = set()
        self.bodies: set[trio.CancelScope] = set()
        """The deadlines of the bodies that are being read."""


class Peers(msgspec.Struct, frozen=True):
    """Both ends of a connection, as ASGI has them, and whether TLS is between them."""

    client: Address
    server: Address
    secure: bool = False
