"""Turns through the session actor, on one core: how many a second, and what each costs."""

from functools import partial
from pathlib import Path

import trio

from bench.store import filling
from bench.store.matter import name_of
from bench.store.plan import Figures, Subject
from bench.store.stage import a_house, a_system, store_of, take_turn
from bench.store.timing import Spans, hold_to_core, timed
from greenroom.actors.house import House
from greenroom.actors.settings import SessionLimits

_LIMITS = SessionLimits()


async def at_once(folder: Path, subject: Subject, sessions: int, turns: int) -> Figures:
    """Take turns in so many sessions at once, one after the other in each; times are in ms."""
    hold_to_core(0)
    async with store_of(subject, folder) as store, a_system() as system:
        house = await a_house(system, store, _LIMITS)
        each = turns // sessions
        await _all(house, subject, range(sessions), max(1, each // 10), Spans())
        fresh = range(sessions, 2 * sessions)
        return await timed(partial(_all, house, subject, fresh, each), turns, 1e-3)


async def in_a_long_session(folder: Path, entries: int, turns: int) -> Figures:
    """Take turns in one session that has so many entries before the first; times are in ms."""
    hold_to_core(0)
    filling.long(folder / "store.db", entries, summed_up=False)
    async with store_of("durable", folder) as store, a_system() as system:
        house = await a_house(system, store, _LIMITS)
        await _all(house, "durable", range(1), max(1, turns // 10), Spans())
        return await timed(partial(_all, house, "durable", range(1), turns), turns, 1e-3)


async def _all(house: House, subject: Subject, sessions: range, turns: int, spans: Spans) -> None:
    async with trio.open_nursery() as nursery:
        for number in sessions:
            key = None if subject == "stateless" else name_of(number).key
            nursery.start_soon(_some, house, key, turns, spans)


async def _some(house: House, session: str | None, turns: int, spans: Spans) -> None:
    for _ in range(turns):
        with spans.one():
            await take_turn(house, session)
