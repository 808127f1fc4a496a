"""What every store is: sessions that outlive their process, each append durable or refused.

A session is a row with a fence, and a journal of turns and entries. Only its owner appends, and proves
it: an append carries the epoch and the head that its owner knows, and one that knows others is `Fenced`
and changes nothing. The first append of an owner raises the epoch, so that the owner before it is fenced
from then on, also if the session was deleted and made again meanwhile. What is cut from a transcript
stays in the journal until the session is deleted.

Sequence numbers count from 1 in each session, in the order of the journal; a turn's acceptance takes one,
its end one and then each of its entries; a summary, a reset, an annotation and an erasure one each. Those
of a fork go on from the `head` that it was forked at. Times are Unix seconds.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from greenroom.actors.entries import SummaryEntry, TranscriptEntry
from greenroom.actors.stores.answered import TurnPage, TurnQuery
from greenroom.actors.stores.errands import Errands
from greenroom.actors.stores.records import (
    AcceptedTurn,
    Fence,
    Fork,
    Kept,
    Page,
    Query,
    Retention,
    SessionInfo,
    SessionName,
    SessionState,
    StoredEntry,
    StoredTurn,
    TurnEnd,
)

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


# The interface


class Store(Protocol):
    """The journal of all sessions. Any verb raises `StoreFailed`; appends raise `Fenced` as well.

    An append has happened, durably, once it returns. Verbs may be cancelled: what was on its way may
    still happen then, so whoever cancels an append must load the session again. What can never be done,
    whatever the session is like, is a mistake of the caller's: `ValueError`, and nothing was done.
    """

    @property
    def errands(self) -> Errands:
        """What its sessions wait for."""
        ...

    async def load(self, name: SessionName) -> SessionState | None:
        """Read what waking a session needs; None if there is none."""
        ...

    async def accept(
        self,
        name: SessionName,
        fence: Fence,
        turn: AcceptedTurn,
        *,
        fork: Fork | None = None,
        lasts: float | None = None,
    ) -> Fence:
        """Append a turn's acceptance, and create the session with it (from `fork`) if it is new.

        A fence of epoch 0 creates, and so is `Fenced` where there is a session. With `lasts`, a session
        that is new is deleted by `retain` so many seconds after its last append.

        Raises:
            SourceMissing: there is nothing to be forked from.
            ValueError: a fork of a session that exists, or the session has had a turn of this id.
        """
        ...

    async def step(self, name: SessionName, turn: str, entries: Sequence[TranscriptEntry]) -> None:
        """Keep what an open turn has done, behind what it had done before, for its end after a crash.

        It proves no fence: whoever owns the session next ends the turn, and then there are no more steps.

        Raises:
            ValueError: the session has no such turn, or it has ended.
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

    async def annotate(
        self, name: SessionName, fence: Fence, attributes: bytes, at: float
    ) -> Fence:
        """Keep `attributes` with a session, in place of those before; nothing here reads them.

        A fence of epoch 0 creates the session, and so is `Fenced` where there is one.
        """
        ...

    async def erase(self, name: SessionName, fence: Fence, seq: int) -> Fence:
        """Cut one live entry of the session's own out of the transcript; those around it stay.

        Raises:
            ValueError: there is no such entry, or it is a summary, or from a fork.
        """
        ...

    async def drop_request(self, name: SessionName, turn: str) -> int | None:
        """Forget a turn's `request` and its deltas; its entries stay.

        Returns how many turns of the session still have a request, None if this one had none, or has
        not ended. It proves no fence, because it changes nothing that a transcript is made of.
        """
        ...

    async def earlier(self, of: SessionName | Fork) -> tuple[StoredEntry, ...]:
        """Read the live entries that the last summary stands for, without older summaries.

        Of a fork, they are those that a session which is forked so would have.

        Raises:
            SourceMissing: there is nothing to be forked from.
        """
        ...

    async def find(self, name: SessionName, idempotency: str) -> StoredTurn | None:
        """Read the turn that has a client's own key, the latest of several, with its deltas."""
        ...

    async def find_again(self, name: SessionName, fingerprint: bytes) -> StoredTurn | None:
        """Read the latest turn with that fingerprint and without a key, with its deltas.

        Only the last 64 turns of the session are looked at.
        """
        ...

    async def turn(self, name: SessionName, turn: str) -> StoredTurn | None:
        """Read one turn, with its deltas."""
        ...

    async def find_turn(self, turn: str) -> tuple[SessionName, StoredTurn] | None:
        """Find a turn by its id alone, with its deltas; a session goes before its restored copies."""
        ...

    async def turns(self, query: TurnQuery) -> TurnPage:
        """Read a page of finished turns, with their deltas; of a turn and its restored copies, the turn.

        Raises:
            ValueError: `after` is no turn, or `limit` is below 1.
        """
        ...

    async def label(self, name: SessionName, turn: str, metadata: Mapping[str, str]) -> bool:
        """Give a turn other metadata; return whether there is such a turn.

        It is no append: the session's owner is not asked, and its fence stays.
        """
        ...

    async def until(self, name: SessionName, turn: str) -> int | None:
        """Return the number of the last thing that a turn's end appended, None if it has not ended.

        A fork up to there, of the session as it stood there, has what was said up to that turn.
        """
        ...

    async def list(self, query: Query) -> Page:
        """Read a page of sessions; raises ValueError if `after` is no cursor."""
        ...

    async def info(self, name: SessionName) -> SessionInfo | None:
        """Read one session's line of the list."""
        ...

    async def transcript(
        self,
        name: SessionName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
        cut: bool = False,
    ) -> tuple[StoredEntry, ...]:
        """Read a page of a transcript by number, what it has from a fork included; with `cut`, all.

        These are the first ones behind the number `after`, or with `before` the last ones in front of
        that, in order as well. Summaries stand at their own number.
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
