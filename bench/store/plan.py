"""What is measured, of whom, and with how many of each. Tables only: nothing here runs anything."""

from typing import Literal

import msgspec

Measure = Literal["disk", "appends", "turns", "length", "http", "waking", "touched", "stored"]

Subject = Literal[
    # The disk's two floors, and the store upon them.
    "file",
    "sqlite",
    "store",
    # A turn that is kept in a file, in memory, and not at all.
    "durable",
    "memory",
    "stateless",
    # What sleeps.
    "short",
    "summed up",
    "whole",
]


class Case(msgspec.Struct, frozen=True):
    """One thing to measure: `at` is how many do it at once, or how many entries there are."""

    measure: Measure
    subject: Subject
    at: int = 1


CALLERS = (1, 8, 50, 200)
SESSIONS = (1, 8, 64, 256)
CLIENTS = (8, 64)
LENGTHS = (10, 2_000, 10_000)
KEPT: tuple[Subject, ...] = ("durable", "memory", "stateless")

CASES: tuple[Case, ...] = (
    Case("disk", "file"),
    Case("disk", "sqlite"),
    *(Case("appends", "store", callers) for callers in CALLERS),
    *(Case("turns", subject, at_once) for at_once in SESSIONS for subject in KEPT),
    *(Case("length", "durable", entries) for entries in LENGTHS),
    *(Case("http", subject, at_once) for at_once in CLIENTS for subject in (KEPT[0], KEPT[2])),
    Case("waking", "short", 2),
    Case("waking", "summed up", 10_000),
    Case("waking", "whole", 2_000),
    Case("touched", "durable"),
    Case("stored", "durable"),
)
"""In the order in which they are taken."""

LONG: frozenset[Measure] = frozenset({"waking", "touched", "stored"})
"""What takes so long that every fifth round has it."""

BEHIND_SUMMARY = 100
"""Entries that a summary does not stand for, in the session that has one."""


class Sizes(msgspec.Struct, frozen=True):
    """How many of each thing one sample does, after a warm-up of a tenth."""

    commits: int
    turns: int
    """Appends are two of them each; with one session, there is a quarter of them."""
    long_turns: int
    """In the session that has many entries already."""
    entries: float
    """The share of the entries that a case names."""
    sleeping: int
    """Short sessions among which some are woken, ..."""
    woken: int
    """... so many, ..."""
    woken_long: int
    """... and how often a long one is."""
    touched: int
    wave: int
    """Of those that are touched, how many are alive at once."""
    stored: int

    def turns_of(self, at_once: int) -> int:
        """Return how many turns so many sessions have together, each the same number."""
        whole = self.turns // 4 if at_once == 1 else self.turns
        return max(1, whole // at_once) * at_once

    def entries_of(self, case: Case) -> int:
        """Return how many entries a session has; an even number, for each turn adds two."""
        return max(2, round(case.at * self.entries) // 2 * 2)


FULL = Sizes(
    commits=2_000,
    turns=4_096,
    long_turns=400,
    entries=1.0,
    sleeping=100_000,
    woken=1_000,
    woken_long=60,
    touched=100_000,
    wave=10_000,
    stored=300_000,
)
QUICK = Sizes(
    commits=20,
    turns=256,
    long_turns=10,
    entries=0.02,
    sleeping=200,
    woken=20,
    woken_long=5,
    touched=200,
    wave=50,
    stored=500,
)


def rounds_of(measure: Measure, rounds: int) -> int:
    """Return in how many of the rounds `measure` is taken."""
    return -(-rounds // 5) if measure in LONG else rounds


Figures = dict[str, float]
"""By name: `rate` a second, `cpu`, `p50` and `p99` in the unit that its column names, bytes."""


class Sample(msgspec.Struct, frozen=True, tag=True):
    """What one process has measured."""

    case: Case
    figures: Figures


class Failure(msgspec.Struct, frozen=True, tag=True):
    """A process that measured nothing, and its last words."""

    case: Case
    reason: str
