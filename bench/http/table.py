"""Samples in, tables out: medians, ratios, and their text. It measures nothing and starts nothing."""

from collections.abc import Callable, Sequence
from statistics import median

import msgspec

from bench.http.plan import SHAPES, Failure, Memory, Name, Sample, Spread
from bench.page import NOTHING, aligned, number, rounds_text


class Line(msgspec.Struct, frozen=True):
    """A gateway at a load: medians over the rounds, and each round's own."""

    contender: Name
    shape: str
    rate: float
    cpu: float | None
    first: Spread
    between: Spread | None
    added: Spread | None
    stretch: float | None
    times: float | None
    """How many times the CPU time of greenroom this one takes."""
    rounds: list[Sample]


class Result(msgspec.Struct, frozen=True):
    """A whole run."""

    machine: str
    date: str
    seconds: float
    quick: bool
    rounds: int
    lines: list[Line]
    memory: list[Memory]
    failures: list[Failure]


def lines(samples: Sequence[Sample]) -> list[Line]:
    """Return every row: by load, and in it in the order in which the gateways came."""
    names = dict.fromkeys(sample.contender for sample in samples)
    made: list[Line] = []
    for shape in SHAPES:
        taken = [sample for sample in samples if sample.shape == shape.title]
        ours = _cpu(taken, "greenroom")
        for name in names:
            own = [sample for sample in taken if sample.contender == name]
            if own:
                made.append(_line(own, ours))
    return made


def _cpu(samples: Sequence[Sample], name: Name) -> float | None:
    return _median([sample.cpu for sample in samples if sample.contender == name])


def _line(own: list[Sample], ours: float | None) -> Line:
    cpu = _median([sample.cpu for sample in own])
    first = _spread([sample.first for sample in own])
    assert first is not None, "every sample has one"  # noqa: S101
    return Line(
        own[0].contender,
        own[0].shape,
        median(sample.rate for sample in own),
        cpu,
        first,
        _spread([sample.between for sample in own]),
        _spread([sample.added for sample in own]),
        _median([sample.stretch for sample in own]),
        cpu / ours if cpu is not None and ours else None,
        own,
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _spread(spreads: Sequence[Spread | None]) -> Spread | None:
    known = [one for one in spreads if one is not None]
    if not known:
        return None
    return Spread(median(one.p50 for one in known), median(one.p99 for one in known))


def text(result: Result) -> str:
    """Return the result: Markdown's tables, and below them what has to be said."""
    parts = [
        "\n".join([f"{shape.title}:", "", *aligned(rows, left=1)])
        for shape in SHAPES
        if len(rows := _rows([line for line in result.lines if line.shape == shape.title])) > 1
    ]
    if result.memory:
        parts.append("\n".join(["memory:", "", *aligned(_memory_rows(result.memory), left=1)]))
    said = [
        f"{result.date}; {result.machine}; {rounds_text(result.rounds)} in {result.seconds:.0f} s.",
        *(["Quick: counts too small for numbers to be quoted."] if result.quick else []),
        "CPU: of the gateway's processes, for each answer. ×: over greenroom. Times are p50 / p99: to "
        "the first token (or to the whole answer), from token to token, and from a token's leaving the "
        "upstream to its arrival. stretch: how many times as long as the upstream a stream takes.",
        *(f"{f.contender}, {f.what}: failed: {f.reason}" for f in result.failures),
    ]
    return "\n\n".join([*parts, "\n".join(f"- {one}" for one in said)])


_COLUMNS: tuple[tuple[str, Callable[[Line], str]], ...] = (
    ("gateway", lambda line: line.contender),
    ("CPU ms", lambda line: number(line.cpu)),
    ("×", lambda line: number(line.times)),
    ("answers/s", lambda line: number(line.rate)),
    ("first ms", lambda line: _both(line.first)),
    ("between ms", lambda line: _both(line.between)),
    ("added ms", lambda line: _both(line.added)),
    ("stretch", lambda line: NOTHING if line.stretch is None else f"{line.stretch:.3f}"),
)


def _rows(own: Sequence[Line]) -> list[list[str]]:
    used = [
        (title, cell)
        for title, cell in _COLUMNS
        if any(cell(line) != NOTHING for line in own) or title == "CPU ms"
    ]
    return [[title for title, _ in used], *([cell(line) for _, cell in used] for line in own)]


def _memory_rows(memory: Sequence[Memory]) -> list[list[str]]:
    head = ["gateway", "cold MiB", "streams open MiB", "idle session bytes"]
    rows = [[m.contender, number(m.cold), number(m.open), number(m.asleep)] for m in memory]
    return [head, *rows]


def _both(spread: Spread | None) -> str:
    return NOTHING if spread is None else f"{number(spread.p50)} / {number(spread.p99)}"
