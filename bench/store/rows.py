"""What the tables have: a section a measure, in it a row a case and a column a figure. Tables only."""

import msgspec

from bench.store.plan import (
    BEHIND_SUMMARY,
    CALLERS,
    CLIENTS,
    FULL,
    LENGTHS,
    SESSIONS,
    Measure,
    Subject,
)


class Column(msgspec.Struct, frozen=True):
    """One figure; `over` makes it a ratio to the same figure of another subject."""

    title: str
    figure: str
    subject: Subject | None = None
    """Whose it is; None where a row says that."""
    over: Subject | None = None


class Row(msgspec.Struct, frozen=True):
    """One case; without a `subject`, its columns say whose figures they have."""

    title: str
    at: int = 1
    subject: Subject | None = None


class Section(msgspec.Struct, frozen=True):
    """One table."""

    title: str
    measure: Measure
    of: str
    """What the rows are told apart by."""
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]


_KEPT_COLUMNS = (
    Column("durable, turns/s", "rate", "durable"),
    Column("durable, ms", "cpu", "durable"),
)
_STATELESS_COLUMNS = (
    Column("stateless, ms", "cpu", "stateless"),
    Column("× stateless", "cpu", "durable", over="stateless"),
)

SECTIONS = (
    Section(
        "The disk",
        "disk",
        "one after the other",
        (
            Row("a page written, fdatasync", subject="file"),
            Row("SQLite, a row committed", subject="sqlite"),
        ),
        (
            Column("a second", "rate"),
            Column("CPU, µs", "cpu"),
            Column("p50, µs", "p50"),
            Column("p99, µs", "p99"),
        ),
    ),
    Section(
        "Appends",
        "appends",
        "callers at once",
        tuple(Row(f"{callers}", callers, "store") for callers in CALLERS),
        (
            Column("appends/s", "rate"),
            Column("commits/s", "commits"),
            Column("appends a commit", "batch"),
            Column("CPU, µs", "cpu"),
            Column("p50, ms", "p50"),
            Column("p99, ms", "p99"),
        ),
    ),
    Section(
        "Turns, in process, on one core",
        "turns",
        "sessions at once",
        tuple(Row(f"{sessions}", sessions) for sessions in SESSIONS),
        (
            *_KEPT_COLUMNS,
            Column("durable, p99, ms", "p99", "durable"),
            Column("in memory, ms", "cpu", "memory"),
            *_STATELESS_COLUMNS,
        ),
    ),
    Section(
        "A turn in a long session, on one core",
        "length",
        "entries before it",
        tuple(Row(f"{entries:,}", entries, "durable") for entries in LENGTHS),
        (
            Column("CPU, ms", "cpu"),
            Column("p50, ms", "p50"),
            Column("p99, ms", "p99"),
        ),
    ),
    Section(
        "Turns over HTTP, on one core",
        "http",
        "clients at once",
        tuple(Row(f"{clients}", clients) for clients in CLIENTS),
        (
            *_KEPT_COLUMNS,
            Column("durable, p99, ms", "p99", "durable"),
            Column("stateless, turns/s", "rate", "stateless"),
            *_STATELESS_COLUMNS,
        ),
    ),
    Section(
        "Waking",
        "waking",
        "what sleeps",
        (
            Row(f"one of {FULL.sleeping:,} with 2 entries each", 2, "short"),
            Row(f"10,000 entries, a summary of all but {BEHIND_SUMMARY}", 10_000, "summed up"),
            Row("2,000 entries, no summary", 2_000, "whole"),
        ),
        (
            Column("first turn, p50, ms", "p50"),
            Column("p99, ms", "p99"),
            Column("next turn, p50, ms", "next_p50"),
            Column("next, p99, ms", "next_p99"),
        ),
    ),
    Section(
        f"Memory of {FULL.touched:,} sessions, {FULL.wave:,} at a time",
        "touched",
        "a process that",
        (Row("takes one turn in each", subject="durable"),),
        (
            Column("before, MiB", "before"),
            Column("first put away", "first"),
            Column("peak", "peak"),
            Column("all put away", "after"),
            Column("each awake, bytes", "alive"),
            Column("each asleep, bytes", "asleep"),
        ),
    ),
    Section(
        f"Memory with {FULL.stored:,} sessions in the store",
        "stored",
        "a process that",
        (Row("opens it, and takes one turn", subject="durable"),),
        (
            Column("MiB", "full"),
            Column("MiB with an empty one", "empty"),
            Column("the file, MiB", "file"),
            Column("the file, bytes a session", "size"),
        ),
    ),
)
