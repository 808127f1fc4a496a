"""Processes in rounds: each sample in one of its own, all contenders in turn.

So what the machine does besides hits all alike. It knows neither a contender's code nor the table.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from bench.kernel.plan import MEASURES, Entry, Failure, Measure, Sample, Sizes, rounds_of

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = 180.0
"""Seconds that one sample may take; parking takes a tenth of it to a third."""


class Turn(msgspec.Struct, frozen=True):
    """One sample to take."""

    round: int
    measure: Measure
    entry: Entry


def turns(entries: Sequence[Entry], rounds: int) -> Iterator[Turn]:
    """Return all samples in order: by round, by measure, and another contender first each round."""
    for number in range(rounds):
        first = number % max(1, len(entries))
        for measure in MEASURES:
            if number >= rounds_of(measure, rounds):
                continue
            for entry in (*entries[first:], *entries[:first]):
                if measure in entry.measures:
                    yield Turn(number, measure, entry)


def run(
    entries: Sequence[Entry], sizes: Sizes, rounds: int, progress: Callable[[Turn], None]
) -> tuple[list[Sample], list[Failure]]:
    """Take every sample; a contender that failed at a measure is not asked for it again."""
    samples: list[Sample] = []
    failures: list[Failure] = []
    given_up: set[tuple[str, Measure]] = set()
    for turn in turns(entries, rounds):
        if (turn.entry.name, turn.measure) in given_up:
            continue
        progress(turn)
        match take(turn.entry, turn.measure, turn.entry.sizes(sizes)):
            case Sample() as sample:
                samples.append(sample)
            case Failure(contender, measure) as failure:
                failures.append(failure)
                given_up.add((contender, measure))
    return samples, failures


def take(entry: Entry, measure: Measure, sizes: Sizes) -> Sample | Failure:
    """Take one sample in a fresh process."""
    order = [entry.name, measure, msgspec.json.encode(sizes).decode()]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "bench.kernel.sample", *order],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Failure(entry.name, measure, f"took more than {PATIENCE:.0f} s")
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return Failure(entry.name, measure, words[-1])
    return msgspec.json.decode(done.stdout, type=Sample)
