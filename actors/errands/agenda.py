"""The agenda: everything that sessions wait for, to be looked at, added to, decided and called off."""

import secrets
from collections.abc import Callable, Sequence

import msgspec

from greenroom.actors.closing import store_failure
from greenroom.actors.entries import ToolCall
from greenroom.actors.errands.times import next_time
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.stores.errands import (
    Approval,
    Business,
    Decision,
    Errand,
    Errands,
    Question,
    Reminder,
)
from greenroom.actors.stores.records import SessionName
from greenroom.actors.stores.store import StoreFailed

LONGEST_TEXT = 20_000
"""Characters of a reminder, a question, or the reason of a decision."""


class Agenda:
    """All errands of a house.

    Every verb raises `TurnFailed`: INVALID_REQUEST, NOT_FOUND, CONFLICT or STORE. `on_change` is called
    whenever something may be due earlier than before.
    """

    def __init__(self, errands: Errands, clock: Callable[[], float]) -> None:
        self._errands = errands
        self._clock = clock
        self.on_change: Callable[[], None] = lambda: None

    # To be waited for

    async def remind(
        self, session: SessionName, text: str, *, at: float | None = None, cron: str | None = None
    ) -> Errand:
        """Have a session told a text at a time (Unix seconds), or whenever `cron` says."""
        if (at is None) == (cron is None):
            raise _invalid("A reminder has either a time, `at`, or a schedule, `cron`.", "at")
        if not text.strip() or len(text) > LONGEST_TEXT:
            raise _invalid(f"A reminder has a text, of at most {LONGEST_TEXT} characters.", "text")
        now = self._clock()
        if cron is not None:
            try:
                at = next_time(cron, now)
            except ValueError as error:
                raise _invalid(f"{error}.", "cron") from None
        assert at is not None, "one of the two is there"  # noqa: S101 - an invariant
        return await self._add(session, Reminder(text, cron), at)

    async def park(self, session: SessionName, turn: str, expires: float, call: ToolCall) -> Errand:
        """Have a person asked whether a call may be made; after `expires` seconds the answer is no."""
        return await self._add(session, Approval(turn, call), self._clock() + expires)

    async def ask(
        self, session: SessionName, asked: SessionName, text: str, chain: tuple[str, ...]
    ) -> Errand:
        """Have another agent asked, and a session told its answer."""
        return await self._add(session, Question(asked, text, chain), self._clock())

    # To be looked at

    async def list(
        self, session: SessionName | None = None, *, after: str = "", limit: int = 100
    ) -> Sequence[Errand]:
        """Return a page of errands in the order of their ids, of one session or of all."""
        try:
            return await self._errands.list(session, after=after, limit=limit)
        except StoreFailed as error:
            raise store_failure(error) from None

    async def get(self, id_: str) -> Errand:
        """Return one."""
        try:
            errand = await self._errands.get(id_)
        except StoreFailed as error:
            raise store_failure(error) from None
        if errand is None:
            what = f"There is no errand '{id_}': it is over, or its session is gone."
            raise TurnFailed.of(FailureKind.NOT_FOUND, what, code="errand_not_found")
        return errand

    # To be decided

    async def decide(
        self, id_: str, *, approves: bool, by: str, reason: str | None = None
    ) -> Errand:
        """Decide an approval; its session hears of it, and makes the call if it may."""
        if reason is not None and len(reason) > LONGEST_TEXT:
            raise _invalid(f"A reason has at most {LONGEST_TEXT} characters.", "reason")
        errand, now = await self.get(id_), self._clock()
        if not isinstance(errand.business, Approval):
            raise _conflict(f"Errand '{id_}' is no approval: there is nothing to decide.")
        if errand.business.decision is not None or errand.due <= now:
            raise _conflict(f"Approval '{id_}' is decided already.")
        decision = Decision(approves, now, by, reason)
        business = msgspec.structs.replace(errand.business, decision=decision)
        decided = msgspec.structs.replace(errand, business=business, due=now)
        await self._replace(errand, decided)
        self.on_change()
        return decided

    async def call_off(self, id_: str) -> None:
        """Have a session wait for something no more, and hear nothing of it."""
        await self._replace(await self.get(id_), None)

    async def _add(self, session: SessionName, business: Business, due: float) -> Errand:
        errand = Errand(secrets.token_hex(6), session, self._clock(), due, business)
        try:
            await self._errands.add(errand)
        except ValueError as error:
            what = f"This cannot be waited for: {error}."
            raise TurnFailed.of(FailureKind.CONFLICT, what, code="cannot_wait") from None
        except StoreFailed as error:
            raise store_failure(error) from None
        self.on_change()
        return errand

    async def _replace(self, before: Errand, after: Errand | None) -> None:
        try:
            done = await self._errands.replace(before, after)
        except StoreFailed as error:
            raise store_failure(error) from None
        if not done:
            raise _conflict(f"Errand '{before.id}' has changed meanwhile. Look at it again.")


def _invalid(what: str, param: str) -> TurnFailed:
    return TurnFailed.of(FailureKind.INVALID_REQUEST, what, param=param, code="invalid_value")


def _conflict(what: str) -> TurnFailed:
    return TurnFailed.of(FailureKind.CONFLICT, what, code="errand_conflict")
