"""Greenroom as its users have it: the public verbs, mailboxes and buffers of the default sizes."""

import trio

from bench.kernel.contenders import greenroom_many as many
from bench.kernel.contenders import greenroom_one as one
from bench.kernel.plan import Contender, Figures, Say, Sizes


class Greenroom:
    """`greenroom.runtime`."""

    def tell(self, sizes: Sizes) -> Figures:
        return trio.run(one.tell, sizes.tells)

    def ask(self, sizes: Sizes) -> Figures:
        return trio.run(one.ask, sizes.asks)

    def crowd(self, sizes: Sizes) -> Figures:
        return trio.run(one.crowd, sizes.asks)

    def stream(self, sizes: Sizes) -> Figures:
        return trio.run(one.stream, sizes.events)

    def paced(self, sizes: Sizes) -> Figures:
        return trio.run(one.paced, sizes.paced)

    def parked(self, sizes: Sizes, say: Say) -> None:
        trio.run(many.park, sizes, say)

    def keyed(self, sizes: Sizes) -> Figures:
        return many.put_away(sizes)


def contender() -> Contender:
    """Return greenroom."""
    return Greenroom()
