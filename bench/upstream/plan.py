"""Who is measured, at what, and how often. Tables only: nothing here runs anything."""

from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec

Measure = Literal["request", "chunk", "crowded"]
MEASURES: tuple[Measure, ...] = ("request", "chunk", "crowded")
"""In the order in which they are taken."""

Name = Literal["floor", "direct", "httpx2"]
NAMES: tuple[Name, ...] = ("floor", "direct", "httpx2")

AT_ONCE = 64
"""Requests or streams under way at once."""

CHUNKS = 50
"""Of a stream; each is a server-sent event of a chat completion."""

PAUSE = 0.01
"""Seconds between two of them."""


class Sizes(msgspec.Struct, frozen=True):
    """How many of each thing one sample does, after a warm-up of a tenth."""

    requests: int
    streams: int
    others: int
    """Streams that are open, and silent, while `crowded` asks."""
    crowded: int

    def of(self, measure: Measure) -> int:
        """Return by how many things the time of `measure` is divided."""
        match measure:
            case "request":
                return self.requests
            case "chunk":
                return self.streams * CHUNKS
            case "crowded":
                return self.crowded


FULL = Sizes(requests=6_400, streams=256, others=1_000, crowded=1_280)
QUICK = Sizes(requests=128, streams=16, others=50, crowded=64)


class Sample(msgspec.Struct, frozen=True, tag=True):
    """What one process has measured: microseconds of its CPU time for each thing."""

    contender: Name
    measure: Measure
    count: int
    micros: float


class Failure(msgspec.Struct, frozen=True, tag=True):
    """A process that measured nothing, and its last words."""

    contender: Name
    measure: Measure
    reason: str


class Body(Protocol):
    """The body of an answer."""

    async def read(self) -> bytes:
        """Return what came, nothing at the end."""
        ...


class Contender(Protocol):
    """A client of one upstream."""

    def open(self, target: str) -> AbstractAsyncContextManager[Body]:
        """Ask for `target` with the usual request; entered once the answer has begun."""
        ...

    async def aclose(self) -> None:
        """Close what is idle."""
        ...
