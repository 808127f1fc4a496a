"""One errand on its way: a try, and what becomes of the errand by it.

Each try is written down before it is made, and its turn has an id that says which try it is. So after a
crash it can be seen whether the last one came to anything, and nothing is told twice.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, assert_never

import msgspec

from greenroom.actors.entries import ToolEntry
from greenroom.actors.errands.times import next_time
from greenroom.actors.errands.words import Wake, answered, decided, reminded, said_by
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.stores.errands import Approval, Decision, Errand, Errands, Question, Reminder
from greenroom.actors.stores.records import SessionName, StoredTurn
from greenroom.actors.stores.store import StoreFailed
from greenroom.runtime import Actor, Message, RuntimeFault

MOST_TRIES = 170
"""Tries of one errand, after which it is given up; with the waits between them they take a week."""
_FIRST_WAIT_S = 10.0
_LONGEST_WAIT_S = 3600.0


class Place(Protocol):
    """Where sessions are, as far as errands need to know."""

    async def wake(
        self, session: SessionName, turn: str, wake: Wake, *, goes_on: bool = True
    ) -> None:
        """Have a session take a turn of that id, and wait for its end; it `goes_on` if nobody waits.

        Raises:
            TurnFailed, RuntimeFault: it did not take it, or it has failed.
        """
        ...

    async def ended(self, session: SessionName, turn: str) -> StoredTurn | None:
        """Return a turn once it has ended, None if the session has none of this id."""
        ...


class Go(Message, frozen=True):
    """Make one try."""


class Going(Actor[Go]):
    """Makes one try of one errand, and stops; what is left of the errand is in the store."""

    mailbox_size = 1

    def __init__(
        self, errand: Errand, errands: Errands, place: Place, clock: Callable[[], float]
    ) -> None:
        self._errand = errand
        self._errands = errands
        self._place = place
        self._clock = clock

    async def receive(self, message: Go) -> None:
        try:
            await self._go()
        except (StoreFailed, TurnFailed, RuntimeFault) as error:
            self.log.warning("errand.put_off", errand=self._errand.id, error=str(error))
        finally:
            self.stop()

    async def _go(self) -> None:
        now = self._clock()
        wait = min(_FIRST_WAIT_S * 4 ** min(self._errand.tries, 10), _LONGEST_WAIT_S)
        # Whatever comes of this look, the next one is not at once.
        errand = msgspec.structs.replace(_due(self._errand, now), due=now + wait)
        if not await self._errands.replace(self._errand, errand):
            return  # somebody has changed it, and it is looked at again
        last = await self._last_try(errand)
        if last is not None and _has_told(errand, last):
            await self._finish(errand)
            return
        if last is not None and last.end is None:
            return  # it has not come back
        if errand.tries >= MOST_TRIES:
            self.log.error("errand.given_up", errand=errand.id, tries=errand.tries)
            await self._finish(errand)
            return
        tried = msgspec.structs.replace(errand, tries=errand.tries + 1)
        if not await self._errands.replace(errand, tried):
            return
        try:
            wake = await self._wake_of(tried)
            await self._place.wake(tried.session, tried.turn, wake)
        except (TurnFailed, RuntimeFault) as failed:
            self.log.info("errand.failed", errand=errand.id, tries=tried.tries, why=str(failed))
            last = await self._last_try(tried)
            if last is None or not _has_told(tried, last):
                return
        await self._finish(tried)

    async def _last_try(self, errand: Errand) -> StoredTurn | None:
        return await self._place.ended(errand.session, errand.turn) if errand.tries else None

    async def _finish(self, errand: Errand) -> None:
        """Have the errand be gone, or wait for its next time."""
        following: Errand | None = None
        match errand.business:
            case Reminder(cron=str(cron)):
                due = next_time(cron, self._clock())
                following = msgspec.structs.replace(
                    errand, due=due, tries=0, rounds=errand.rounds + 1
                )
            case Reminder() | Approval() | Question():
                pass
        await self._errands.replace(errand, following)

    async def _wake_of(self, errand: Errand) -> Wake:
        match errand.business:
            case Reminder(text):
                return reminded(text)
            case Approval(decision=decision) as approval:
                assert decision is not None, "an approval is due once it is decided"  # noqa: S101
                return decided(errand.id, approval, decision)
            case Question() as question:
                return await self._answer(errand, question)
            case never:
                assert_never(never)

    async def _answer(self, errand: Errand, question: Question) -> Wake:
        """Have the other agent answer, unless it has; what a crash has cut off is asked again."""
        asked = question.asked
        for tries in range(errand.tries - 1, 0, -1):
            before = msgspec.structs.replace(errand, tries=tries)
            ended = await self._place.ended(asked, _asked(before))
            if ended is not None and ended.end is not None and ended.end.failure is None:
                return answered(question, said_by(ended))
        with suppress(TurnFailed):  # how it has failed is in its journal
            wake = Wake(question.text, chain=question.chain)
            await self._place.wake(asked, _asked(errand), wake)
        ended = await self._place.ended(asked, _asked(errand))
        if ended is None or ended.end is None:
            raise TurnFailed.of(FailureKind.BUSY, f"agent {asked.agent} has not taken the question")
        return answered(question, said_by(ended))


def _asked(errand: Errand) -> str:
    """Return the id of the turn in which an errand's try has asked another agent."""
    return f"{errand.turn}.asked"


def _has_told(errand: Errand, turn: StoredTurn) -> bool:
    """Say whether a turn has told its session what it was to tell, or done it."""
    entries = () if turn.end is None else turn.end.entries
    if isinstance(errand.business, Approval):
        # One that was cut off before its call was written down has made none.
        return any(isinstance(entry, ToolEntry) and entry.inner for entry in entries)
    return bool(entries)


def _due(errand: Errand, now: float) -> Errand:
    """Return an errand whose time has come; nobody's word in time is a no."""
    match errand.business:
        case Approval(decision=None) as approval:
            decided = msgspec.structs.replace(approval, decision=Decision(approves=False, at=now))
            return msgspec.structs.replace(errand, business=decided)
        case _:
            return errand
