"""Rules of the upstream benchmark: every client in every round, medians, ratios, no failure unseen."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bench.__main__ import run as command
from bench.upstream import command as module
from bench.upstream.plan import (
    FULL,
    MEASURES,
    NAMES,
    QUICK,
    Failure,
    Measure,
    Name,
    Sample,
    Sizes,
)
from bench.upstream.run import Turn, take, turns
from bench.upstream.table import TITLES, Result, lines, table

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120


def sample(contender: Name, measure: Measure, micros: float) -> Sample:
    return Sample(contender, measure, 1, micros)


def result(*samples: Sample, failures: tuple[Failure, ...] = (), quick: bool = False) -> Result:
    return Result(
        machine="a machine",
        date="2026-01-02",
        seconds=12.3,
        quick=quick,
        rounds=3,
        httpx2="2.16",
        lines=lines(samples),
        failures=list(failures),
    )


def cells(text: str, title: str) -> list[str]:
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    return next(row[2:-1] for row in rows if len(row) > 2 and row[1] == title)


def test_contenders_take_turns_at_each_measure_and_another_is_first_each_round() -> None:
    for number in range(4):
        taken = [turn for turn in turns(4) if turn.round == number]
        assert len(taken) == len(NAMES) * len(MEASURES)
        first = number % len(NAMES)
        for measure in MEASURES:
            order = [turn.contender for turn in taken if turn.measure == measure]
            assert order == [*NAMES[first:], *NAMES[:first]]


def test_a_value_is_the_median_of_its_rounds_and_each_round_is_kept() -> None:
    (line, *_) = lines([sample("direct", "request", micros) for micros in (30.0, 10.0, 11.0)])
    assert line.micros == {"direct": 11}
    assert line.rounds == {"direct": [30, 10, 11]}


def test_direct_is_set_against_the_floor_and_httpx2_against_direct() -> None:
    text = table(
        result(
            sample("floor", "chunk", 20),
            sample("direct", "chunk", 30),
            sample("httpx2", "chunk", 90),
        )
    )
    assert cells(text, TITLES["chunk"]) == ["µs", "20.0", "30.0", "1.50×", "90.0", "3.00×"]
    assert cells(text, TITLES["request"]) == ["µs", "–", "–", "–", "–", "–"]


def test_a_failure_is_in_its_cells_and_below_the_table() -> None:
    text = table(result(failures=(Failure("httpx2", "crowded", "too many open files"),)))
    assert cells(text, TITLES["crowded"])[4] == "failed"
    assert cells(text, TITLES["request"])[4] == "–"
    assert "- httpx2, crowded: failed: too many open files" in text.splitlines()


def test_quick_numbers_are_marked() -> None:
    assert "Quick" in table(result(quick=True))
    assert "Quick" not in table(result())


def test_the_titles_say_what_a_full_run_does() -> None:
    assert f"{FULL.others:,} others" in TITLES["crowded"]


def test_a_contender_that_cannot_be_measured_is_a_failure_and_not_an_error() -> None:
    nobody = msgspec.convert("floor", Name)
    failure = take(nobody, "request", Sizes(requests=0, streams=0, others=0, crowded=0))
    assert isinstance(failure, Failure)
    assert "ZeroDivisionError" in failure.reason


def test_a_failed_contender_is_in_the_table_and_in_the_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(
        sizes: Sizes, rounds: int, progress: Callable[[Turn], None]
    ) -> tuple[list[Sample], list[Failure]]:
        return [], [Failure("direct", "request", "no room")]

    monkeypatch.setattr(module, "run", broken)
    assert command(["upstream"]) == 1
    assert "direct, request: failed: no room" in capsys.readouterr().out


def test_a_quick_run_measures_every_row_and_prints_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "upstream", "--quick", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    taken = msgspec.json.decode(done.stdout, type=Result)
    assert (taken.quick, taken.rounds, taken.failures) == (True, 1, [])
    assert [line.title for line in taken.lines] == list(TITLES.values())
    for line in taken.lines:
        assert set(line.micros) == set(NAMES)
        assert all(micros > 0 for micros in line.micros.values())
    assert QUICK.of("chunk") > QUICK.streams
