"""Who is measured, at what, and with how many messages. Tables only: nothing here runs anything."""

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

Measure = Literal["tell", "ask", "crowd", "stream", "paced", "parked", "keyed"]
MEASURES: tuple[Measure, ...] = ("tell", "ask", "crowd", "stream", "paced", "parked", "keyed")
"""In the order in which they are taken."""

MAILBOX = 64
"""Messages that wait in each mailbox or channel that has a bound; greenroom's own default."""

BUFFER = 16
"""Events that wait in a stream unread; greenroom's own default."""

ASKERS = 100
"""Who asks at once in `crowd`."""

PAUSE = 0.001
"""Seconds between two events in `paced`."""

SEED = 20
"""Of the choice of parked actors that are asked."""


class Sizes(msgspec.Struct, frozen=True):
    """How many of each thing one sample does, after a warm-up of a tenth."""

    tells: int
    asks: int
    events: int
    paced: int
    parked: int
    parked_asks: int
    keyed: int
    keyed_asks: int

    def of(self, measure: Measure) -> int:
        """Return how many things `measure` does."""
        match measure:
            case "tell":
                return self.tells
            case "ask" | "crowd":
                return self.asks
            case "stream":
                return self.events
            case "paced":
                return self.paced
            case "parked":
                return self.parked
            case "keyed":
                return self.keyed


FULL = Sizes(
    tells=100_000,
    asks=20_000,
    events=50_000,
    paced=500,
    parked=100_000,
    parked_asks=30_000,
    keyed=20_000,
    keyed_asks=10_000,
)
QUICK = Sizes(
    tells=2_000,
    asks=1_000,
    events=1_000,
    paced=50,
    parked=1_000,
    parked_asks=200,
    keyed=500,
    keyed_asks=100,
)


class Entry(msgspec.Struct, frozen=True):
    """One contender, and what it can be given without the run growing long."""

    name: str
    module: str
    distribution: str
    measures: tuple[Measure, ...]
    share: float = 1.0
    """Of the messages; the slow get fewer, for a rate needs no more of them."""
    most_parked: int | None = None

    def sizes(self, whole: Sizes) -> Sizes:
        """Return what this contender does of `whole`."""
        most = whole.parked if self.most_parked is None else self.most_parked
        parked = min(whole.parked, most)
        return Sizes(
            tells=max(1, int(whole.tells * self.share)),
            asks=max(1, int(whole.asks * self.share)),
            events=max(1, int(whole.events * self.share)),
            paced=whole.paced,
            parked=parked,
            parked_asks=max(1, int(whole.parked_asks * self.share)),
            keyed=whole.keyed,
            keyed_asks=whole.keyed_asks,
        )


FLOOR = "floor"
TIGHTER = "tighter floor"
GREENROOM = "greenroom"
ENTRIES = (
    Entry(FLOOR, "floor", "trio", MEASURES),
    Entry(TIGHTER, "tighter", "trio", ("tell", "ask", "parked")),
    Entry(GREENROOM, "greenroom_", "greenroom", MEASURES),
    Entry("pykka", "pykka_", "pykka", MEASURES[:-1], share=0.3, most_parked=2_000),
    Entry("autogen-core", "autogen_", "autogen-core", MEASURES[:-1], share=0.1),
)
PEERS = ("pykka", "autogen-core")
"""Whose libraries may be missing."""


def rounds_of(measure: Measure, rounds: int) -> int:
    """Return in how many of the rounds `measure` is taken: the longest ones in every fifth."""
    return -(-rounds // 5) if measure in ("parked", "keyed") else rounds


Figures = dict[str, float]
"""By name: `rate` a second, `p50` and `p99` in µs, `bytes`."""


Say = Callable[[Figures], None]


class Sample(msgspec.Struct, frozen=True, tag=True):
    """What one process has measured."""

    contender: str
    measure: Measure
    count: int
    figures: Figures


class Failure(msgspec.Struct, frozen=True, tag=True):
    """A process that measured nothing, and its last words."""

    contender: str
    measure: Measure
    reason: str


class Contender(Protocol):
    """Each verb takes one sample; a process calls one of them, once."""

    def tell(self, sizes: Sizes) -> Figures:
        """Send `tells` messages from one sender, to the end of the handling of the last one."""
        ...

    def ask(self, sizes: Sizes) -> Figures:
        """Ask one actor `asks` times, each ask after the answer to the one before."""
        ...

    def crowd(self, sizes: Sizes) -> Figures:
        """Ask one actor `asks` times from `ASKERS` tasks or threads at once."""
        ...

    def stream(self, sizes: Sizes) -> Figures:
        """Read `events` events from one producer that never pauses."""
        ...

    def paced(self, sizes: Sizes) -> Figures:
        """Read `paced` events from one producer that pauses; the latency is from send to read."""
        ...

    def parked(self, sizes: Sizes, say: Say) -> None:
        """Have `parked` actors wait for a message, then ask `parked_asks` random ones.

        The figures are said while all are alive, so that whoever listens can end the process there.
        """
        ...


class Keyed(Protocol):
    """A contender whose actors have keys and are put away when nothing happens to them."""

    def keyed(self, sizes: Sizes) -> Figures:
        """Ask each of `keyed` keys once, have all put away, then ask `keyed_asks` random ones.

        The bytes are those that are left when all have been put away.
        """
        ...
