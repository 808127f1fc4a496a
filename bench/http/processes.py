"""What the system tells of a process and all that it has started: CPU time and resident memory."""

import os
from collections.abc import Iterator
from pathlib import Path

from bench.store.timing import cpu_of

_MIB = 1024 * 1024


def tree(root: int) -> Iterator[int]:
    """Return a process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = entry.read_text("utf-8", "replace").rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        children.setdefault(int(parent), []).append(int(entry.parent.name))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        yield pid


def cpu(root: int) -> float | None:
    """Return the seconds of CPU time of a tree; None where nothing tells."""
    times = [cpu_of(pid) for pid in tree(root)]
    known = [time for time in times if time is not None]
    return sum(known) if known else None


def resident(root: int) -> float:
    """Return the MiB that a tree has in memory; what processes share counts for each."""
    pages = 0
    for pid in tree(root):
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB
