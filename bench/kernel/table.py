"""Samples in, rows out: medians, ratios, and their text. It measures nothing and starts nothing.

Both ratios compare costs, whatever the unit; a rate's cost is the time of one thing. `over_floor` is
greenroom's cost in floors: 1 is the floor's own. `ahead` is a peer's cost in greenrooms: below 1 the
peer is ahead.
"""

from collections.abc import Mapping, Sequence
from statistics import median

import msgspec

from bench.kernel.plan import GREENROOM, Failure, Measure, Sample
from bench.kernel.rows import REMARKS, ROWS, Row
from bench.page import NOTHING, aligned, number, rounds_text

NOT_INSTALLED = "not installed"
FAILED = "failed"


class Line(msgspec.Struct, frozen=True):
    """One row with its values: medians over the rounds, and each round's own."""

    title: str
    measure: Measure
    unit: str
    floor_is: str
    """Whose figure `floor` is: the floor's or the tighter floor's."""
    floor: float | None
    greenroom: float | None
    over_floor: float | None
    peers: dict[str, float]
    ahead: dict[str, float]
    rounds: dict[str, list[float]]


class Result(msgspec.Struct, frozen=True):
    """A whole run."""

    machine: str
    date: str
    seconds: float
    quick: bool
    rounds: int
    peers: dict[str, str | None]
    """Each peer's version; None is not installed."""
    lines: list[Line]
    remarks: list[str]
    failures: list[Failure]


def ratio(row: Row, value: float | None, to: float | None) -> float | None:
    """Return how many times the cost of `to` that of `value` is; None where there is no telling."""
    if value is None or to is None or value <= 0 or to <= 0:
        return None
    return to / value if row.more_is_better else value / to


def lines(samples: Sequence[Sample]) -> list[Line]:
    """Return every row, as far as the samples fill it."""
    return [_line(row, samples) for row in ROWS]


def _line(row: Row, samples: Sequence[Sample]) -> Line:
    rounds: dict[str, list[float]] = {}
    for sample in samples:
        if (
            sample.measure == row.measure
            and row.figure in sample.figures
            and row.has(sample.contender)
        ):
            rounds.setdefault(sample.contender, []).append(sample.figures[row.figure])
    values = {contender: median(taken) for contender, taken in rounds.items()}
    floor, greenroom = values.pop(row.floor, None), values.pop(GREENROOM, None)
    ahead = {peer: ratio(row, value, greenroom) for peer, value in values.items()}
    return Line(
        title=row.title,
        measure=row.measure,
        unit=row.unit,
        floor_is=row.floor,
        floor=floor,
        greenroom=greenroom,
        over_floor=ratio(row, greenroom, floor),
        peers=values,
        ahead={peer: times for peer, times in ahead.items() if times is not None},
        rounds=rounds,
    )


def remarks(samples: Sequence[Sample]) -> list[str]:
    """Return what has to be said beside these samples."""
    counts = {(sample.contender, sample.measure): sample.count for sample in samples}
    return [
        f"{contender}, {measure}: {text.format(count=counts[contender, measure])}"
        for contender, measure, text in REMARKS
        if (contender, measure) in counts
    ]


# Text


def table(result: Result) -> str:
    """Return the result as text: a Markdown table, and below it what has to be said."""
    head = ["", "unit", "floor", "greenroom", "× floor"]
    for peer in result.peers:
        head += [peer, "ahead of it"]
    failed: set[tuple[str, Measure]] = {(f.contender, f.measure) for f in result.failures}
    body = [_cells(line, result.peers, failed) for line in result.lines]
    said = [
        f"{result.date}; {result.machine}; {rounds_text(result.rounds)} in {result.seconds:.0f} s.",
        *(["Quick: counts too small for numbers to be quoted."] if result.quick else []),
        "× floor: greenroom's cost over the floor's. Ahead: the peer's cost over greenroom's.",
        *result.remarks,
        *(f"{f.contender}, {f.measure}: failed: {f.reason}" for f in result.failures),
    ]
    return "\n".join([*aligned([head, *body]), "", *(f"- {text}" for text in said)])


def _cells(
    line: Line, peers: Mapping[str, str | None], failed: set[tuple[str, Measure]]
) -> list[str]:
    def cell(contender: str, value: float | None) -> str:
        return FAILED if (contender, line.measure) in failed else number(value)

    cells = [line.title, line.unit, cell(line.floor_is, line.floor)]
    cells.append(cell(GREENROOM, line.greenroom))
    cells.append(number(line.over_floor))
    for peer, version in peers.items():
        value = NOT_INSTALLED if version is None else cell(peer, line.peers.get(peer))
        times = line.ahead.get(peer)
        cells += [value, NOTHING if times is None else f"{number(times)}×"]
    return cells
