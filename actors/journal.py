"""A live session's side of its journal: what it has said so far, and the one way to add to that.

Every change is durable before it counts here: an append that fails changes nothing, and whoever made it
has to read the session again. A session without a store has the same journal, and forgets it at its end.
"""

from collections.abc import Sequence

import msgspec

from greenroom.actors.entries import AssistantEntry, SummaryEntry, TranscriptEntry
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.known import CRASH_CODE, is_of
from greenroom.actors.stores.records import (
    AcceptedTurn,
    Fence,
    Fork,
    SessionName,
    SessionState,
    StoredEntry,
    StoredTurn,
    TurnEnd,
    TurnState,
)
from greenroom.actors.stores.store import Store
from greenroom.actors.transcript import EarlierNeeded, Plan, Sent, Transcript
from greenroom.actors.turn import Sender, TurnRequest

CRASHED = Failure(
    FailureKind.INTERRUPTED,
    "The gateway stopped before this turn had ended, and it was closed as interrupted.",
    code=CRASH_CODE,
)


class Journal:
    """One session's journal, from its waking on; `store` is None for a session that passes."""

    def __init__(self, name: SessionName, store: Store | None) -> None:
        self.name = name
        self.transcript = Transcript()
        self.last: StoredTurn | None = None
        self.active: float | None = None
        self._store = store
        self._fence = Fence()
        self._stored: list[StoredEntry] = []
        self._summary: SummaryEntry | None = None
        self._summarised = 0
        self._has_earlier = False

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever said in it."""
        return self._fence.head == 0

    async def open(self, now: float) -> None:
        """Read the session, and close what a crash left open; raises `StoreFailed`, `Fenced`."""
        if self._store is None:
            return
        state = await self._store.load(self.name)
        if state is None:
            return
        self._take(state)
        for turn in state.open_turns:
            end = _closed(turn, self._first_behind(turn.keep_to), now)
            self._fence, entries = await self._store.end(self.name, self._fence, (end,))
            self._apply(end.cut_from, entries)
            self.last = StoredTurn(turn, end)

    # What it has

    async def plan(self, sent: Sequence[Sent], instead_of: str | None) -> Plan:
        """Plan the turn that `sent` asks for, `instead_of` a turn that was interrupted, if one is given.

        Raises:
            TurnFailed: as `Transcript.reconcile` does.
            StoreFailed: what it needs of the past cannot be read.
        """
        transcript = self.transcript
        if instead_of is not None:
            turns = [stored.turn for stored in self._stored]
            if instead_of in turns:
                transcript = Transcript(transcript.entries[: turns.index(instead_of)])
        try:
            return transcript.reconcile(sent, whole=not self._has_earlier)
        except EarlierNeeded:
            assert self._store is not None, "only a store has more than is here"  # noqa: S101
            earlier = await self._store.earlier(self.name)
            self._summarised, self._has_earlier = len(earlier), False
            self._keep([*earlier, *self._stored])
            return await self.plan(sent, instead_of)

    def shown(self, plan: Plan) -> tuple[SummaryEntry | None, tuple[TranscriptEntry, ...]]:
        """Return what a model is shown of what was said: a summary, and the entries behind it."""
        entries = self.transcript.entries[: plan.keep]
        if self._summary is None or plan.keep < self._summarised:
            return None, entries
        return self._summary, entries[self._summarised :]

    async def find(self, sender: Sender, now: float) -> StoredTurn | None:
        """Return the turn that has ended and that a request is, if it is one.

        Raises:
            TurnFailed: CONFLICT, as `known.is_of` says.
            StoreFailed: it cannot be read.
        """
        if self._store is None:
            return None
        if sender.idempotency is not None:
            found = await self._store.find(self.name, sender.idempotency)
            return found if found is not None and is_of(sender, found, now) else None
        if self.last is None or not is_of(sender, self.last, now):
            return None
        return await self._store.turn(self.name, self.last.accepted.id)

    async def fork(self, source: SessionName, seq: int | None) -> Fork:
        """Begin a new session with what another has said, up to `seq`; nothing is appended by it.

        Raises:
            TurnFailed: NOT_FOUND, there is no such session.
            StoreFailed: it cannot be read.
        """
        assert self._store is not None, "a session that passes is never forked"  # noqa: S101
        state = await self._store.load(source)
        if state is None:
            raise TurnFailed.of(
                FailureKind.NOT_FOUND,
                f"There is no session '{source.key}' to fork from.",
                param="x-greenroom-fork-from",
                code="session_not_found",
            )
        head = state.fence.head
        fork = Fork(source, head if seq is None else min(seq, head), head)
        foreseen = await self._store.foresee(fork)
        self._take(foreseen)
        self._fence = Fence()
        return fork

    # What is added to it

    async def accept(
        self, turn: TurnRequest, plan: Plan, now: float, fork: Fork | None = None
    ) -> AcceptedTurn:
        """Append a turn's acceptance; raises `StoreFailed`, `Fenced`."""
        sender = turn.sender
        accepted = AcceptedTurn(
            id=turn.id,
            accepted=now,
            fingerprint=sender.fingerprint,
            idempotency=sender.idempotency,
            model=turn.model,
            created=turn.created,
            streamed=turn.streamed,
            keep_to=self._keep_to(plan),
            added=plan.added,
            metadata=turn.metadata,
        )
        if self._store is not None:
            self._fence = await self._store.accept(self.name, self._fence, accepted, fork=fork)
        return accepted

    async def end(self, accepted: AcceptedTurn, plan: Plan, end: TurnEnd) -> int:
        """Append a turn's end, with which `plan` is carried out if the end has entries.

        Returns how many entries were cut; raises `StoreFailed`, `Fenced`.
        """
        cut = 0
        if end.entries and plan.keep < len(self._stored):
            cut = len(self._stored) - plan.keep
            end = msgspec.structs.replace(end, cut_from=self._stored[plan.keep].seq)
        if self._store is not None:
            self._fence, entries = await self._store.end(self.name, self._fence, (end,))
        else:
            entries = tuple(StoredEntry(0, end.id, entry) for entry in end.entries)
        if end.entries:
            self._replace(plan.keep, entries)
        # What was told is read from the store when somebody wants it again.
        self.last = StoredTurn(accepted, msgspec.structs.replace(end, deltas=()))
        self.active = end.ended
        return cut

    async def compact(self, turn: str, plan: Plan, cut: int, summary: SummaryEntry) -> Plan:
        """Append a summary of the first `cut` entries that `shown` has; return `plan` as it is after it.

        Raises:
            StoreFailed, Fenced.
        """
        at = (self._summarised if plan.keep >= self._summarised else 0) + cut
        if self._store is not None:
            upto = self._stored[at - 1].seq
            self._fence, _ = await self._store.compact(self.name, self._fence, turn, summary, upto)
        self._summary, self._summarised, self._has_earlier = summary, 0, True
        self._keep(self._stored[at:])
        return msgspec.structs.replace(plan, keep=plan.keep - at)

    async def reset(self, now: float) -> None:
        """Begin the transcript anew; raises `StoreFailed`, `Fenced`."""
        if self._store is not None and not self.is_new:
            self._fence = await self._store.reset(self.name, self._fence, now)
        self._summary, self._summarised, self._has_earlier = None, 0, False
        self._keep(())

    async def delete(self) -> None:
        """Delete all of it, for ever; raises `StoreFailed`."""
        if self._store is not None:
            await self._store.delete(self.name)

    # How it is kept

    def _take(self, state: SessionState) -> None:
        self._fence = state.fence
        self.last, self.active = state.last, state.active
        first = state.entries[0].entry if state.entries else None
        self._summary = first if isinstance(first, SummaryEntry) else None
        self._has_earlier = state.earlier
        self._keep(state.entries[1:] if self._summary is not None else state.entries)

    def _keep(self, entries: Sequence[StoredEntry]) -> None:
        self._stored = list(entries)
        self.transcript = Transcript(
            [stored.entry for stored in entries if not isinstance(stored.entry, SummaryEntry)]
        )

    def _replace(self, keep: int, entries: Sequence[StoredEntry]) -> None:
        if keep < self._summarised:
            self._summary = None
            forgotten = 0
        else:
            # What the summary stands for is read again when somebody needs it.
            forgotten = self._summarised
            self._has_earlier = self._has_earlier or bool(forgotten)
        self._summarised = 0
        self._keep([*self._stored[forgotten:keep], *entries])

    def _apply(self, cut_from: int | None, entries: Sequence[StoredEntry]) -> None:
        live = self._stored
        if cut_from is not None:
            live = [stored for stored in live if stored.seq < cut_from]
        self._keep([*live, *entries])

    def _keep_to(self, plan: Plan) -> int | None:
        if plan.keep == len(self._stored):
            return None
        return self._stored[plan.keep - 1].seq if plan.keep else 0

    def _first_behind(self, seq: int | None) -> int | None:
        if seq is None:
            return None
        return next((stored.seq for stored in self._stored if stored.seq > seq), None)


def _closed(turn: AcceptedTurn, cut_from: int | None, now: float) -> TurnEnd:
    """Return the end of a turn that nobody ended.

    The client of a streamed one may have seen a part, so what it said stays, with an answer that was
    cut off at once; of any other nobody has seen anything.
    """
    if not turn.streamed:
        return TurnEnd(turn.id, TurnState.INTERRUPTED, now, failure=CRASHED)
    entries = (*turn.added, AssistantEntry("", interrupted=True))
    return TurnEnd(
        turn.id, TurnState.INTERRUPTED, now, cut_from=cut_from, entries=entries, failure=CRASHED
    )
