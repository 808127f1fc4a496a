"""Passivation: one task a directory that looks at each actor about when it may have become idle.

A parked actor has no timer of its own, and a message costs no timer either: an actor that was busy
when its time came is looked at again.
"""

from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from greenroom.runtime.cell import Cell


class Sweep:
    """Passivates the cells that it was given, `idle` seconds or more after their last activity."""

    def __init__(self, idle: float) -> None:
        if not idle > 0:
            msg = f"idle is {idle}; it must be more than 0 seconds"
            raise ValueError(msg)
        self.idle = idle
        self._due: list[tuple[float, int, Cell[Any]]] = []
        self._numbers = count()
        self._woken = trio.Event()

    def add(self, cell: "Cell[Any]", live: int) -> None:
        """Look after a cell from now until its end; `live` cells are alive with it."""
        if len(self._due) > 2 * live + 64:  # most are of those that ended by themselves
            self._due = [due for due in self._due if due[2].ending is None]
            heapify(self._due)
        self._look_at(trio.current_time() + self.idle, cell)
        self._woken.set()

    async def run(self) -> None:
        """Sweep for as long as the directory's host lives."""
        while True:
            while not self._due:
                self._woken = trio.Event()
                await self._woken.wait()
            await trio.sleep_until(self._due[0][0])
            self._sweep(trio.current_time())

    def _sweep(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            _, _, cell = heappop(self._due)
            if cell.told or cell.ending is not None:
                continue
            since = cell.life.idle_since
            if not cell.life.is_idle:
                self._look_at(now + self.idle, cell)
            elif since + self.idle > now:
                self._look_at(since + self.idle, cell)
            else:
                cell.passivate()

    def _look_at(self, when: float, cell: "Cell[Any]") -> None:
        heappush(self._due, (when, next(self._numbers), cell))
