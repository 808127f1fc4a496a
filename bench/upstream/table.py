"""Samples in, rows out: medians, ratios, and their text. It measures nothing and starts nothing."""

from collections.abc import Sequence
from statistics import median

import msgspec

from bench.page import NOTHING, aligned, number, rounds_text
from bench.upstream.plan import MEASURES, NAMES, Failure, Measure, Name, Sample

TITLES: dict[Measure, str] = {
    "request": "request, 64 at once",
    "chunk": "chunk of a stream, 64 at once",
    "crowded": "request, 1,000 others open",
}


class Line(msgspec.Struct, frozen=True):
    """One row: medians over the rounds in microseconds, and each round's own."""

    title: str
    measure: Measure
    micros: dict[Name, float]
    rounds: dict[Name, list[float]]

    def times(self, name: Name, of: Name) -> float | None:
        """Return how many times the cost of `of` that of `name` is; None where there is no telling."""
        value, to = self.micros.get(name), self.micros.get(of)
        return value / to if value and to else None


class Result(msgspec.Struct, frozen=True):
    """A whole run."""

    machine: str
    date: str
    seconds: float
    quick: bool
    rounds: int
    httpx2: str
    """Its version."""
    lines: list[Line]
    failures: list[Failure]


def lines(samples: Sequence[Sample]) -> list[Line]:
    """Return every row, as far as the samples fill it."""
    return [_line(measure, samples) for measure in MEASURES]


def _line(measure: Measure, samples: Sequence[Sample]) -> Line:
    rounds: dict[Name, list[float]] = {}
    for sample in samples:
        if sample.measure == measure:
            rounds.setdefault(sample.contender, []).append(sample.micros)
    micros: dict[Name, float] = {name: median(taken) for name, taken in rounds.items()}
    return Line(TITLES[measure], measure, micros, rounds)


def table(result: Result) -> str:
    """Return the result as text: a Markdown table, and below it what has to be said."""
    head = ["CPU time", "unit", *NAMES[:2], "× floor", "httpx2", "× direct"]
    failed: set[tuple[Name, Measure]] = {(f.contender, f.measure) for f in result.failures}
    said = [
        f"{result.date}; {result.machine}, httpx2 {result.httpx2}; "
        f"{rounds_text(result.rounds)} in {result.seconds:.0f} s.",
        *(["Quick: counts too small for numbers to be quoted."] if result.quick else []),
        "× floor: what direct costs over the floor. × direct: what httpx2 costs over direct.",
        *(f"{f.contender}, {f.measure}: failed: {f.reason}" for f in result.failures),
    ]
    rows = [head, *(_cells(line, failed) for line in result.lines)]
    return "\n".join([*aligned(rows), "", *(f"- {text}" for text in said)])


def _cells(line: Line, failed: set[tuple[Name, Measure]]) -> list[str]:
    def cell(name: Name) -> str:
        return "failed" if (name, line.measure) in failed else number(line.micros.get(name))

    def times(name: Name, of: Name) -> str:
        value = line.times(name, of)
        return NOTHING if value is None else f"{number(value)}×"

    own = [cell("direct"), times("direct", "floor")]
    return [line.title, "µs", cell("floor"), *own, cell("httpx2"), times("httpx2", "direct")]
