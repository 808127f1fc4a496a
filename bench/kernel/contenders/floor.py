"""The floor: what a program on bare trio does at least, with tasks and memory channels.

It has what the kernel is made of and none of what the kernel adds: no refusals, no crashes told, no
answer for who is left waiting. `tighter` gives up more.
"""

import trio

from bench.kernel.contenders import floor_many as many
from bench.kernel.contenders import floor_one as one
from bench.kernel.plan import Contender, Figures, Say, Sizes
from bench.kernel.timing import warmed


class Floor:
    """Bare memory channels."""

    def tell(self, sizes: Sizes) -> Figures:
        return trio.run(one.tell, one.Counter(), sizes.tells)

    def ask(self, sizes: Sizes) -> Figures:
        return trio.run(one.ask, sizes.asks)

    def crowd(self, sizes: Sizes) -> Figures:
        return trio.run(one.crowd, sizes.asks)

    def stream(self, sizes: Sizes) -> Figures:
        return trio.run(warmed, one.stream, sizes.events)

    def paced(self, sizes: Sizes) -> Figures:
        return trio.run(warmed, one.paced, sizes.paced)

    def parked(self, sizes: Sizes, say: Say) -> None:
        trio.run(many.park, many.start, sizes, say)

    def keyed(self, sizes: Sizes) -> Figures:
        return trio.run(many.put_away, sizes)


def contender() -> Contender:
    """Return the floor."""
    return Floor()
