"""How long reads may wait for a silent upstream: one scope keeps the time for all that wait.

A cancel scope costs 5 us, as much as all that becomes of a chunk here. So only one of the reads has
one, the keeper: it lasts until the read that has waited longest has waited too long, and ends that read.
When the keeper has what it waited for, the latest of the others keeps on: the longest are as a rule the
next to be done. It knows nothing of connections. Time passes only while somebody waits.
"""

from typing import Protocol

import trio


class Waiting(Protocol):
    """A wait for what an upstream sends; one task at a time is in it."""

    async def wait(self) -> None:
        """Wait for it; whoever does so again after a `ClosedResourceError` has lost nothing."""
        ...

    def nudge(self) -> None:
        """Have `wait` raise `trio.ClosedResourceError`, instead of waiting or going on to wait."""
        ...

    def calm(self) -> None:
        """Take back a nudge that `wait` has not raised."""
        ...


class Silence:
    """The limit of all waits on one upstream: `patience` seconds for each."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: dict[Waiting, float] = {}
        """When each wait began, the longest first."""
        self._keeper: Waiting | None = None

    async def bound(self, waiting: Waiting) -> bool:
        """Wait, and return whether it came to an end in time."""
        self._since[waiting] = trio.current_time()
        if self._keeper is None:
            self._keeper = waiting
        try:
            while self._keeper is not waiting:
                try:
                    await waiting.wait()
                except trio.ClosedResourceError:
                    if waiting not in self._since:
                        return False
                    if self._keeper is not waiting:
                        raise
                else:
                    return True
            return await self._keep(waiting)
        finally:
            self._since.pop(waiting, None)
            waiting.calm()
            if self._keeper is waiting:
                self._hand_over()

    async def _keep(self, waiting: Waiting) -> bool:
        """Wait as the keeper does."""
        while waiting in self._since:
            longest = next(iter(self._since.values()))
            with trio.CancelScope(deadline=longest + self._patience):
                await waiting.wait()
                return True
            self._end_late(waiting)
        return False

    def _end_late(self, keeper: Waiting) -> None:
        now = trio.current_time()
        while self._since:
            waiting, since = next(iter(self._since.items()))
            if since + self._patience > now:
                return
            del self._since[waiting]
            if waiting is not keeper:
                waiting.nudge()

    def _hand_over(self) -> None:
        self._keeper = next(reversed(self._since), None)
        if self._keeper is not None:
            self._keeper.nudge()
