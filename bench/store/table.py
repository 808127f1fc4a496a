"""Samples in, tables out: medians, ratios, and their text. It measures nothing and starts nothing."""

from collections.abc import Sequence
from statistics import median

import msgspec

from bench.page import NOTHING, aligned, number, rounds_text
from bench.store.plan import Case, Failure, Sample, Subject
from bench.store.rows import SECTIONS, Column, Row, Section

FAILED = "failed"


class Cell(msgspec.Struct, frozen=True):
    """One value: the median over the rounds, each round's own, None where there is nothing to tell."""

    value: float | None
    rounds: list[float]
    is_ratio: bool = False
    failed: bool = False


class Line(msgspec.Struct, frozen=True):
    """One row, its cells by their columns' titles."""

    title: str
    cells: dict[str, Cell]


class Table(msgspec.Struct, frozen=True):
    """One section, filled."""

    title: str
    of: str
    lines: list[Line]


class Result(msgspec.Struct, frozen=True):
    """A whole run."""

    machine: str
    disk: str
    """The file system that the stores were on."""
    date: str
    seconds: float
    quick: bool
    rounds: int
    tables: list[Table]
    failures: list[Failure]


def tables(samples: Sequence[Sample], failures: Sequence[Failure] = ()) -> list[Table]:
    """Return every section, as far as the samples fill it."""
    failed = {failure.case for failure in failures}
    return [_table(section, samples, failed) for section in SECTIONS]


def _table(section: Section, samples: Sequence[Sample], failed: set[Case]) -> Table:
    found = [
        Line(
            row.title,
            {
                column.title: _cell(section, row, column, samples, failed)
                for column in section.columns
            },
        )
        for row in section.rows
    ]
    return Table(section.title, section.of, found)


def _cell(
    section: Section, row: Row, column: Column, samples: Sequence[Sample], failed: set[Case]
) -> Cell:
    def rounds_of(subject: Subject) -> list[float]:
        case = Case(section.measure, subject, row.at)
        return [
            sample.figures[column.figure]
            for sample in samples
            if sample.case == case and column.figure in sample.figures
        ]

    subject = column.subject or row.subject
    if subject is None:
        raise AssertionError(f"nobody is measured in {section.title!r}")
    is_failed = Case(section.measure, subject, row.at) in failed
    rounds = rounds_of(subject)
    value = median(rounds) if rounds else None
    if column.over is None:
        return Cell(value, rounds, failed=is_failed)
    others = rounds_of(column.over)
    to = median(others) if others else None
    return Cell(value / to if value and to else None, [], is_ratio=True)


# Text


def text(result: Result) -> str:
    """Return the result as text: a Markdown table a section, and below them what has to be said."""
    said = [
        f"{result.date}; {result.machine}; stores on {result.disk}; "
        f"{rounds_text(result.rounds)} in {result.seconds:.0f} s.",
        *(["Quick: counts too small for numbers to be quoted."] if result.quick else []),
        "× stateless: CPU time of a durable turn over that of a stateless one.",
        *(
            f"{f.case.measure}, {f.case.subject}, {f.case.at}: failed: {f.reason}"
            for f in result.failures
        ),
    ]
    blocks = [f"**{table.title}**\n\n" + "\n".join(_rows(table)) for table in result.tables]
    return "\n\n".join([*blocks, "\n".join(f"- {line}" for line in said)])


def _rows(table: Table) -> list[str]:
    head = [table.of, *table.lines[0].cells]
    return aligned(
        [head, *([line.title, *map(_text, line.cells.values())] for line in table.lines)]
    )


def _text(cell: Cell) -> str:
    if cell.failed:
        return FAILED
    if cell.is_ratio:
        return NOTHING if cell.value is None else f"{number(cell.value)}×"
    return number(cell.value)
