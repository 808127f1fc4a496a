"""Rules of the HTTP benchmark: every gateway at every load, medians, ratios, no failure unseen."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from bench.__main__ import run as command
from bench.http import command as module
from bench.http.contenders import running
from bench.http.load import NotAnswered, Target, load
from bench.http.plan import FULL, SHAPES, Failure, Memory, Name, Sample, Sizes, Spread
from bench.http.run import Outcome, turns
from bench.http.table import Result, lines, text

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120
NAMES: tuple[Name, ...] = ("floor", "greenroom", "litellm")


def sample(contender: Name, shape: str, cpu: float | None, p50: float = 1.0) -> Sample:
    return Sample(contender, shape, 10, 5.0, cpu, Spread(p50, 2.0))


def result(*samples: Sample, failures: tuple[Failure, ...] = (), quick: bool = False) -> Result:
    return Result(
        machine="a machine",
        date="2026-01-02",
        seconds=12.3,
        quick=quick,
        rounds=3,
        lines=lines(samples),
        memory=[Memory("greenroom", 50.0, 100.0, 512.0)],
        failures=list(failures),
    )


def test_gateways_take_turns_at_each_load_and_another_is_first_each_round() -> None:
    for number in range(4):
        taken = [turn for turn in turns(4, NAMES) if turn.round == number]
        first = number % len(NAMES)
        for shape in SHAPES:
            order = [turn.contender for turn in taken if turn.shape == shape]
            assert order == [*NAMES[first:], *NAMES[:first]]


def test_a_value_is_the_median_of_its_rounds_and_each_round_is_kept() -> None:
    title = SHAPES[0].title
    (line,) = lines([sample("greenroom", title, cpu, cpu) for cpu in (30.0, 10.0, 11.0)])
    assert (line.cpu, line.first.p50) == (11, 11)
    assert [one.cpu for one in line.rounds] == [30, 10, 11]


def test_each_gateways_cpu_time_is_set_against_greenrooms() -> None:
    title = SHAPES[1].title
    made = lines([sample("greenroom", title, 2.0), sample("litellm", title, 50.0)])
    assert [line.times for line in made] == [1, 25]


def test_where_nothing_tells_the_cpu_time_there_is_no_ratio() -> None:
    title = SHAPES[1].title
    made = lines([sample("greenroom", title, None), sample("litellm", title, 50.0)])
    assert [line.times for line in made] == [None, None]


def test_a_text_has_each_load_that_was_taken_the_memory_and_the_failures() -> None:
    written = text(
        result(
            sample("greenroom", SHAPES[2].title, 2.0),
            failures=(Failure("litellm", SHAPES[0].title, "status 500"),),
        )
    )
    assert f"{SHAPES[2].title}:" in written
    assert f"{SHAPES[1].title}:" not in written
    assert "| greenroom |" in written
    assert "512" in written
    assert f"- litellm, {SHAPES[0].title}: failed: status 500" in written.splitlines()


def test_quick_numbers_are_marked() -> None:
    assert "Quick" in text(result(quick=True))
    assert "Quick" not in text(result())


def test_the_titles_say_what_a_full_run_does() -> None:
    for shape in SHAPES:
        number = "alone" if shape.at_once == 1 else str(FULL.at_once(shape))
        assert number in shape.title


def test_an_answer_that_is_none_is_told(tmp_path: Path) -> None:
    # Nothing listens at port 9: the floor has nobody to ask.
    with pytest.raises(NotAnswered), running("floor", {}, 9, tmp_path):
        raise AssertionError


def test_nobody_who_answers_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="refused"):
        load(Target("http://127.0.0.1:9/v1/chat/completions"), "whole", 1, 0.0)


def test_a_failure_is_in_the_text_and_in_the_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(
        venvs: Mapping[Name, Path], sizes: Sizes, rounds: int, progress: Callable[[str], None]
    ) -> list[Outcome]:
        return [Failure("litellm", "start and memory", "it did not come up")]

    monkeypatch.setattr(module, "run", broken)
    assert command(["http"]) == 1
    assert "litellm, start and memory: failed: it did not come up" in capsys.readouterr().out


def test_a_quick_run_measures_every_load_and_prints_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "http", "--quick", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    taken = msgspec.json.decode(done.stdout, type=Result)
    assert (taken.quick, taken.rounds, taken.failures) == (True, 1, [])
    own = [(line.shape, line.contender) for line in taken.lines]
    assert own == [(shape.title, name) for shape in SHAPES for name in ("floor", "greenroom")]
    for line in taken.lines:
        assert line.rate > 0
        assert line.first.p50 > 0
        assert (line.added is None) == (line.stretch is None)
    assert [memory.contender for memory in taken.memory] == ["floor", "greenroom"]
