"""Memory: sessions that are touched and put away again, and a process whose store has very many."""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import trio

from bench.kernel.timing import resident
from bench.store import filling
from bench.store.matter import name_of
from bench.store.plan import Figures
from bench.store.stage import a_house, a_system, take_turn
from greenroom.actors.house import House
from greenroom.actors.settings import SessionLimits
from greenroom.actors.stores.sqlite.store import SqliteStore

_IDLE = 1.0
"""Seconds without a turn after which a session is put away."""
_AT_ONCE = 64
_MIB = 1024 * 1024


class NothingTells(Exception):  # noqa: N818 - a fact about the system
    """This system does not say how much memory a process has."""


async def touched(folder: Path, sessions: int, wave: int) -> Figures:
    """Take one turn in each of so many sessions, `wave` of them at a time, and have all put away."""
    async with SqliteStore.open(folder / "store.db") as store, a_system() as system:
        house = await a_house(system, store, SessionLimits(live_sessions=wave, idle=3600.0))
        few = wave // 10
        await _touch(house, iter(range(few)))  # what is imported and cached is not theirs
        before = _resident()
        await _touch(house, iter(range(few, wave)))
        alive = _resident()
    async with SqliteStore.open(folder / "store.db") as store, a_system() as system:
        house = await a_house(system, store, SessionLimits(live_sessions=wave, idle=_IDLE))
        after_first = 0
        for first in range(wave, wave + sessions, wave):
            await _touch(house, iter(range(first, first + wave)))
            while (await house.status())[0].live_sessions:  # noqa: ASYNC110 - nothing tells of the last
                await trio.sleep(_IDLE / 10)
            after_first = after_first or _resident()
        after = _resident()
    return {
        "before": before / _MIB,
        "first": after_first / _MIB,
        "peak": _peak() / _MIB,
        "after": after / _MIB,
        "alive": (alive - before) / (wave - few),
        "asleep": (after - after_first) / max(1, sessions - wave),
    }


async def _touch(house: House, numbers: Iterator[int]) -> None:
    async def some() -> None:
        for number in numbers:
            await take_turn(house, name_of(number).key)

    async with trio.open_nursery() as nursery:
        for _ in range(_AT_ONCE):
            nursery.start_soon(some)


async def stored(folder: Path, sessions: int) -> Figures:
    """Open a store of so many sessions, and an empty one, each in a process that does nothing else."""
    path = folder / "store.db"
    filling.many(path, sessions)
    empty, full = [await _opened(one) for one in (folder / "empty.db", path)]
    size = path.stat().st_size
    return {
        "empty": empty / _MIB,
        "full": full / _MIB,
        "file": size / _MIB,
        "size": size / sessions,
    }


async def _opened(path: Path) -> int:
    done = await trio.run_process(
        [sys.executable, "-m", "bench.store.memory", str(path)], capture_stdout=True
    )
    return msgspec.json.decode(done.stdout, type=int)


async def open_and_tell(path: Path) -> None:
    """Open a store and a house with it, take a turn, and print how much memory the process has."""
    async with SqliteStore.open(path) as store, a_system() as system:
        house = await a_house(system, store, SessionLimits())
        await take_turn(house, name_of(0).key)
        sys.stdout.write(str(_resident()))


def _resident() -> int:
    bytes_ = resident()
    if bytes_ is None:
        raise NothingTells
    return bytes_


def _peak() -> int:
    """Return the most resident bytes that this process ever had; the system counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    trio.run(open_and_tell, Path(sys.argv[1]))
