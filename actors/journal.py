"""A live session's side of its journal: what it has said so far, and the one way to add to that.

Every change is durable before it counts here: an append that fails changes nothing, and whoever made it
has to read the session again. A session without a store has the same journal, and forgets it at its end.
"""

from collections.abc import Sequence

import msgspec

from greenroom.actors.bulletin import Happening
from greenroom.actors.closing import cut_off
from greenroom.actors.entries import SummaryEntry, TranscriptEntry
from greenroom.actors.failure import CRASH_CODE, Failure, FailureKind, TurnFailed
from greenroom.actors.known import is_of
from greenroom.actors.past import Past
from greenroom.actors.stores.records import (
    AcceptedTurn,
    Fence,
    Fork,
    SessionName,
    StoredEntry,
    StoredTurn,
    TurnEnd,
    TurnState,
)
from greenroom.actors.stores.store import Fenced
from greenroom.actors.surroundings import Surroundings
from greenroom.actors.transcript import EarlierNeeded, Plan, Sent
from greenroom.actors.turn import Sender, TurnRequest

CRASHED = Failure(
    FailureKind.INTERRUPTED,
    "The gateway stopped before this turn had ended, and it was closed as interrupted.",
    code=CRASH_CODE,
)


class Planned(msgspec.Struct, frozen=True):
    """What a turn is to make of a session, whose transcript begins with `fork` if there is one.

    `past` is what the plan was made on; it is the session's own once the turn has ended.
    """

    plan: Plan
    past: Past
    fork: Fork | None = None


_NEW = Fence()


