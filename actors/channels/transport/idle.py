"""Connections between two requests.

The one used last is taken first: it is the least likely to be closed meanwhile, and those that a wave of
requests left behind grow old. No step looks at more connections than it closes. Nothing runs here, so
old ones are closed when another one comes or goes.
"""

from collections import defaultdict, deque

import trio

from greenroom.actors.channels.transport.address import Origin
from greenroom.actors.channels.transport.connection import Connection
from greenroom.actors.channels.transport.transport import IDLE_TIME, MOST_IDLE


class Idle:
    """To each origin at most `MOST_IDLE` connections, none of them for longer than `IDLE_TIME`."""

    def __init__(self) -> None:
        self._waiting: defaultdict[Origin, deque[tuple[float, Connection]]] = defaultdict(deque)
        """With the time when each is too old, the oldest first."""
        self._closed = False

    def take(self, origin: Origin) -> Connection | None:
        """Return a connection whose upstream is neither gone nor talks unasked, if there is one."""
        waiting = self._waiting[origin]
        _close_old(waiting, trio.current_time())
        while waiting:
            _, connection = waiting.pop()
            if connection.quiet():
                return connection
            connection.close()
        return None

    def put(self, connection: Connection) -> None:
        """Keep a connection that is ready for a request."""
        if self._closed:
            connection.close()
            return
        waiting = self._waiting[connection.origin]
        now = trio.current_time()
        waiting.append((now + IDLE_TIME, connection))
        _close_old(waiting, now)
        if len(waiting) > MOST_IDLE:
            waiting.popleft()[1].close()

    def close(self) -> None:
        """Close all there are, and all that come."""
        self._closed = True
        for waiting in self._waiting.values():
            while waiting:
                waiting.pop()[1].close()


def _close_old(waiting: deque[tuple[float, Connection]], now: float) -> None:
    while waiting and waiting[0][0] <= now:
        waiting.popleft()[1].close()
