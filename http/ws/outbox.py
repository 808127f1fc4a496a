"""What one connection has still to send: bounded, written by one task, and watched."""

from collections.abc import Awaitable, Callable

import trio

_MOST = 64
"""Frames that wait; who has one more waits for room."""

Write = Callable[[str], Awaitable[None]]


class Outbox:
    """Frames on their way out; `stall` is how many seconds a client may read nothing."""

    def __init__(self, write: Write, stall: float) -> None:
        self._write = write
        self._stall = stall
        self._add, self._take = trio.open_memory_channel[bytes](_MOST)
        self._since: float | None = None
        self._dropped = False

    async def say(self, frame: bytes) -> None:
        """Send a frame after those that wait."""
        await self._add.send(frame)

    async def write_all(self) -> None:
        """Write what there is, until it is closed and all is written."""
        async for frame in self._take:
            if not self._dropped:
                self._since = trio.current_time()
                await self._write(frame.decode())
                self._since = None

    async def stalled(self) -> None:
        """Return once one frame has been under way for too long."""
        while True:
            since = self._since
            begun = trio.current_time() if since is None else since
            if trio.current_time() >= begun + self._stall:
                return
            await trio.sleep_until(begun + self._stall)

    def drop(self) -> None:
        """Write nothing of what waits."""
        self._dropped = True

    def close(self) -> None:
        """Take no more."""
        self._add.close()
