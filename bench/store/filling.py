"""Stores with many sessions or long ones, made by the store's own appends, thousands to a commit."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bench.store.matter import accepted, ended, name_of
from bench.store.plan import BEHIND_SUMMARY
from greenroom.actors.entries import SummaryEntry
from greenroom.actors.stores.records import Fence
from greenroom.actors.stores.sqlite import appends, opening

_TURNS_A_COMMIT = 2_000
_BEGAN = 1_700_000_000.0


class _Filling:
    """A store's file while it is filled."""

    def __init__(self, path: Path) -> None:
        self.opened = opening.open_file(path, busy=5.0)
        self._turns = 0
        self.opened.db.execute("BEGIN IMMEDIATE")

    def add_turn(self, session: int, fence: Fence) -> Fence:
        """Append a turn, accepted and ended."""
        db, name = self.opened.db, name_of(session)
        turn = accepted(_BEGAN + self._turns)
        fence = appends.accept(db, name, fence, turn)
        fence, _ = appends.end(db, name, fence, ended(turn))
        self._turns += 1
        if self._turns % _TURNS_A_COMMIT == 0:
            db.execute("COMMIT")
            db.execute("BEGIN IMMEDIATE")
        return fence

    def sum_up(self, session: int, fence: Fence, upto: int) -> None:
        """Append a summary."""
        summary = SummaryEntry("They own two boats, and speak of little else. " * 20)
        turn = accepted(_BEGAN).id
        appends.compact(self.opened.db, name_of(session), fence, turn, summary, upto)


@contextmanager
def _filling(path: Path) -> Generator[_Filling]:
    filling = _Filling(path)
    try:
        yield filling
        filling.opened.db.execute("COMMIT")
    finally:
        filling.opened.db.close()
        filling.opened.claim.release()


def many(path: Path, sessions: int) -> None:
    """Make a store of so many sessions of one turn each."""
    with _filling(path) as filling:
        for number in range(sessions):
            filling.add_turn(number, Fence())


def long(path: Path, entries: int, *, summed_up: bool) -> None:
    """Make a store of one session, number 0, of so many entries, all but the last ones summed up."""
    with _filling(path) as filling:
        fence, upto = Fence(), 0
        for added in range(0, entries, 2):
            fence = filling.add_turn(0, fence)
            if added + 2 <= entries - BEHIND_SUMMARY:
                upto = fence.head
        if summed_up:
            filling.sum_up(0, fence, upto or fence.head)
