"""Processes in rounds: each sample in one of its own, all contenders in turn.

So what the machine does besides hits all alike. It knows neither a contender's code nor the table.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from bench.upstream.plan import MEASURES, NAMES, Failure, Measure, Name, Sample, Sizes

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = 180.0
"""Seconds that one sample may take; the longest take about a tenth of it."""


class Turn(msgspec.Struct, frozen=True):
    """One sample to take."""

    round: int
    measure: Measure
    contender: Name


def turns(rounds: int) -> Iterator[Turn]:
    """Return all samples in order: by round, by measure, and another contender first each round."""
    for number in range(rounds):
        first = number % len(NAMES)
        for measure in MEASURES:
            for name in (*NAMES[first:], *NAMES[:first]):
                yield Turn(number, measure, name)


def run(
    sizes: Sizes, rounds: int, progress: Callable[[Turn], None]
) -> tuple[list[Sample], list[Failure]]:
    """Take every sample; a contender that failed at a measure is not asked for it again."""
    samples: list[Sample] = []
    failures: list[Failure] = []
    given_up: set[tuple[Name, Measure]] = set()
    for turn in turns(rounds):
        if (turn.contender, turn.measure) in given_up:
            continue
        progress(turn)
        match take(turn.contender, turn.measure, sizes):
            case Sample() as sample:
                samples.append(sample)
            case Failure() as failure:
                failures.append(failure)
                given_up.add((turn.contender, turn.measure))
    return samples, failures


def take(contender: Name, measure: Measure, sizes: Sizes) -> Sample | Failure:
    """Take one sample in a fresh process."""
    order = [contender, measure, msgspec.json.encode(sizes).decode()]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "bench.upstream.sample", *order],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Failure(contender, measure, f"took more than {PATIENCE:.0f} s")
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return Failure(contender, measure, words[-1])
    return msgspec.json.decode(done.stdout, type=Sample)
