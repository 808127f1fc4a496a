"""Rules of `python -m bench`: a mistake is one line and status 2; a run ends with its table."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from bench.__main__ import run
from bench.kernel import command
from bench.kernel.plan import Entry, Failure, Sample, Sizes
from bench.kernel.rows import ROWS
from bench.kernel.run import Turn
from bench.kernel.table import Result

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["nonsense"],
        ["kernel", "--nonsense"],
        ["kernel", "extra"],
        ["kernel", "--rounds"],
        ["kernel", "--rounds", "0"],
        ["kernel", "--rounds", "-1"],
        ["kernel", "--rounds", "100"],
        ["kernel", "--rounds", "many"],
        ["kernel", "--quick=yes"],
        *(
            [name, *arguments]
            for name in ("http", "store", "upstream")
            for arguments in (["--nonsense"], ["extra"], ["--rounds", "0"])
        ),
        ["http", "--litellm", "/no/such/folder"],
        ["store", "--folder", "/does/not/exist"],
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("bench: ")
    assert captured.err.count("\n") == 1


def test_without_a_benchmark_it_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "kernel" in capsys.readouterr().err


def test_a_failed_contender_is_in_the_table_and_in_the_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(
        entries: Sequence[Entry], sizes: Sizes, rounds: int, progress: Callable[[Turn], None]
    ) -> tuple[list[Sample], list[Failure]]:
        return [], [Failure(entries[0].name, "tell", "no room")]

    monkeypatch.setattr(command, "run", broken)
    assert run(["kernel", "--no-peers"]) == 1
    assert "floor, tell: failed: no room" in capsys.readouterr().out


def test_a_quick_run_measures_every_row_and_prints_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "kernel", "--quick", "--json", "--no-peers"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    result = msgspec.json.decode(done.stdout, type=Result)
    assert result.quick
    assert (result.rounds, result.peers, result.failures) == (1, {}, [])
    assert [line.title for line in result.lines] == [row.title for row in ROWS]
    for line in result.lines:
        if line.unit == "bytes":  # told by Linux alone, and not always more than before
            continue
        assert line.floor is not None, line.title
        assert line.greenroom is not None, line.title
        assert line.floor > 0, line.title
        assert line.greenroom > 0, line.title
        assert line.over_floor is not None, line.title
        assert line.ahead == {}
