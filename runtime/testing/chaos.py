"""Ends that no actor asked for: one crash on order, or many deeds drawn from a seeded source.

What follows from them is the kernel's own doing; nothing here restarts or cleans up.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import trio

from greenroom.runtime.ref import Ref
from greenroom.runtime.system import System

if TYPE_CHECKING:
    from greenroom.runtime.cell import Cell


class InjectedError(Exception):
    """What a test crashes an actor with, if it has nothing better."""


def crash(ref: Ref[Any], error: Exception | None = None) -> None:
    """Crash an actor where it stands, as if its own code raised `error` (an `InjectedError`) there.

    Its supervisor decides what follows. Does nothing to an actor that is at its end, or between two
    incarnations.
    """
    # No method of a ref, because nothing but a test may do it to an actor.
    life = ref._cell.life  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    life.fail(InjectedError(f"{ref.path}, by a test") if error is None else error)


def actors(system: System) -> list[Ref[Any]]:
    """Return the living actors of a system, keyed ones too: parents first, siblings by age."""
    root = system._root  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as above
    return list(_below(root))


def _below(cell: "Cell[Any]") -> Iterator[Ref[Any]]:
    for child in cell.life.children or ():
        yield child.ref
        yield from _below(child)


Deed = Literal["crash", "kill", "stop"]


class Blow(msgspec.Struct, frozen=True):
    """What chaos did to an actor, and when, in seconds of the run's clock."""

    at: float
    deed: Deed
    path: str


class Chaos:
    """Crashes, kills and stops actors of a system, one at a time, drawn from `random`.

    A deed that stands twice in `deeds` is twice as likely. `aim` says which paths may be hit; without
    it all are, but never the root. `blows` tells what was done.
    """

    def __init__(
        self,
        system: System,
        random: Random,
        *,
        deeds: Sequence[Deed] = ("crash", "kill", "stop"),
        aim: Callable[[str], bool] = lambda path: True,
    ) -> None:
        self.blows: list[Blow] = []
        self._system = system
        self._random = random
        self._deeds = deeds
        self._aim = aim

    def strike(self) -> Blow | None:
        """Do one deed to one living actor, now; None if there is none to do it to."""
        refs = [ref for ref in actors(self._system) if self._aim(ref.path)]
        if not refs:
            return None
        ref, deed = self._random.choice(refs), self._random.choice(self._deeds)
        match deed:
            case "crash":
                crash(ref)
            case "kill":
                ref.kill()
            case "stop":
                ref.stop()
        blow = Blow(trio.current_time(), deed, ref.path)
        self.blows.append(blow)
        return blow

    async def rage(self, blows: int, seconds: float) -> None:
        """Strike `blows` times, at moments drawn from the next `seconds` seconds."""
        begin = trio.current_time()
        for moment in sorted(self._random.uniform(0, seconds) for _ in range(blows)):
            await trio.sleep_until(begin + moment)
            self.strike()
