"""Clocks, percentiles and cores, the same for every measure."""

import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from bench.kernel.timing import percentile
from bench.store.plan import Figures

clock = time.perf_counter
"""Seconds since some moment."""


class Spans:
    """How long each of many things took, in seconds."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    @contextmanager
    def one(self) -> Generator[None]:
        """Take the time of what is done inside; a failure has none."""
        began = clock()
        yield
        self.taken.append(clock() - began)

    def figures(self, unit: float, prefix: str = "") -> Figures:
        """Return the percentiles in a unit of so many seconds."""
        return {
            f"{prefix}p50": percentile(self.taken, 50) / unit,
            f"{prefix}p99": percentile(self.taken, 99) / unit,
        }


async def timed(work: Callable[[Spans], Awaitable[None]], count: int, unit: float) -> Figures:
    """Do `count` things at once, and return their rate, CPU time each and percentiles.

    The CPU time is the process's, all of its threads; times are in a unit of so many seconds.
    """
    spans = Spans()
    gc.collect()
    began, began_cpu = clock(), time.process_time()
    await work(spans)
    cpu, wall = time.process_time() - began_cpu, clock() - began
    return {"rate": count / wall, "cpu": cpu / count / unit} | spans.figures(unit)


def hold_to_core(number: int) -> None:
    """Keep this process, and those that it starts, on one core, where the system can do that.

    Cores are counted from 0 among those it may use, from -1 backwards.
    """
    if sys.platform == "linux":
        os.sched_setaffinity(0, {_CORES[number]})


_CORES = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


def cpu_of(pid: int) -> float | None:
    """Return the seconds of CPU time of another process, all of its threads; None where nothing tells."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except FileNotFoundError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
