"""What every store is: sessions that outlive their process, each append durable or refused.

A session is a row with a fence, and a journal of turns and entries. Only its owner appends, and proves
it: an append carries the epoch and the head that its owner knows, and one that knows others is `Fenced`
and changes nothing. The first append of an owner raises the epoch, so that the owner before it is fenced
from then on, also if the session was deleted and made again meanwhile. What is cut from a transcript
stays in the journal until the session is deleted.

Sequence numbers count from 1 in each session, in the order of the journal; a turn's acceptance takes one,
its end one and then each of its entries, a summary one, a reset one. Those of a fork go on from the
`head` that it was forked at. Times are Unix seconds.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

import msgspec

from greenroom.actors.channels.channel import Deltas, FinishReason, Usage
from greenroom.actors.entries import SummaryEntry, TranscriptEntry
from greenroom.actors.failure import Failure
from greenroom.actors.turn import Served

# What goes wrong


class StoreFailed(Exception):  # noqa: N818 - a fact about the store
    """The store could not do it, and did nothing: a full disk, a locked or damaged file."""


class CannotOpen(StoreFailed):
    """The store cannot be had at all; the message is for a person, and says what to do."""


class InUse(CannotOpen):
    """Another process has the store, and may give it up."""


class SourceMissing(StoreFailed):
    """The session to be forked from is not there, or was never as the fork says."""


class Fenced(Exception):  # noqa: N818 - a fact about who owns the session
    """Somebody else has appended to the session since: whoever hears this owns it no more."""


# What there is


class SessionName(msgspec.Struct, frozen=True):
    """A session: its agent's id and its key, which is unique among that agent's."""

    agent: str
    key: str


class Fence(msgspec.Struct, frozen=True):
    """What an owner knows of its session; a session that does not exist yet has epoch 0 and head 0.

    `claimed` tells that the epoch is this owner's own, raised by an append of its own.
    """

    epoch: int = 0
    head: int = 0
    claimed: bool = False


class StoredEntry(msgspec.Struct, frozen=True):
    """An entry of a transcript; `turn` is the one that added it.

    `cut` is the number of what cut it: it was there at every head below that. A summary stands for the
    live entries up to the number `upto`.
    """

    seq: int
    turn: str
    entry: TranscriptEntry | SummaryEntry
    cut: int | None = None
    upto: int | None = None


class Fork(msgspec.Struct, frozen=True):
    """Where a session's transcript begins: that of another up to `seq`, as it stood at `head`.

    Nothing is copied; what becomes of the other afterwards is nothing to the fork. Once the other is
    deleted, the fork keeps what it has of it and is a fork no more.
    """

    source: SessionName
    seq: int
    head: int


class TurnState(StrEnum):
    """How far a turn is."""

    ACCEPTED = "accepted"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class AcceptedTurn(msgspec.Struct, frozen=True):
    """A turn at its acceptance: all that is needed to know it again, and to close it after a crash.

    `fingerprint` is of its request's body and credential, `idempotency` its client's own key. `model` is
    the client's spelling and `created` the Unix seconds of its answer, as every replay tells them. The
    turn keeps the transcript's entries up to `keep_to` (a number, None for all) and adds `added`.
    """

    id: str
    accepted: float
    fingerprint: bytes
    idempotency: str | None
    model: str
    created: int
    streamed: bool
    keep_to: int | None
    added: tuple[TranscriptEntry, ...]


class TurnEnd(msgspec.Struct, frozen=True):
    """How a turn ended: what it makes of the transcript, and what its client was told, to be told again.

    With `cut_from`, the live entries from that sequence number on are cut, and with them a summary that
    stands for one of them (a later summary of earlier entries stays); `entries` follow, and a summary
    among them stands for all that is before it. `deltas` is all that was streamed, without finish and
    usage. A failed or interrupted turn has a `failure`.
    """

    id: str
    state: TurnState
    ended: float
    cut_from: int | None = None
    entries: tuple[TranscriptEntry | SummaryEntry, ...] = ()
    deltas: Deltas = ()
    reason: FinishReason | None = None
    usage: Usage = Usage()
    cost: float | None = None
    served: Served | None = None
    failure: Failure | None = None


class StoredTurn(msgspec.Struct, frozen=True):
    """A turn as the journal has it; `end` is None while it is accepted and no more.

    Of one that ended long ago the deltas are gone, which `forgotten` tells.
    """

    accepted: AcceptedTurn
    end: TurnEnd | None
    forgotten: bool = False


class SessionState(msgspec.Struct, frozen=True):
    """What waking a session reads: its fence, what its next prompt needs, and what was left open.

    `entries` are the last summary and the live ones behind those that it stands for, or all live ones if
    there is no summary; `earlier` says whether there are others before them. `last` is the last turn,
    whatever its state, without its deltas; `open_turns` are those accepted and not ended. `created`,
    `active` (of the last acceptance, end or reset) and `reset` (of the last reset) are times.
    """

    name: SessionName
    fence: Fence
    created: float
    active: float
    entries: tuple[StoredEntry, ...]
    earlier: bool
    open_turns: tuple[AcceptedTurn, ...]
    last: StoredTurn | None
    reset: float | None = None
    fork: Fork | None = None


class SessionInfo(msgspec.Struct, frozen=True):
    """A session in a list.

    `turns` counts its own, `entries` the live ones with those of its fork and the summaries among them,
    `size` the bytes of what its own journal says.
    """

    name: SessionName
    created: float
    active: float
    head: int
    turns: int
    entries: int
    size: int
    fork: Fork | None = None


class Query(msgspec.Struct, frozen=True):
    """Which sessions: by agent, by the key's beginning, by activity (Unix seconds); latest first.

    `after` is the cursor of the page before, `limit` how many there are on one.
    """

    agent: str | None = None
    prefix: str = ""
    active_since: float | None = None
    active_before: float | None = None
    after: str | None = None
    limit: int = 100


class Page(msgspec.Struct, frozen=True):
    """Some sessions, and the cursor of those after them, None at the end."""

    sessions: tuple[SessionInfo, ...]
    next: str | None


class Retention(msgspec.Struct, frozen=True):
    """What is kept for how long; None keeps it.

    Sessions idle for `max_idle` seconds are deleted, the idlest first where the store is larger than
    `max_bytes`; a turn's deltas are dropped `replay` seconds after its end. A session with an open turn
    counts as idle after a day without an append at the earliest.
    """

    max_idle: float | None = None
    max_bytes: int | None = None
    replay: float = 86_400.0


class Kept(msgspec.Struct, frozen=True):
    """What one step of retention did; `more` tells that there is more to do."""

    deleted: tuple[SessionName, ...] = ()
    forgotten: int = 0
    more: bool = False


# The interface


class Store(Protocol):
    """The journal of all sessions. Any verb raises `StoreFailed`; appends raise `Fenced` as well.

    An append has happened, durably, once it returns. Verbs may be cancelled: what was on its way may
    still happen then, so whoever cancels an append must load the session again. What can never be done,
    whatever the session is like, is a mistake of the caller's: `ValueError`, and nothing was done.
    """

    async def load(self, name: SessionName) -> SessionState | None:
        """Read what waking a session needs; None if there is none."""
        ...

    async def accept(
        self, name: SessionName, fence: Fence, turn: AcceptedTurn, *, fork: Fork | None = None
    ) -> Fence:
        """Append a turn's acceptance, and create the session with it (from `fork`) if it is new.

        A fence of epoch 0 creates, and so is `Fenced` where there is a session.

        Raises:
            SourceMissing: there is nothing to be forked from.
            ValueError: a fork of a session that exists, or the session has had a turn of this id.
        """
        ...

    async def end(
        self, name: SessionName, fence: Fence, ends: Sequence[TurnEnd]
    ) -> tuple[Fence, tuple[StoredEntry, ...]]:
        """Append the ends of accepted turns, in order; return the entries with their numbers.

        Raises:
            ValueError: one of the turns is not open.
        """
        ...

    async def compact(
        self, name: SessionName, fence: Fence, turn: str, summary: SummaryEntry, upto: int
    ) -> tuple[Fence, StoredEntry]:
        """Append a summary that stands, in prompts, for the live entries up to the number `upto`.

        The entries it stands for stay live: `earlier` reads them. Of several summaries the one that
        reaches furthest is the last.

        Raises:
            ValueError: `upto` is above the fence's head.
        """
        ...

    async def foresee(self, fork: Fork) -> SessionState:
        """Read what a session that is forked so would wake to, with its source's name and times.

        Raises:
            SourceMissing: there is nothing to be forked from.
        """
        ...

    async def reset(self, name: SessionName, fence: Fence, at: float) -> Fence:
        """Cut the whole transcript."""
        ...

    async def earlier(self, name: SessionName) -> tuple[StoredEntry, ...]:
        """Read the live entries that the last summary stands for, without older summaries."""
        ...

    async def find(self, name: SessionName, idempotency: str) -> StoredTurn | None:
        """Read the turn that has a client's own key, the latest of several, with its deltas."""
        ...

    async def turn(self, name: SessionName, turn: str) -> StoredTurn | None:
        """Read one turn, with its deltas."""
        ...

    async def find_turn(self, turn: str) -> tuple[SessionName, StoredTurn] | None:
        """Find a turn by its id alone, with its deltas; a session goes before its restored copies."""
        ...

    async def list(self, query: Query) -> Page:
        """Read a page of sessions; raises ValueError if `after` is no cursor."""
        ...

    async def info(self, name: SessionName) -> SessionInfo | None:
        """Read one session's line of the list."""
        ...

    async def transcript(
        self, name: SessionName, *, after: int = 0, limit: int = 100, cut: bool = False
    ) -> tuple[StoredEntry, ...]:
        """Read a page of a transcript by number, what it has from a fork included; with `cut`, all.

        Summaries stand at their own number there.
        """
        ...

    async def delete(self, name: SessionName) -> bool:
        """Delete a session with its whole journal; return whether there was one.

        Sessions that were forked from it keep what they have of it.
        """
        ...

    def export(self, name: SessionName) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read a session as JSON Lines, each with its line break, from which `restore` makes it again.

        It is the session as it stood when the context was entered; raises ValueError if there is none.
        """
        ...

    async def restore(
        self, lines: AsyncIterator[bytes], *, name: SessionName | None = None
    ) -> SessionName:
        """Create a session from JSON Lines, one an item, under another name if one is given.

        It is as it was, numbers and times included, but what it had from a fork is its own.

        Raises:
            ValueError: the lines are not such an export, or the session exists; nothing was created.
        """
        ...

    async def retain(self, retention: Retention, now: float, *, most: int = 100) -> Kept:
        """Take one step of retention: delete or forget `most` things at most."""
        ...
