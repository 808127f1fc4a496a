"""Many actors of greenroom: at the top of a system, or by key under the actor that hosts them."""

import trio
import trio.testing

from bench.kernel.contenders.greenroom_one import Answerer, Echo, ask_once, within
from bench.kernel.plan import Figures, Say, Sizes
from bench.kernel.timing import chosen, clock, grown, latency, resident, throughput
from greenroom.runtime import Actor, Directory, Message, Ref, System

IDLE = 60.0
"""Virtual seconds until an actor by key is put away."""


async def park(sizes: Sizes, say: Say) -> None:
    """Have actors wait, and ask some of them."""
    async with System() as system:
        refs: list[Ref[Echo]] = []
        before = resident()
        began = clock()
        for number in range(sizes.parked):
            ref = await system.spawn(Answerer(), f"answerer-{number}")
            refs.append(ref)
        await trio.testing.wait_all_tasks_blocked()
        spawned = throughput(sizes.parked, clock() - began)
        figures = spawned | grown(before, resident(), sizes.parked)
        spans: list[int] = []
        for number, ref in enumerate(chosen(refs, sizes.parked_asks)):
            begun = clock()
            await ask_once(ref, number)
            spans.append(clock() - begun)
        say(figures | latency(spans))


class Host(Actor[Message]):
    """Hosts the directory."""

    def __init__(self, directory: Directory[int, Echo]) -> None:
        self._directory = directory

    async def on_start(self) -> None:
        self.host(self._directory)

    async def receive(self, message: Message) -> None:
        """Has no messages."""


def put_away(sizes: Sizes) -> Figures:
    """Ask each key once, let virtual time pass until all are away, and ask some of them again.

    The actors' clock stands still while they are measured, so none goes away too soon.
    """
    virtual = trio.testing.MockClock()
    directory = Directory[int, Echo](lambda _: Answerer(), limit=sizes.keyed, idle=IDLE)

    async def use(system: System) -> Figures:
        await system.spawn(Host(directory), "host")
        before = resident()
        for key in range(sizes.keyed):
            await ask_once(directory.address(key), key)
        while directory.live:
            virtual.jump(IDLE)
            await trio.testing.wait_all_tasks_blocked()
        figures = grown(before, resident(), sizes.keyed)
        keys = list(dict.fromkeys(chosen(range(sizes.keyed), sizes.keyed_asks)))
        spans: list[int] = []
        for key in keys:
            began = clock()
            await ask_once(directory.address(key), key)
            spans.append(clock() - began)
        return figures | latency(spans)

    return trio.run(within, use, clock=virtual)
