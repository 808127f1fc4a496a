"""An incarnation's living children: their names, and the order in which they end."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import trio

from greenroom.runtime.observe import Level

if TYPE_CHECKING:
    from greenroom.runtime.cell import Cell

NAMED = 20
"""How many of those that are late one line of the log names."""


class Children:
    """Oldest first; a keyed child has no name here, for its directory sees to its key."""

    __slots__ = ("_by_key", "_owner", "clean_by")

    def __init__(self, owner: "Cell[Any]") -> None:
        self._owner = owner
        self._by_key: dict[object, Cell[Any]] = {}
        self.clean_by = math.inf

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> "Iterator[Cell[Any]]":
        return iter(tuple(self._by_key.values()))

    def add(self, child: "Cell[Any]") -> None:
        """Take a child in.

        Raises:
            ValueError: the name is taken.
        """
        key = child if child.name is None else child.name
        if key in self._by_key:
            msg = f"{self._owner.path} has a child named {child.name!r} already"
            raise ValueError(msg)
        self._by_key[key] = child

    def remove(self, child: "Cell[Any]") -> None:
        """Forget a child that has ended."""
        del self._by_key[child if child.name is None else child.name]

    async def end(self, grace: float, *, in_peace: bool) -> None:
        """End them all: by themselves first, if it is to be `in_peace`, then by a kill."""
        try:
            if in_peace:
                await self.stop(grace)
        finally:
            await self.kill(grace)

    async def stop(self, grace: float) -> None:
        """Have them end by themselves: the keyed all at once, then the others, youngest first.

        Who has not ended `grace` seconds later is named in the log, and left as it is.
        """
        keyed = [child for child in self if child.name is None]
        named = [child for child in self if child.name is not None]
        with trio.move_on_after(grace) as limit:
            for child in keyed:
                child.stop()
            for child in keyed:
                await child.ended.wait()
            for child in reversed(named):
                child.stop()
                await child.ended.wait()
        if limit.cancelled_caught:
            self._owner.say(
                "warning", "actor.children_stuck", children=self.held_by(), seconds=grace
            )

    async def kill(self, grace: float) -> None:
        """Cancel them and wait for their ends; their clean-ups have `grace` seconds together."""
        self.clean_by = trio.current_time() + grace
        for child in self:
            child.kill()
            child.life.hurry(self.clean_by)
        # Their nursery waits for them in any case; this says in the meantime for whom.
        with trio.CancelScope(shield=True):
            for child in self:
                while child.ending is None:
                    with trio.move_on_after(2 * grace + 1):
                        await child.ended.wait()
                        break
                    self.name_the_late("error", "actor.uncancellable")

    def name_the_late(self, level: Level, event: str) -> None:
        """Log who holds an end: twenty paths, and how many there are."""
        late = self.held_by()
        self._owner.say(level, event, children=late[:NAMED], count=len(late))

    def held_by(self) -> list[str]:
        """Return the paths of those below, at any depth, that wait for no child of their own."""
        held: list[str] = []
        for child in self:
            held += (child.life.children.held_by() if child.life.children else None) or [child.path]
        return sorted(held)
