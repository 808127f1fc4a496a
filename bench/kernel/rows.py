"""What the table has: a row a figure, and what has to be said beside it. A table, nothing else."""

import msgspec

from bench.kernel.plan import FLOOR, GREENROOM, PEERS, TIGHTER, Measure


class Row(msgspec.Struct, frozen=True):
    """One figure of one measure, of all contenders."""

    title: str
    measure: Measure
    figure: str
    unit: str
    floor: str = FLOOR
    """Whose figure stands in the floor's column."""

    @property
    def more_is_better(self) -> bool:
        """Whether it is a rate, and not a time or a size."""
        return self.unit.endswith("/s")

    def has(self, contender: str) -> bool:
        """Whether the row shows this contender; one with a tighter floor shows no peers."""
        others = (GREENROOM,) if self.floor == TIGHTER else (GREENROOM, *PEERS)
        return contender in (self.floor, *others)


ROWS = (
    Row("tell", "tell", "rate", "messages/s"),
    Row("tell, tighter floor", "tell", "rate", "messages/s", TIGHTER),
    Row("ask, one asker", "ask", "rate", "asks/s"),
    Row("ask, tighter floor", "ask", "rate", "asks/s", TIGHTER),
    Row("ask, p50", "ask", "p50", "µs"),
    Row("ask, p99", "ask", "p99", "µs"),
    Row("ask, 100 askers", "crowd", "rate", "asks/s"),
    Row("stream", "stream", "rate", "events/s"),
    Row("event of a calm stream, p50", "paced", "p50", "µs"),
    Row("event of a calm stream, p99", "paced", "p99", "µs"),
    Row("parked, each", "parked", "bytes", "bytes"),
    Row("parked, each, tighter floor", "parked", "bytes", "bytes", TIGHTER),
    Row("parked, spawned", "parked", "rate", "actors/s"),
    Row("parked, spawned, tighter floor", "parked", "rate", "actors/s", TIGHTER),
    Row("parked, ask, p50", "parked", "p50", "µs"),
    Row("parked, ask, p99", "parked", "p99", "µs"),
    Row("put away, what is left of each", "keyed", "bytes", "bytes"),
    Row("put away, ask, p50", "keyed", "p50", "µs"),
    Row("put away, ask, p99", "keyed", "p99", "µs"),
)

REMARKS: tuple[tuple[str, Measure, str], ...] = (
    (
        "pykka",
        "stream",
        "has no streams: an actor tells another each event, and nothing bounds what waits",
    ),
    (
        "autogen-core",
        "tell",
        "has no tell: a message is published to a topic with one subscriber",
    ),
    (
        "autogen-core",
        "stream",
        "has no streams: an agent publishes each event to a topic with one subscriber, unbounded",
    ),
    (
        "pykka",
        "parked",
        "{count:,} actors, as each is a thread; the bytes are without the system's own part of it",
    ),
    (
        "autogen-core",
        "parked",
        "{count:,} agents; one that waits is an object in a dictionary, without a task or a mailbox: "
        "smaller than any actor and sooner there; one queue serves them all",
    ),
    (
        "greenroom",
        "keyed",
        "{count:,} keys, all asked, then all idle and put away; neither peer does that by itself",
    ),
)
"""What was taken where a contender has no such thing, or fewer; `{count}` is how many."""
