"""What one session's journal hears of its turns, from a request to an end; it decides nothing about when.

Raises, where it appends, what the journal does: `StoreFailed`, `Fenced`.
"""

from collections.abc import Sequence

import msgspec

from greenroom.actors.closing import end_of, outcome_of, unbegun
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.journal import Journal, Planned
from greenroom.actors.known import KEY_LASTS_S, Replay, Verdict, recall
from greenroom.actors.lifetime import Lifetime, is_over
from greenroom.actors.line import Item, Line, Running
from greenroom.actors.recent import FirstTries, Recent
from greenroom.actors.run import SummedUp
from greenroom.actors.stores.records import AcceptedTurn, Fork, SessionName
from greenroom.actors.transcript import Sent
from greenroom.actors.turn import TurnEnded, TurnRequest

_TRIES_TO_SUM_UP = 3
"""Turns in a row that could make no summary, after which what it was to be of is left out for good."""


class Closed(msgspec.Struct, frozen=True):
    """How a turn has ended for its readers; `cut` entries of the transcript are gone by it.

    What its run summed up `stands` if the transcript still has all of it.
    """

    outcome: TurnEnded | Failure
    stands: bool
    cut: int


class Ledger:
    """One session's; with `recent`, of a session that passes."""

    __slots__ = ("_first_tries", "_journal", "_line", "_not_summed_up", "_recent")

    def __init__(
        self, journal: Journal, line: Line, first_tries: FirstTries, recent: Recent | None
    ) -> None:
        self._journal = journal
        self._line = line
        self._first_tries = first_tries
        self._recent = recent
        self._not_summed_up = 0

    async def known(self, turn: TurnRequest, now: float) -> Verdict:
        """Say what a request is, if it was sent before.

        Raises:
            TurnFailed: CONFLICT, as `known.is_of` and `known.recall` say.
            StoreFailed: it cannot be read.
        """
        sender = turn.sender
        session = self._journal.name.key
        if self._recent is None and sender.idempotency is None:
            self._first_tries.note(session, sender, now)
        if sender.idempotency is None and not sender.retry:
            return None
        known = self._line.known(sender)
        if known is not None:
            return known
        if self._recent is not None:
            found = self._recent.find(sender.fingerprint, now) if sender.retry else None
            return None if found is None else Replay(found)
        since = self._first_tries.since(session, sender)
        stored = await self._journal.find(sender, now, since)
        return None if stored is None else recall(sender, stored)

    def may_follow(self, turn: TurnRequest) -> bool:
        """Say whether the session is still where a turn is to follow."""
        if turn.follows is None:
            return True
        items = self._line.items()
        if items:
            return items[-1].turn.id == turn.follows
        return self._journal.past.ends_with(turn.follows)

    async def accept_early(self, turn: TurnRequest, now: float) -> AcceptedTurn:
        """Append a turn that is to wait; what it adds is known when it begins."""
        past = self._journal.past
        return await self._journal.accept(turn, Planned(past.unchanged, past), now)

    async def begin_anew(self, turn: TurnRequest, lifetime: Lifetime, now: float) -> float | None:
        """Reset the session where its time is over, and no tool is under way.

        Returns how many seconds it was idle, if a reset is worth a word.
        """
        journal = self._journal
        if journal.active is None or turn.appends:
            return None
        if turn.once:
            await journal.reset(now)
        elif is_over(lifetime, journal.active, now) and not journal.past.has_open_calls:
            await journal.reset(now)
            return now - journal.active
        return None

    async def begin(self, item: Item, sent: Sequence[Sent], now: float) -> Running:
        """Plan a turn that is first now, and append its acceptance unless it is there.

        Raises:
            TurnFailed: as `Journal.plan` and `Journal.fork` do.
        """
        turn, journal = item.turn, self._journal
        if turn.is_inner and journal.past.has_open_calls:
            what = "The session waits for the results of its client's tools."
            raise TurnFailed.of(FailureKind.BUSY, what, code="session_waits")
        fork: Fork | None = None
        asked = turn.sender.fork
        if asked is not None and journal.is_new:
            source = SessionName(journal.name.agent, asked.key)
            fork = await journal.fork(source, asked.seq, as_it_stood=asked.as_it_stood)
        planned = await journal.plan(
            sent, appends=turn.appends, fork=fork, instead_of=item.instead_of
        )
        if item.accepted is None:
            lasts = KEY_LASTS_S if turn.once else turn.lasts
            await journal.accept(turn, planned, now, lasts=lasts)
        return Running(item, planned)

    async def end(
        self, running: Running, failure: Failure | None, cost: float | None, now: float
    ) -> Closed:
        """Append the end of the turn that ran."""
        item, planned = running.item, running.planned
        end = end_of(item.turn, planned.plan.added, item.recording, failure, cost=cost, now=now)
        stands = bool(end.entries) or planned.past.keeps_summary(planned.plan)
        cut = await self._journal.end(planned, end)
        return Closed(outcome_of(end, item.recording.answered), stands, cut)

    async def end_unbegun(self, item: Item, why: Failure, now: float) -> None:
        """Append the end of a turn that never ran, if its acceptance is there."""
        if item.accepted is not None:
            past = self._journal.past
            end = unbegun(item.turn, item.recording, why, now)
            await self._journal.end(Planned(past.unchanged, past), end)

    async def compact(self, turn: str, summed_up: SummedUp) -> None:
        """Append what a run has summed up, or that it could not, if it never can."""
        if summed_up.summary.text is None:
            self._not_summed_up += 1
            if self._not_summed_up < _TRIES_TO_SUM_UP:
                return  # the next turn tries it again
        self._not_summed_up = 0
        await self._journal.compact(turn, summed_up.entries, summed_up.summary)
