"""Bytes between the task that reads an upstream and the one that wants them.

It knows nothing of where they come from. Each take is all there is, so a slow taker gets fewer and
larger pieces and a quick one is never kept waiting; whoever puts can see when it is ahead enough.
"""

import trio

from greenroom.actors.failure import TurnFailed

_MOST = 256 * 1024
"""Bytes put and not taken, past which the upstream should wait."""


class Inflow:
    """A body on its way: `put` and `end` by one task, `take` by one other."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ended = False
        self._failure: TurnFailed | None = None
        self._news = trio.Event()
        self._room = trio.Event()

    @property
    def full(self) -> bool:
        """Whether to wait for `room` before reading on."""
        return len(self._data) > _MOST

    def put(self, data: bytes) -> None:
        """Add `data`; never waits."""
        self._data += data
        self._news.set()

    def end(self, failure: TurnFailed | None) -> None:
        """Say that nothing follows, and if it is so that this is not as it should be."""
        self._ended = True
        self._failure = failure
        self._news.set()

    async def room(self) -> None:
        """Wait until somebody took what is there."""
        self._room = trio.Event()
        await self._room.wait()

    async def take(self) -> bytes:
        """Return everything there is, at least a byte, or nothing after the end; raises `TurnFailed`."""
        while not self._data:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return b""
            self._news = trio.Event()
            await self._news.wait()
        data = bytes(self._data)
        self._data.clear()
        self._room.set()
        return data
