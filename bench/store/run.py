"""Processes in rounds: each sample in one of its own, all subjects of a measure in turn.

So what the machine does besides hits all alike. It knows neither how anything is measured nor the table.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from bench.store.plan import CASES, Case, Failure, Sample, Sizes, rounds_of

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = 1_200.0
"""Seconds that one sample may take; the longest take a fifth of it."""


class Turn(msgspec.Struct, frozen=True):
    """One sample to take."""

    round: int
    case: Case


def turns(rounds: int) -> Iterator[Turn]:
    """Return all samples in order: by round, by measure, and another subject first each round."""
    for number in range(rounds):
        for (measure, _), group in groupby(CASES, key=lambda case: (case.measure, case.at)):
            cases = tuple(group)
            first = number % len(cases)
            if number < rounds_of(measure, rounds):
                yield from (Turn(number, case) for case in (*cases[first:], *cases[:first]))


def run(
    folder: Path, sizes: Sizes, rounds: int, progress: Callable[[Turn], None]
) -> tuple[list[Sample], list[Failure]]:
    """Take every sample, with the stores in `folder`; what failed once is not taken again."""
    samples: list[Sample] = []
    failures: list[Failure] = []
    given_up: set[Case] = set()
    for turn in turns(rounds):
        if turn.case in given_up:
            continue
        progress(turn)
        match take(turn.case, folder, sizes):
            case Sample() as sample:
                samples.append(sample)
            case Failure() as failure:
                failures.append(failure)
                given_up.add(failure.case)
    return samples, failures


def take(case: Case, folder: Path, sizes: Sizes) -> Sample | Failure:
    """Take one sample in a fresh process."""
    order = [*(msgspec.json.encode(part).decode() for part in (case, sizes)), str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "bench.store.sample", *order],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Failure(case, f"took more than {PATIENCE:.0f} s")
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return Failure(case, words[-1])
    return msgspec.json.decode(done.stdout, type=Sample)
