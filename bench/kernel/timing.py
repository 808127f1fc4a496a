"""Clock, memory and percentiles, the same for every contender.

Garbage collection stays on with the interpreter's own thresholds, as in production; one full
collection precedes each timing and each look at memory, so that nobody pays for what came before.
"""

import gc
import math
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

from bench.kernel.plan import SEED, Figures

T = TypeVar("T")


class WrongAnswer(Exception):  # noqa: N818 - a fact about a contender
    """An ask was answered with another ask's answer, or with none."""


clock = time.perf_counter_ns
"""Nanoseconds since some moment; one clock for all tasks and threads of a process."""


def percentile(spans: Sequence[float], percent: float) -> float:
    """Return the smallest span that at least `percent` of all do not exceed (nearest rank)."""
    if not spans:
        raise ValueError("no spans, so no percentile")
    if not 0 < percent <= 100:
        raise ValueError(f"a percentile lies in (0, 100], not at {percent}")
    return sorted(spans)[math.ceil(len(spans) * percent / 100) - 1]


def throughput(count: int, nanoseconds: int) -> Figures:
    """Return `count` things in that time as a rate a second."""
    return {"rate": count / nanoseconds * 1e9}


def latency(nanoseconds: Sequence[int]) -> Figures:
    """Return the percentiles of those spans in µs."""
    return {
        "p50": percentile(nanoseconds, 50) / 1000,
        "p99": percentile(nanoseconds, 99) / 1000,
    }


def warm_up(count: int) -> int:
    """Return how many go ahead of `count` without being counted."""
    return max(1, count // 10)


async def warmed(take: Callable[[int], Awaitable[Figures]], count: int) -> Figures:
    """Take a sample of `count`, after a tenth of it that does not count."""
    await take(warm_up(count))
    gc.collect()
    return await take(count)


def warmed_sync(take: Callable[[int], Figures], count: int) -> Figures:
    """Do as `warmed` does, for who has no tasks."""
    take(warm_up(count))
    gc.collect()
    return take(count)


def resident() -> int | None:
    """Return this process's resident bytes after a full collection; None where nothing tells."""
    gc.collect()
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    except FileNotFoundError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def grown(before: int | None, after: int | None, count: int) -> Figures:
    """Return what each of `count` has added to the resident bytes."""
    return {} if before is None or after is None else {"bytes": (after - before) / count}


def chosen(things: Sequence[T], count: int) -> list[T]:
    """Return `count` of them at random, some of them more than once, the same ones every time."""
    return Random(SEED).choices(things, k=count)  # noqa: S311 - chooses whom to ask, hides nothing


def shared_out(whole: int, among: int) -> list[int]:
    """Return `whole` in `among` parts that differ by one at most; none of them is zero."""
    parts = min(whole, among)
    least, more = divmod(whole, parts)
    return [least + 1] * more + [least] * (parts - more)
