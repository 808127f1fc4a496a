"""Waking: the first turn of a session that sleeps in the store, and the next, which finds it awake."""

from pathlib import Path

from bench.kernel.timing import chosen
from bench.store import filling
from bench.store.matter import name_of
from bench.store.plan import Case, Figures, Sizes
from bench.store.stage import a_house, a_system, take_turn
from bench.store.timing import Spans
from greenroom.actors.settings import SessionLimits
from greenroom.actors.stores.sqlite.store import SqliteStore


async def take(folder: Path, case: Case, sizes: Sizes) -> Figures:
    """Wake sessions one after the other; times are in ms."""
    path = folder / "store.db"
    if case.subject == "short":
        filling.many(path, sizes.sleeping)
        order = list(dict.fromkeys(chosen(range(sizes.sleeping), sizes.woken)))
    else:
        filling.long(path, sizes.entries_of(case), summed_up=case.subject == "summed up")
        order = [0] * sizes.woken_long
    first, second = Spans(), Spans()
    async with SqliteStore.open(path) as store:
        for number in order:
            # A house of its own, in which nobody is awake.
            async with a_system() as system:
                house = await a_house(system, store, SessionLimits())
                with first.one():
                    await take_turn(house, name_of(number).key)
                with second.one():
                    await take_turn(house, name_of(number).key)
    return first.figures(1e-3) | second.figures(1e-3, "next_")
