"""One-for-all: when one supervised child fails, all go down and come up again, in order.

A round is a task of the parent's: it outlives the child that called for it, and no child waits for
another but here.
"""

from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from greenroom.runtime.cell import Cell
    from greenroom.runtime.incarnation import Incarnation


class _Member:
    """Where one child stands: `settled` is set when it is down, up, or gone."""

    __slots__ = ("release", "settled")

    def __init__(self) -> None:
        self.settled = trio.Event()
        self.release: trio.Event | None = None

    @property
    def is_down(self) -> bool:
        return self.release is not None


class Together:
    """The supervised children of one parent, oldest first."""

    def __init__(self, parent: "Incarnation[Any]") -> None:
        self._parent = parent
        self._members: dict[Cell[Any], _Member] = {}
        self._runs = False
        self._called = False
        self._starting = trio.Event()
        self._wait = 0.0

    def is_up(self, cell: "Cell[Any]") -> None:
        """Count a child that has started among those that go together."""
        if cell.is_together:
            self._members.setdefault(cell, _Member()).settled.set()

    def leave(self, cell: "Cell[Any]") -> None:
        """Forget a child that has ended for good."""
        member = self._members.pop(cell, None)
        if member is not None:
            member.settled.set()

    async def rejoin(self, cell: "Cell[Any]", wait: float | None) -> None:
        """Be down until all are to come up; `wait` seconds if this child's failure is the cause."""
        member = self._members[cell]
        member.release = trio.Event()
        member.settled.set()
        if wait is not None:
            self._called = True
            self._starting.set()  # whoever is on its way up goes down again
            self._wait = max(self._wait, wait)
            if not self._runs:
                self._runs = True
                self._parent.nursery.start_soon(self._rounds)
        await member.release.wait()
        member.release = None

    async def _rounds(self) -> None:
        while self._called and not self._parent.is_stopping:
            self._called = False
            await self._all_down()
            wait, self._wait = self._wait, 0.0
            await trio.sleep(wait)
            # Who fails from here on calls for another round, which begins with those that are up.
            await self._all_up()
        self._runs = False
        if self._parent.is_stopping:
            # Those that are down end now: the parent may wait for an answer of theirs.
            for member in reversed(self._members.values()):
                if member.release is not None:
                    member.release.set()

    async def _all_down(self) -> None:
        limit = trio.CancelScope(deadline=trio.current_time() + self._parent.grace)
        with limit:
            for cell, member in reversed(self._members.copy().items()):
                if self._parent.is_stopping:
                    return  # which ends them itself
                if not member.is_down and cell.ending is None:
                    member.settled = trio.Event()
                    cell.recall()
                    await member.settled.wait()
        if not limit.cancelled_caught:
            return
        for cell, member in reversed(self._members.copy().items()):
            if not member.is_down and cell.ending is None:
                member.settled = trio.Event()
                cell.cut()
                await self._settled(member)

    async def _all_up(self) -> None:
        for member in tuple(self._members.values()):
            if self._called or self._parent.is_stopping:
                return
            if member.release is not None:
                member.settled = self._starting = trio.Event()
                member.release.set()
                await member.settled.wait()

    async def _settled(self, member: _Member) -> None:
        """Wait for one that was cancelled; say so for as long as that has no effect."""
        while not member.settled.is_set():
            with trio.move_on_after(2 * self._parent.grace + 1):
                await member.settled.wait()
                return
            self._parent.name_the_late()
