"""The floor of one actor: a task that takes from a memory channel."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import msgspec
import trio

from bench.kernel.plan import ASKERS, BUFFER, MAILBOX, PAUSE, Figures
from bench.kernel.timing import WrongAnswer, clock, latency, shared_out, throughput, warmed

T = TypeVar("T")


class Note(msgspec.Struct, frozen=True):
    """A message."""

    number: int


Asked = tuple[Note, trio.MemorySendChannel[int]]
Asks = trio.MemorySendChannel[Asked]


# Tell


class Counter:
    """The receiving task's state; the sender reads it to stay within the buffer."""

    def __init__(self) -> None:
        self.handled = 0

    async def take(self, receive: trio.MemoryReceiveChannel[Note]) -> None:
        async for _ in receive:
            self.handled += 1


async def tell(counter: Counter, count: int) -> Figures:
    """Tell `counter` within what the buffer holds."""

    async def send_all(count: int) -> Figures:
        counter.handled = sent = 0
        began = clock()
        while counter.handled < count:
            room = min(MAILBOX - (sent - counter.handled), count - sent)
            for number in range(sent, sent + room):
                send.send_nowait(Note(number))
            sent += room
            await trio.lowlevel.checkpoint()
        return throughput(count, clock() - began)

    send, receive = trio.open_memory_channel[Note](MAILBOX)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(counter.take, receive)
        figures = await warmed(send_all, count)
        nursery.cancel_scope.cancel()
    return figures


# Ask


async def echo(receive: trio.MemoryReceiveChannel[Asked]) -> None:
    """Answer each ask with its own number."""
    async for message, reply in receive:
        await reply.send(message.number)


async def ask_once(asks: Asks, number: int) -> None:
    """Ask with a fresh way back."""
    reply, answer = trio.open_memory_channel[int](1)
    await asks.send((Note(number), reply))
    if await answer.receive() != number:
        raise WrongAnswer


async def ask(count: int) -> Figures:
    """Ask from one task."""
    return await _beside(echo, lambda asks: warmed(partial(_ask_in_turn, asks), count))


async def _ask_in_turn(asks: Asks, count: int) -> Figures:
    spans: list[int] = []
    began = clock()
    for number in range(count):
        start = clock()
        await ask_once(asks, number)
        spans.append(clock() - start)
    return throughput(count, clock() - began) | latency(spans)


async def crowd(count: int) -> Figures:
    """Ask from many tasks."""

    async def ask_all(asks: Asks, count: int) -> Figures:
        async def ask_some(count: int) -> None:
            for number in range(count):
                await ask_once(asks, number)

        began = clock()
        async with trio.open_nursery() as askers:
            for part in shared_out(count, ASKERS):
                askers.start_soon(ask_some, part)
        return throughput(count, clock() - began)

    return await _beside(echo, lambda asks: warmed(partial(ask_all, asks), count))


async def _beside(
    serve: Callable[[trio.MemoryReceiveChannel[Asked]], Awaitable[None]],
    use: Callable[[Asks], Awaitable[T]],
) -> T:
    """Use a server while its task runs."""
    asks, receive = trio.open_memory_channel[Asked](MAILBOX)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, receive)
        result = await use(asks)
        nursery.cancel_scope.cancel()
    return result


# Stream


async def stream(count: int) -> Figures:
    """Read events that come as fast as they are read."""

    async def produce(send: trio.MemorySendChannel[int]) -> None:
        async with send:
            for number in range(count):
                await send.send(number)

    send, receive = trio.open_memory_channel[int](BUFFER)
    read = 0
    async with trio.open_nursery() as nursery:
        began = clock()
        nursery.start_soon(produce, send)
        async for _ in receive:
            read += 1
        return throughput(read, clock() - began)


async def paced(count: int) -> Figures:
    """Read events that come now and then."""

    async def produce(send: trio.MemorySendChannel[int]) -> None:
        async with send:
            for _ in range(count):
                await trio.sleep(PAUSE)
                await send.send(clock())

    send, receive = trio.open_memory_channel[int](BUFFER)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce, send)
        return latency([clock() - sent async for sent in receive])
