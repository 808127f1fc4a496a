"""Rules of the store's benchmark: every case in its rounds, medians, ratios, no failure unseen."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bench.__main__ import run as command
from bench.store import command as module
from bench.store import filling
from bench.store.matter import name_of
from bench.store.plan import (
    BEHIND_SUMMARY,
    CASES,
    FULL,
    LONG,
    QUICK,
    Case,
    Failure,
    Measure,
    Sample,
    Sizes,
    Subject,
)
from bench.store.rows import SECTIONS
from bench.store.run import Turn, take, turns
from bench.store.table import Cell, Result, tables, text
from greenroom.actors.entries import SummaryEntry
from greenroom.actors.stores.records import Query
from greenroom.actors.stores.sqlite.store import SqliteStore

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240


def sample(measure: Measure, subject: Subject, at: int = 1, **figures: float) -> Sample:
    return Sample(Case(measure, subject, at), figures)


def cell(title: str, row: str, column: str, *samples: Sample) -> Cell:
    (table,) = [one for one in tables(samples) if one.title == title]
    (line,) = [one for one in table.lines if one.title == row]
    return line.cells[column]


def result(
    *samples: Sample, failures: tuple[Failure, ...] = (), quick: bool = False, rounds: int = 3
) -> Result:
    return Result(
        machine="a machine",
        disk="ext4",
        date="2026-01-02",
        seconds=12.3,
        quick=quick,
        rounds=rounds,
        tables=tables(samples, failures),
        failures=list(failures),
    )


def test_every_case_is_in_a_table_and_every_row_is_of_a_case() -> None:
    shown = {
        Case(section.measure, subject, row.at)
        for section in SECTIONS
        for row in section.rows
        for column in section.columns
        for subject in (column.subject or row.subject, column.over)
        if subject is not None
    }
    assert shown == set(CASES)


def test_subjects_take_turns_at_each_measure_and_another_is_first_each_round() -> None:
    for number in range(4):
        taken = [turn.case for turn in turns(4) if turn.round == number]
        order = [case.subject for case in taken if (case.measure, case.at) == ("turns", 64)]
        kept = ["durable", "memory", "stateless"]
        assert order == [*kept[number % 3 :], *kept[: number % 3]]


@pytest.mark.parametrize(("rounds", "long"), [(1, 1), (5, 1), (6, 2)])
def test_the_long_measures_are_taken_in_every_fifth_round(rounds: int, long: int) -> None:
    for case in CASES:
        taken = [turn for turn in turns(rounds) if turn.case == case]
        assert len(taken) == (long if case.measure in LONG else rounds)


@pytest.mark.parametrize("sizes", [FULL, QUICK], ids=["full", "quick"])
def test_every_session_has_as_many_turns_as_the_others(sizes: Sizes) -> None:
    for case in CASES:
        if case.measure in ("appends", "turns", "http"):
            assert sizes.turns_of(case.at) % case.at == 0
            assert sizes.turns_of(case.at) > 0
        if case.measure == "length":
            assert sizes.entries_of(case) % 2 == 0


def test_a_value_is_the_median_of_its_rounds_and_each_round_is_kept() -> None:
    taken = [sample("appends", "store", 8, rate=rate) for rate in (30.0, 10.0, 11.0)]
    found = cell("Appends", "8", "appends/s", *taken)
    assert (found.value, found.rounds) == (11, [30, 10, 11])
    assert cell("Appends", "1", "appends/s", *taken).value is None


def test_a_durable_turn_is_set_against_a_stateless_one_of_the_same_row() -> None:
    taken = (
        sample("turns", "durable", 64, rate=1000, cpu=0.9, p99=5),
        sample("turns", "memory", 64, cpu=0.8),
        sample("turns", "stateless", 64, cpu=0.6),
        sample("turns", "stateless", 8, cpu=0.1),
    )
    told = text(result(*taken))
    rows = [[c.strip() for c in line.split("|")][1:-1] for line in told.splitlines()]
    (row,) = [row for row in rows if row[:2] == ["64", "1,000"]]
    assert row == ["64", "1,000", "0.90", "5.00", "0.80", "0.60", "1.50×"]


def test_a_failure_is_in_its_cells_and_below_the_tables() -> None:
    failed = Case("waking", "whole", 2_000)
    told = text(result(failures=(Failure(failed, "no room"),)))
    (row,) = [line for line in told.splitlines() if line.startswith("| 2,000 entries")]
    assert row.count("failed") == 4
    assert "- waking, whole, 2000: failed: no room" in told.splitlines()


def test_quick_numbers_are_marked() -> None:
    assert "Quick" in text(result(quick=True))
    assert "Quick" not in text(result())


def test_what_cannot_be_measured_is_a_failure_and_not_an_error(tmp_path: Path) -> None:
    nothing = msgspec.structs.replace(QUICK, commits=0)
    failure = take(Case("disk", "sqlite"), tmp_path, nothing)
    assert isinstance(failure, Failure)
    assert "ZeroDivisionError" in failure.reason
    assert not any(tmp_path.iterdir())


def test_a_failed_case_is_in_the_table_and_in_the_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(
        folder: Path, sizes: Sizes, rounds: int, progress: Callable[[Turn], None]
    ) -> tuple[list[Sample], list[Failure]]:
        return [], [Failure(Case("disk", "file"), "no room")]

    monkeypatch.setattr(module, "run", broken)
    assert command(["store"]) == 1
    assert "disk, file, 1: failed: no room" in capsys.readouterr().out


async def test_a_filled_store_has_its_sessions_each_with_its_turn(tmp_path: Path) -> None:
    filling.many(tmp_path / "s.db", 30)
    async with SqliteStore.open(tmp_path / "s.db") as store:
        page = await store.list(Query())
        assert {info.name for info in page.sessions} == {name_of(number) for number in range(30)}
        assert all((info.turns, info.entries) == (1, 2) for info in page.sessions)


@pytest.mark.parametrize("summed_up", [True, False])
async def test_a_long_session_wakes_with_its_summary_or_with_all(
    tmp_path: Path, summed_up: bool
) -> None:
    filling.long(tmp_path / "s.db", 2 * BEHIND_SUMMARY, summed_up=summed_up)
    async with SqliteStore.open(tmp_path / "s.db") as store:
        state = await store.load(name_of(0))
    assert state is not None
    if summed_up:
        assert isinstance(state.entries[0].entry, SummaryEntry)
        assert (len(state.entries), state.earlier) == (BEHIND_SUMMARY + 1, True)
    else:
        assert (len(state.entries), state.earlier) == (2 * BEHIND_SUMMARY, False)


def test_a_quick_run_measures_every_cell_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "bench", "store", "--quick", "--json", "--folder", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not any(tmp_path.iterdir())
    taken = msgspec.json.decode(done.stdout, type=Result)
    assert (taken.quick, taken.rounds, taken.failures) == (True, 1, [])
    assert [table.title for table in taken.tables] == [section.title for section in SECTIONS]
    for table, section in zip(taken.tables, SECTIONS, strict=True):
        assert [line.title for line in table.lines] == [row.title for row in section.rows]
        for line in table.lines:
            assert list(line.cells) == [column.title for column in section.columns]
            for column in section.columns:
                value = line.cells[column.title].value
                if column.over is not None:
                    continue  # there is none over a CPU time of nothing
                assert value is not None, (section.title, line.title, column.title)
                # CPU time comes in ticks, of which so short a run may have none; and where there is
                # memory left over from before, a few sessions take none.
                if column.figure not in {"cpu", "alive", "asleep"}:
                    assert value > 0, (section.title, line.title, column.title)
