"""One actor of greenroom, told, asked and read from."""

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from bench.kernel.plan import ASKERS, BUFFER, MAILBOX, PAUSE, Figures
from bench.kernel.timing import WrongAnswer, clock, latency, shared_out, throughput, warmed
from greenroom.runtime import Actor, Message, Recipient, Ref, Request, Subscription, System


class Note(Message, frozen=True):
    """A message that is told."""

    number: int


class Echo(Request[int], frozen=True):
    """Answered with its own number."""

    number: int


class Count(Subscription[int], frozen=True):
    """Answered with that many numbers, as fast as they are read."""

    events: int


class Tick(Subscription[int], frozen=True):
    """Answered with that many moments, a pause before each."""

    events: int
    pause: float


class Counter(Actor[Note]):
    """Counts; the sender reads its state to stay within the mailbox."""

    mailbox_size = MAILBOX

    def __init__(self) -> None:
        self.handled = 0

    async def receive(self, message: Note) -> None:
        self.handled += 1


class Answerer(Actor[Echo]):
    """Answers each ask with its own number."""

    mailbox_size = MAILBOX

    async def receive(self, message: Echo) -> int:
        return message.number


class Source(Actor[Count | Tick]):
    """Streams."""

    async def receive(self, message: Count | Tick) -> None:
        port = self.stream_port(message)
        with port.scope:
            match message:
                case Count(events):
                    for number in range(events):
                        await port.send(number)
                case Tick(events, pause):
                    for _ in range(events):
                        await trio.sleep(pause)
                        await port.send(clock())
        port.close()


async def within(use: Callable[[System], Awaitable[Figures]]) -> Figures:
    """Use a system while it runs."""
    figures: Figures = {}
    async with System() as system:
        figures.update(await use(system))
    return figures


# Tell


async def tell(count: int) -> Figures:
    """Tell a counter within what its mailbox holds."""
    counter = Counter()

    async def send_all(ref: Ref[Note], count: int) -> Figures:
        counter.handled = sent = 0
        began = clock()
        while counter.handled < count:
            room = min(MAILBOX - (sent - counter.handled), count - sent)
            for number in range(sent, sent + room):
                ref.tell(Note(number))
            sent += room
            await trio.lowlevel.checkpoint()
        return throughput(count, clock() - began)

    async def use(system: System) -> Figures:
        ref = await system.spawn(counter, "counter")
        return await warmed(partial(send_all, ref), count)

    return await within(use)


# Ask


async def ask_once(who: Recipient[Echo], number: int) -> None:
    """Ask and check the answer."""
    if await who.ask(Echo(number)) != number:
        raise WrongAnswer


async def ask(count: int) -> Figures:
    """Ask from one task."""
    return await _of_answerer(_ask_in_turn, count)


async def crowd(count: int) -> Figures:
    """Ask from many tasks."""
    return await _of_answerer(_ask_all, count)


async def _of_answerer(take: Callable[[Ref[Echo], int], Awaitable[Figures]], count: int) -> Figures:
    async def use(system: System) -> Figures:
        ref = await system.spawn(Answerer(), "answerer")
        return await warmed(partial(take, ref), count)

    return await within(use)


async def _ask_in_turn(ref: Ref[Echo], count: int) -> Figures:
    spans: list[int] = []
    began = clock()
    for number in range(count):
        start = clock()
        await ask_once(ref, number)
        spans.append(clock() - start)
    return throughput(count, clock() - began) | latency(spans)


async def _ask_all(ref: Ref[Echo], count: int) -> Figures:
    async def ask_some(count: int) -> None:
        for number in range(count):
            await ask_once(ref, number)

    began = clock()
    async with trio.open_nursery() as askers:
        for part in shared_out(count, ASKERS):
            askers.start_soon(ask_some, part)
    return throughput(count, clock() - began)


# Stream


async def stream(count: int) -> Figures:
    """Read events that come as fast as they are read."""
    return await _of_source(_read, count)


async def paced(count: int) -> Figures:
    """Read events that come now and then."""
    return await _of_source(_read_moments, count)


async def _of_source(
    take: Callable[[Ref[Count | Tick], int], Awaitable[Figures]], count: int
) -> Figures:
    async def use(system: System) -> Figures:
        ref = await system.spawn(Source(), "source")
        return await warmed(partial(take, ref), count)

    return await within(use)


async def _read(ref: Ref[Count | Tick], count: int) -> Figures:
    read = 0
    began = clock()
    async with ref.stream(Count(count), buffer=BUFFER) as events:
        async for _ in events:
            read += 1
    return throughput(read, clock() - began)


async def _read_moments(ref: Ref[Count | Tick], count: int) -> Figures:
    async with ref.stream(Tick(count, PAUSE), buffer=BUFFER) as moments:
        return latency([clock() - sent async for sent in moments])
