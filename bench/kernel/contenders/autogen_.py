"""autogen-core: agents of one runtime, which takes each message from one queue and makes it a task.

An agent has neither a task nor a mailbox: the runtime keeps it as an object and calls it. `BaseAgent`
is its leanest agent. It has neither tells nor streams: what comes nearest is a message published to
a topic that one agent subscribes to.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from autogen_core import (  # pyright: ignore[reportMissingModuleSource] - in its own venv
    AgentId,
    BaseAgent,
    MessageContext,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
)

from bench.kernel.plan import ASKERS, PAUSE, Contender, Figures, Say, Sizes
from bench.kernel.timing import (
    WrongAnswer,
    chosen,
    clock,
    grown,
    latency,
    resident,
    shared_out,
    throughput,
    warmed,
)


@dataclass(frozen=True)
class Note:
    """A message that is published, or asked to be answered with its number."""

    number: int


@dataclass(frozen=True)
class Count:
    """Have that many events published, a pause before each if there is one."""

    events: int
    pause: float


ANSWERER = AgentId("answerer", "one")
SOURCE = AgentId("source", "one")
EVENTS = TopicId("events", "one")


class Autogen:
    """`autogen_core.SingleThreadedAgentRuntime`."""

    def tell(self, sizes: Sizes) -> Figures:
        return asyncio.run(_warmed(_tell, sizes.tells))

    def ask(self, sizes: Sizes) -> Figures:
        return asyncio.run(_warmed(_ask, sizes.asks))

    def crowd(self, sizes: Sizes) -> Figures:
        return asyncio.run(_warmed(_crowd, sizes.asks))

    def stream(self, sizes: Sizes) -> Figures:
        return asyncio.run(_warmed(_stream, sizes.events))

    def paced(self, sizes: Sizes) -> Figures:
        return asyncio.run(_warmed(_paced, sizes.paced))

    def parked(self, sizes: Sizes, say: Say) -> None:
        asyncio.run(_park(sizes, say))


def contender() -> Contender:
    """Return autogen-core."""
    return Autogen()


class Inbox:
    """What the listening agent has got; `done` once that is all."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, count: int) -> None:
        """Wait for `count` messages."""
        self.left = count
        self.spans: list[int] = []
        self.done = asyncio.Event()


class Listener(BaseAgent):
    """Counts what is published; a moment in it says how long it was under way."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__("counts")
        self._inbox = inbox

    async def on_message_impl(self, message: Note, ctx: MessageContext) -> None:
        self._inbox.spans.append(clock() - message.number)
        self._inbox.left -= 1
        if not self._inbox.left:
            self._inbox.done.set()


class Answerer(BaseAgent):
    """Answers each ask with its own number."""

    def __init__(self) -> None:
        super().__init__("answers")

    async def on_message_impl(self, message: Note, ctx: MessageContext) -> int:
        return message.number


class Source(BaseAgent):
    """Publishes what a stream would bring."""

    def __init__(self) -> None:
        super().__init__("publishes")

    async def on_message_impl(self, message: Count, ctx: MessageContext) -> None:
        for _ in range(message.events):
            if message.pause:
                await asyncio.sleep(message.pause)
            await self.publish_message(Note(clock()), EVENTS)


class House:
    """A runtime in which the three kinds of agent are registered."""

    def __init__(self) -> None:
        self.runtime = SingleThreadedAgentRuntime()
        self.inbox = Inbox()

    async def open(self) -> None:
        """Register and start."""
        await Listener.register(self.runtime, "listener", lambda: Listener(self.inbox))
        await Answerer.register(self.runtime, "answerer", Answerer)
        await Source.register(self.runtime, "source", Source)
        await self.runtime.add_subscription(TypeSubscription("events", "listener"))
        self.runtime.start()

    async def ask_once(self, who: AgentId, number: int) -> None:
        """Ask one agent."""
        if await self.runtime.send_message(Note(number), who) != number:
            raise WrongAnswer


async def _warmed(take: Callable[[House, int], Awaitable[Figures]], count: int) -> Figures:
    house = House()
    await house.open()
    figures = await warmed(partial(take, house), count)
    await house.runtime.stop()
    return figures


async def _tell(house: House, count: int) -> Figures:
    house.inbox.begin(count)
    began = clock()
    for _ in range(count):
        await house.runtime.publish_message(Note(began), EVENTS)
    await house.inbox.done.wait()
    return throughput(count, clock() - began)


async def _ask(house: House, count: int) -> Figures:
    spans: list[int] = []
    began = clock()
    for number in range(count):
        start = clock()
        await house.ask_once(ANSWERER, number)
        spans.append(clock() - start)
    return throughput(count, clock() - began) | latency(spans)


async def _crowd(house: House, count: int) -> Figures:
    async def ask_some(count: int) -> None:
        for number in range(count):
            await house.ask_once(ANSWERER, number)

    began = clock()
    await asyncio.gather(*[ask_some(part) for part in shared_out(count, ASKERS)])
    return throughput(count, clock() - began)


async def _stream(house: House, count: int) -> Figures:
    house.inbox.begin(count)
    began = clock()
    await house.runtime.send_message(Count(count, 0), SOURCE)
    await house.inbox.done.wait()
    return throughput(count, clock() - began)


async def _paced(house: House, count: int) -> Figures:
    house.inbox.begin(count)
    await house.runtime.send_message(Count(count, PAUSE), SOURCE)
    await house.inbox.done.wait()
    return latency(house.inbox.spans)


async def _park(sizes: Sizes, say: Say) -> None:
    house = House()
    await house.open()
    before = resident()
    began = clock()
    ids = [
        await house.runtime.get("answerer", key=str(number), lazy=False)
        for number in range(sizes.parked)
    ]
    spawned = throughput(sizes.parked, clock() - began)
    figures = spawned | grown(before, resident(), sizes.parked)
    spans: list[int] = []
    for number, who in enumerate(chosen(ids, sizes.parked_asks)):
        begun = clock()
        await house.ask_once(who, number)
        spans.append(clock() - begun)
    say(figures | latency(spans))
    await house.runtime.stop()
