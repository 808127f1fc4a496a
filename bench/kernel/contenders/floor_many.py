"""The floor of many actors: a task with a memory channel for each, kept by a number."""

from collections.abc import Awaitable, Callable

import trio
import trio.testing

from bench.kernel.contenders.floor_one import Asked, Asks, ask_once, echo
from bench.kernel.plan import MAILBOX, Figures, Say, Sizes
from bench.kernel.timing import chosen, clock, grown, latency, resident, throughput

Receive = trio.MemoryReceiveChannel[Asked]
Start = Callable[[trio.Nursery, Receive], Awaitable[None]]


async def start(nursery: trio.Nursery, receive: Receive) -> None:
    """Begin an echo, and go on when it has."""
    await nursery.start(_echo_once_started, receive)


async def _echo_once_started(receive: Receive, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    async for message, reply in receive:
        await reply.send(message.number)


async def park(begin: Start, sizes: Sizes, say: Say) -> None:
    """Have echoes wait, each begun by `begin`, and ask some of them."""
    channels: list[Asks] = []
    async with trio.open_nursery() as nursery:
        before = resident()
        began = clock()
        for _ in range(sizes.parked):
            send, receive = trio.open_memory_channel[Asked](MAILBOX)
            await begin(nursery, receive)
            channels.append(send)
        await trio.testing.wait_all_tasks_blocked()
        spawned = throughput(sizes.parked, clock() - began)
        figures = spawned | grown(before, resident(), sizes.parked)
        spans: list[int] = []
        for number, channel in enumerate(chosen(channels, sizes.parked_asks)):
            begun = clock()
            await ask_once(channel, number)
            spans.append(clock() - begun)
        say(figures | latency(spans))
        nursery.cancel_scope.cancel()


async def put_away(sizes: Sizes) -> Figures:
    """Begin a key's task at its first ask; put all away by cancelling them."""
    channels: dict[int, Asks] = {}

    async def ask_key(nursery: trio.Nursery, key: int) -> None:
        channel = channels.get(key)
        if channel is None:
            channel, receive = trio.open_memory_channel[Asked](MAILBOX)
            channels[key] = channel
            nursery.start_soon(echo, receive)
        await ask_once(channel, key)

    before = resident()
    async with trio.open_nursery() as nursery:
        for key in range(sizes.keyed):
            await ask_key(nursery, key)
        nursery.cancel_scope.cancel()
    channels.clear()
    figures = grown(before, resident(), sizes.keyed)
    keys = list(dict.fromkeys(chosen(range(sizes.keyed), sizes.keyed_asks)))
    spans: list[int] = []
    async with trio.open_nursery() as nursery:
        for key in keys:
            began = clock()
            await ask_key(nursery, key)
            spans.append(clock() - began)
        nursery.cancel_scope.cancel()
    return figures | latency(spans)
