"""Who is measured, at what, and for how long. Tables only: nothing here runs anything."""

from typing import Literal

import msgspec

Name = Literal["floor", "greenroom", "tensorzero", "litellm"]

Model = Literal["whole", "burst", "paced", "held"]
MODELS: tuple[Model, ...] = ("whole", "burst", "paced", "held")
"""What the upstream does.

One JSON answer; chunks at once; chunks one by one; one chunk, and the end on `RELEASE`.
"""

RELEASE = b"release"
"""The body of a request to the upstream itself that ends what it holds.

A gateway that does not notice its clients' leaving would ask it for ever otherwise.
"""

CHUNKS = 50
"""Of a stream; each is a server-sent event of a chat completion."""

PAUSE = 0.02
"""Seconds between two of a paced stream."""


class Shape(msgspec.Struct, frozen=True):
    """A load: so many clients, each of which asks again as soon as it is answered."""

    title: str
    model: Model
    at_once: int


SHAPES: tuple[Shape, ...] = (
    Shape("not streamed, 64 at once", "whole", 64),
    Shape("50 chunks at once, 64 streams", "burst", 64),
    Shape("50 chunks 20 ms apart, 256 streams", "paced", 256),
    Shape("50 chunks 20 ms apart, 64 streams", "paced", 64),
    Shape("50 chunks at once, alone", "burst", 1),
)
"""In the order in which they are taken."""


class Sizes(msgspec.Struct, frozen=True):
    """How much of each thing is done."""

    seconds: float
    """After these no client asks again; what is under way ends, and counts."""
    clients: float
    """The share of a shape's clients, ..."""
    open: int
    """... streams that are open while memory is looked at, ..."""
    sessions: int
    """... and sessions that are put away."""

    def at_once(self, shape: Shape) -> int:
        """Return how many clients there are."""
        return max(1, round(shape.at_once * self.clients))


FULL = Sizes(seconds=4.0, clients=1.0, open=1_000, sessions=4_000)
QUICK = Sizes(seconds=0.1, clients=0.125, open=20, sessions=20)


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds that half, and all but a hundredth, of many things stay under."""

    p50: float
    p99: float


class Sample(msgspec.Struct, frozen=True, tag=True):
    """One load of one contender; times are in milliseconds, those of the CPU for each answer.

    `first` is from a request to its first token, or to its end where nothing is streamed; `between` from
    one token to the next; `added` from the moment at which the upstream sent a token to its arrival.
    `stretch` is how many times as long as the upstream itself a paced stream took.
    """

    contender: Name
    shape: str
    answers: int
    rate: float
    cpu: float | None
    first: Spread
    between: Spread | None = None
    added: Spread | None = None
    stretch: float | None = None


class Memory(msgspec.Struct, frozen=True, tag=True):
    """What is resident, in MiB: after the start, and with streams open; and an idle session's bytes."""

    contender: Name
    cold: float
    open: float
    asleep: float | None = None


class Failure(msgspec.Struct, frozen=True, tag=True):
    """What could not be measured, and why."""

    contender: Name
    what: str
    reason: str