class Journal:
    """One session's journal, from its waking on; `active` is when it was appended to, in Unix seconds.

    One that `passes` begins empty, or with what it takes from another session in the store, and leaves
    nothing there.
    """

    __slots__ = ("_bulletin", "_fence", "_source", "_store", "active", "name", "past")

    def __init__(
        self, name: SessionName, surroundings: Surroundings, *, passes: bool = False
    ) -> None:
        store = surroundings.store
        self.name = name
        self.past = Past()
        self.active: float | None = None
        self._source = store
        self._store = None if passes else store
        self._bulletin = surroundings.bulletin
        self._fence = _NEW

    @property
    def is_new(self) -> bool:
        """Whether the store has nothing of it."""
        return self._fence.epoch == 0

    async def open(self, now: float) -> None:
        """Read the session, and close what a crash left open; raises `StoreFailed`, `Fenced`."""
        if self._store is None:
            return
        state = await self._store.load(self.name)
        if state is not None and state.open_turns:
            fence = state.fence
            for turn in state.open_turns:
                end = _closed(turn, now)
                fence, _ = await self._store.end(self.name, fence, (end,))
                self._bulletin.tell(Happening.ENDED, self.name, end.id, end.state)
            state = await self._store.load(self.name)
        if state is not None:
            self._fence, self.active = state.fence, state.active
            self.past = Past.of(state)

    # What it has

    async def plan(
        self,
        sent: Sequence[Sent],
        *,
        appends: bool = False,
        fork: Fork | None = None,
        instead_of: str | None = None,
    ) -> Planned:
        """Plan the turn that `sent` asks for; nothing changes by it.

        With `fork`, the session is new and begins with that. What `appends` is all new. The turn comes in
        the place of `instead_of`, of which nothing counts, if nothing was said since.

        Raises:
            TurnFailed: as `Transcript.reconcile` or `append` does.
            StoreFailed: what it needs of the past cannot be read.
        """
        past = self.past if fork is None else Past.of(await self._source.foresee(fork))
        try:
            return Planned(past.plan(sent, instead_of, appends=appends), past, fork)
        except EarlierNeeded:
            past = past.with_earlier(await self._source.earlier(fork or self.name))
            return Planned(past.plan(sent, instead_of), past, fork)

    async def find(self, sender: Sender, now: float, since: float) -> StoredTurn | None:
        """Return the turn that has ended and that a request is, if it is one.

        One that is tried again is no turn that was accepted before `since`.

        Raises:
            TurnFailed: CONFLICT, as `known.is_of` says.
            StoreFailed: it cannot be read.
        """
        if self._store is None:
            return None
        if sender.idempotency is not None:
            found = await self._store.find(self.name, sender.idempotency)
        else:
            found = await self._store.find_again(self.name, sender.fingerprint)
        return found if found is not None and is_of(sender, found, now, since) else None

    async def entry(self, seq: int) -> StoredEntry | None:
        """Return the live entry of a number, None if there is none; raises `StoreFailed`."""
        found = await self._source.transcript(self.name, after=seq - 1, limit=1)
        return found[0] if found and found[0].seq == seq else None

    async def fork(
        self, source: SessionName, seq: int | None, *, as_it_stood: bool = False
    ) -> Fork:
        """Return the fork of a session up to `seq`, as it stands, or as it stood at that number.

        Raises:
            TurnFailed: NOT_FOUND, there is no such session.
            StoreFailed: it cannot be read.
        """
        state = await self._source.load(source)
        if state is None:
            raise TurnFailed.of(
                FailureKind.NOT_FOUND,
                f"There is no session '{source.key}' to fork from.",
                param="x-greenroom-fork-from",
                code="session_not_found",
            )
        head = state.fence.head
        upto = head if seq is None else min(seq, head)
        return Fork(source, upto, upto if as_it_stood else head)

    # What is added to it

    async def accept(
        self, turn: TurnRequest, planned: Planned, now: float, *, lasts: float | None = None
    ) -> AcceptedTurn:
        """Append a turn's acceptance; a session that is new with it lasts so many seconds, or for ever.

        Raises:
            StoreFailed, Fenced.
        """
        sender, plan = turn.sender, planned.plan
        accepted = AcceptedTurn(
            id=turn.id,
            accepted=now,
            fingerprint=sender.fingerprint,
            idempotency=sender.idempotency,
            model=turn.model,
            created=turn.created,
            streamed=turn.streamed,
            keep_to=planned.past.keep_to(plan),
            added=plan.added,
            request=turn.request,
            metadata=turn.metadata,
        )
        if self._store is not None:
            self._fence = await self._store.accept(
                self.name, self._fence, accepted, fork=planned.fork, lasts=lasts
            )
            self._bulletin.tell(Happening.ACCEPTED, self.name, turn.id)
        return accepted

    async def step(self, turn: str, entries: Sequence[TranscriptEntry]) -> None:
        """Keep what an open turn has done; raises `StoreFailed`, `Fenced`."""
        if self._store is None:
            return
        try:
            await self._store.step(self.name, turn, entries)
        except ValueError:
            # Only an owner ends turns, so there is another one.
            raise Fenced(f"turn {turn!r} was ended by another owner") from None

    async def end(self, planned: Planned, end: TurnEnd) -> int:
        """Append a turn's end, with which its plan is carried out if the end has entries.

        Returns how many entries were cut; raises `StoreFailed`, `Fenced`.
        """
        past, plan, cut = planned.past, planned.plan, 0
        if end.entries:
            cut_from, cut = past.cut(plan)
            end = msgspec.structs.replace(end, cut_from=cut_from)
        if self._store is not None:
            self._fence, entries = await self._store.end(self.name, self._fence, (end,))
            self._bulletin.tell(Happening.ENDED, self.name, end.id, end.state)
        else:
            entries = tuple(StoredEntry(0, end.id, entry) for entry in end.entries)
        past.end(plan, entries)
        self.past = past
        self.active = end.ended
        return cut

    async def compact(self, turn: str, many: int, summary: SummaryEntry) -> None:
        """Append a summary of the first entries at hand; raises `StoreFailed`, `Fenced`."""
        if self._store is not None:
            upto = self.past.number(many - 1)
            self._fence, _ = await self._store.compact(self.name, self._fence, turn, summary, upto)
        self.past = self.past.compacted(many, summary)

    async def annotate(self, attributes: bytes, now: float) -> None:
        """Keep `attributes` with the session, new or not; raises `StoreFailed`, `Fenced`."""
        assert self._store is not None, "a session that passes has no attributes"  # noqa: S101
        self._fence = await self._store.annotate(self.name, self._fence, attributes, now)

    async def erase(self, seq: int) -> None:
        """Take one entry out of the transcript.

        Raises:
            ValueError: there is no such entry of its own.
            StoreFailed, Fenced.
        """
        assert self._store is not None, "nobody knows the numbers of one that passes"  # noqa: S101
        self._fence = await self._store.erase(self.name, self._fence, seq)
        self.past = self.past.without(seq)

    async def reset(self, now: float) -> None:
        """Begin the transcript anew; raises `StoreFailed`, `Fenced`."""
        if self._store is not None and not self.is_new:
            self._fence = await self._store.reset(self.name, self._fence, now)
            self._bulletin.tell(Happening.RESET, self.name)
        self.past = Past()

    async def delete(self) -> None:
        """Delete all of it, for ever; raises `StoreFailed`."""
        if self._store is not None:
            await self._store.delete(self.name)
            self._bulletin.tell(Happening.DELETED, self.name)


def _closed(turn: AcceptedTurn, now: float) -> TurnEnd:
    """Return the end of a turn that nobody ended.

    The client of a streamed one may have seen a part, so what it said stays, with an answer that was
    cut off at once, and so does what tools have done; of any other, and of one that was still waiting,
    nobody has seen anything.
    """
    if not turn.steps and not (turn.streamed and turn.added):
        return TurnEnd(turn.id, TurnState.INTERRUPTED, now, failure=CRASHED)
    return TurnEnd(
        turn.id,
        TurnState.INTERRUPTED,
        now,
        cut_from=None if turn.keep_to is None else turn.keep_to + 1,
        entries=cut_off(turn.added, turn.steps),
        failure=CRASHED,
    )
