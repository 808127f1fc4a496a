"""Appends: acceptances and ends, two a turn, by callers that each have a session of their own."""

import time
from functools import partial
from pathlib import Path

import trio

from bench.store.matter import accepted, ended, name_of
from bench.store.plan import Figures
from bench.store.timing import Spans, timed
from greenroom.actors.stores.records import Fence
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.sqlite.transactions import Point


class Commits:
    """Counts a store's commits."""

    def __init__(self) -> None:
        self.count = 0

    def watch(self, point: Point) -> None:
        """Take notice."""
        self.count += point is Point.AFTER_COMMIT


async def take(folder: Path, callers: int, turns: int) -> Figures:
    """Append so many turns from so many tasks; times are of an append, CPU in µs, latencies in ms."""
    commits = Commits()
    async with SqliteStore.open(folder / "store.db", watch=commits.watch) as store:
        await _all(store, callers, max(1, turns // callers // 10), 0, Spans())
        before = commits.count
        append = partial(_all, store, callers, turns // callers, callers)
        figures = await timed(append, 2 * turns, 1e-3)
    made = commits.count - before
    return figures | {
        "cpu": figures["cpu"] * 1e3,
        "commits": figures["rate"] * made / (2 * turns),
        "batch": 2 * turns / made,
    }


async def _all(store: SqliteStore, callers: int, turns: int, first: int, spans: Spans) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(first, first + callers):
            nursery.start_soon(_some, store, number, turns, spans)


async def _some(store: SqliteStore, number: int, turns: int, spans: Spans) -> None:
    name, fence = name_of(number), Fence()
    for _ in range(turns):
        turn = accepted(time.time())
        with spans.one():
            fence = await store.accept(name, fence, turn)
        with spans.one():
            fence, _ = await store.end(name, fence, ended(turn))
