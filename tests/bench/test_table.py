"""Rules of the table: medians of rounds, ratios of costs, and nothing hidden."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.kernel.plan import ENTRIES, Failure, Figures, Measure, Sample
from bench.kernel.rows import ROWS, Row
from bench.kernel.table import Line, Result, lines, ratio, remarks, table
from bench.page import number

RATE = Row("tell", "tell", "rate", "messages/s")
TIME = Row("ask, p50", "ask", "p50", "µs")
positive = st.floats(1e-3, 1e9)


def sample(contender: str, measure: Measure, figures: Figures, count: int = 10) -> Sample:
    return Sample(contender, measure, count, figures)


def row(title: str, *samples: Sample) -> Line:
    return next(line for line in lines(samples) if line.title == title)


def result(
    *samples: Sample,
    peers: dict[str, str | None] | None = None,
    failures: tuple[Failure, ...] = (),
    quick: bool = False,
) -> Result:
    return Result(
        machine="a machine",
        date="2026-01-02",
        seconds=12.3,
        quick=quick,
        rounds=3,
        peers={"pykka": "4.5.0", "autogen-core": None} if peers is None else peers,
        lines=lines(samples),
        remarks=remarks(samples),
        failures=list(failures),
    )


def cells(text: str, title: str) -> list[str]:
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    return next(row[2:-1] for row in rows if len(row) > 2 and row[1] == title)


def test_a_ratio_compares_costs_whatever_the_unit() -> None:
    assert ratio(RATE, 50, to=100) == 2
    assert ratio(TIME, 100, to=50) == 2


@given(positive, positive)
def test_a_ratio_turned_round_is_its_inverse(one: float, other: float) -> None:
    for kind in (RATE, TIME):
        there, back = ratio(kind, one, to=other), ratio(kind, other, to=one)
        assert there is not None
        assert back is not None
        assert there * back == pytest.approx(1)


@pytest.mark.parametrize(("value", "to"), [(None, 1), (1, None), (0, 1), (1, 0), (1, -5)])
def test_there_is_no_ratio_to_nothing(value: float | None, to: float | None) -> None:
    assert ratio(RATE, value, to) is None
    assert ratio(TIME, value, to) is None


def test_a_value_is_the_median_of_its_rounds_and_each_round_is_kept() -> None:
    taken = [sample("greenroom", "tell", {"rate": rate}) for rate in (300.0, 100.0, 110.0)]
    line = row("tell", *taken)
    assert line.greenroom == 110
    assert line.rounds == {"greenroom": [300, 100, 110]}


def test_greenroom_is_set_against_the_floor_and_each_peer_against_greenroom() -> None:
    line = row(
        "tell",
        sample("floor", "tell", {"rate": 200}),
        sample("greenroom", "tell", {"rate": 100}),
        sample("pykka", "tell", {"rate": 20}),
        sample("autogen-core", "tell", {"rate": 400}),
    )
    assert (line.floor, line.greenroom, line.over_floor) == (200, 100, 2)
    assert line.ahead == {"pykka": 5, "autogen-core": 0.25}


def test_a_tighter_floor_has_rows_of_its_own_without_peers() -> None:
    taken = [
        sample("floor", "ask", {"rate": 20}),
        sample("tighter floor", "ask", {"rate": 40}),
        sample("greenroom", "ask", {"rate": 10}),
        sample("pykka", "ask", {"rate": 5}),
    ]
    assert row("ask, one asker", *taken).over_floor == 2
    assert row("ask, tighter floor", *taken).over_floor == 4
    assert row("ask, tighter floor", *taken).peers == {}


def test_a_row_takes_no_other_measures_figures() -> None:
    line = row("ask, one asker", sample("greenroom", "crowd", {"rate": 1}))
    assert line.greenroom is None


def test_every_row_is_of_a_measure_that_greenroom_and_its_floor_take() -> None:
    measures = {entry.name: entry.measures for entry in ENTRIES}
    for line in ROWS:
        assert line.measure in measures[line.floor]
        assert line.measure in measures["greenroom"]
    assert len({line.title for line in ROWS}) == len(ROWS)


def test_the_table_is_markdown_of_equal_columns() -> None:
    text = table(result(sample("greenroom", "tell", {"rate": 123456.7})))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == len(ROWS) + 2
    assert len({line.count("|") for line in rows}) == 1
    assert len({len(line) for line in rows}) == 1


def test_a_peer_that_is_ahead_is_shown_ahead() -> None:
    text = table(
        result(
            sample("greenroom", "parked", {"bytes": 8000}),
            sample("pykka", "parked", {"bytes": 200}),
        )
    )
    assert cells(text, "parked, each")[2:6] == ["8,000", "–", "200", "0.025×"]


def test_a_missing_peer_is_said_to_be_missing_in_every_row() -> None:
    text = table(result(sample("greenroom", "tell", {"rate": 1})))
    assert cells(text, "tell") == ["messages/s", "–", "1.00", "–", "–", "–", "not installed", "–"]
    assert cells(text, "stream")[-2:] == ["not installed", "–"]


def test_a_failure_is_in_its_cells_and_below_the_table() -> None:
    text = table(result(failures=(Failure("pykka", "ask", "can't start new thread"),)))
    assert cells(text, "ask, one asker")[4] == "failed"
    assert cells(text, "tell")[4] == "–"
    assert "- pykka, ask: failed: can't start new thread" in text.splitlines()


def test_a_remark_is_made_beside_the_samples_it_is_about() -> None:
    assert remarks([]) == []
    (said,) = remarks([sample("pykka", "parked", {"bytes": 1}, count=2000)])
    assert said.startswith("pykka, parked: 2,000 actors")


def test_quick_numbers_are_marked() -> None:
    assert "Quick" in table(result(quick=True))
    assert "Quick" not in table(result())


def test_what_is_printed_as_json_can_be_read_back() -> None:
    whole = result(
        sample("floor", "tell", {"rate": 2.5}),
        sample("greenroom", "tell", {"rate": 1}),
        failures=(Failure("pykka", "ask", "gone"),),
    )
    text = msgspec.json.encode(whole)
    assert msgspec.json.decode(text, type=Result) == whole
    assert json.loads(text)["lines"][0]["over_floor"] == 2.5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (1234567.8, "1,234,568"),
        (100, "100"),
        (99.94, "99.9"),
        (10, "10.0"),
        (9.876, "9.88"),
        (1, "1.00"),
        (0.8, "0.80"),
        (0.0254, "0.025"),
        (0, "0"),
        (-250.4, "-250"),
    ],
)
def test_a_number_has_the_figures_that_count(value: float | None, text: str) -> None:
    assert number(value) == text


def test_the_page_shows_every_row_that_there_is() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/benchmarks.md").read_text("utf-8")
    for line in ROWS:
        assert cells(page, line.title)[0] == line.unit
