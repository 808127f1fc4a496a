"""A tighter floor: trio without what even a careful program on it would keep.

A receiver goes past the scheduler, an ask has one pair of channels for good and so one asker at
most, a task is started and nobody told that it has. The other measures are the floor's own.
"""

import trio

from bench.kernel.contenders.floor import Floor
from bench.kernel.contenders.floor_many import Receive, park
from bench.kernel.contenders.floor_one import Counter, Note, echo, tell
from bench.kernel.plan import MAILBOX, Contender, Figures, Say, Sizes
from bench.kernel.timing import WrongAnswer, clock, latency, throughput, warmed

IN_A_ROW = 16
"""Messages taken before the scheduler is asked for the next; the kernel takes as many."""


class Tighter(Floor):
    """Memory channels with corners cut."""

    def tell(self, sizes: Sizes) -> Figures:
        return trio.run(tell, GreedyCounter(), sizes.tells)

    def ask(self, sizes: Sizes) -> Figures:
        return trio.run(_ask, sizes.asks)

    def parked(self, sizes: Sizes, say: Say) -> None:
        trio.run(park, _start_soon, sizes, say)


def contender() -> Contender:
    """Return the tighter floor."""
    return Tighter()


class GreedyCounter(Counter):
    """Takes what is there already without a checkpoint."""

    async def take(self, receive: trio.MemoryReceiveChannel[Note]) -> None:
        while True:
            await receive.receive()
            self.handled += 1
            for _ in range(IN_A_ROW - 1):
                try:
                    receive.receive_nowait()
                except trio.WouldBlock:
                    break
                self.handled += 1


async def _ask(count: int) -> Figures:
    to_server, asked = trio.open_memory_channel[Note](MAILBOX)
    to_client, answers = trio.open_memory_channel[int](1)

    async def serve() -> None:
        async for message in asked:
            await to_client.send(message.number)

    async def in_turn(count: int) -> Figures:
        spans: list[int] = []
        began = clock()
        for number in range(count):
            start = clock()
            await to_server.send(Note(number))
            if await answers.receive() != number:
                raise WrongAnswer
            spans.append(clock() - start)
        return throughput(count, clock() - began) | latency(spans)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        figures = await warmed(in_turn, count)
        nursery.cancel_scope.cancel()
    return figures


async def _start_soon(nursery: trio.Nursery, receive: Receive) -> None:
    nursery.start_soon(echo, receive)
