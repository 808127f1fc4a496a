"""Sessions as things to look at and to manage, awake or asleep.

What is only read is read from the store. What changes a session goes through its actor, which is woken
for it: so it happens between two turns, and nobody changes what another has in hand.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager

from greenroom.actors.agent import Rooms
from greenroom.actors.closing import store_failure
from greenroom.actors.entries import TranscriptEntry
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.session_messages import (
    Annotate,
    Append,
    Cancel,
    Delete,
    Erase,
    Reset,
    SessionMessage,
)
from greenroom.actors.stores.records import (
    Page,
    Query,
    SessionInfo,
    SessionName,
    StoredEntry,
)
from greenroom.actors.stores.store import Store, StoreFailed
from greenroom.actors.turns import address_of
from greenroom.runtime import Address


class Archive:
    """All sessions of a house. Every verb raises `TurnFailed`: NOT_FOUND, CONFLICT or STORE."""

    def __init__(self, store: Store, rooms: Mapping[str, Rooms]) -> None:
        self._store = store
        self._rooms = rooms

    async def list(self, query: Query) -> Page:
        """Return a page of sessions, the last active first; INVALID_REQUEST for a cursor that is none."""
        with _told():
            try:
                return await self._store.list(query)
            except ValueError as error:
                raise TurnFailed.of(
                    FailureKind.INVALID_REQUEST, f"{error}", param="after", code="invalid_value"
                ) from None

    async def info(self, name: SessionName) -> SessionInfo:
        """Return one of them."""
        with _told():
            info = await self._store.info(name)
        if info is None:
            raise _unknown(name)
        return info

    async def find(self, key: str) -> SessionInfo | None:
        """Return the session of a key, whosever it is, None if there is none."""
        page = await self.list(Query(prefix=key, limit=1000))
        return next((info for info in page.sessions if info.name.key == key), None)

    async def transcript(
        self,
        name: SessionName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
        cut: bool = False,
    ) -> tuple[StoredEntry, ...]:
        """Return a page of what was said, as the store has it; with `cut`, what was cut as well."""
        await self.info(name)
        with _told():
            return await self._store.transcript(
                name, after=after, before=before, limit=limit, cut=cut
            )

    async def cancel(self, name: SessionName) -> bool:
        """End the turn that runs and those that wait; return whether there was one."""
        return await (await self._actor(name)).ask(Cancel())

    async def reset(self, name: SessionName) -> None:
        """Begin the transcript anew."""
        await (await self._actor(name)).ask(Reset())

    async def delete(self, name: SessionName) -> None:
        """Delete it, with all that was said."""
        if name.agent not in self._rooms:
            await self.info(name)
            with _told():
                await self._store.delete(name)  # nobody has it in hand
            return
        await (await self._actor(name)).ask(Delete())

    async def annotate(self, name: SessionName, attributes: bytes) -> None:
        """Keep `attributes` with it; it is made if there is none."""
        await address_of(self._rooms, name).ask(Annotate(attributes))

    async def append(
        self,
        name: SessionName,
        turn: str,
        entries: tuple[TranscriptEntry, ...],
        places: tuple[str, ...],
    ) -> None:
        """Add to what was said, as `session_messages.Append` says; INVALID_REQUEST as well."""
        await (await self._actor(name)).ask(Append(turn, entries, places))

    async def erase(self, name: SessionName, seq: int) -> None:
        """Take one entry out of what was said, as `session_messages.Erase` says."""
        await (await self._actor(name)).ask(Erase(seq))

    @asynccontextmanager
    async def export(self, name: SessionName) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Read a session as JSON Lines, each with its line break."""
        await self.info(name)
        with _told():
            async with self._store.export(name) as lines:
                yield lines

    async def restore(
        self, lines: AsyncIterator[bytes], name: SessionName | None = None
    ) -> SessionName:
        """Make a session of an export, under another name if one is given.

        Raises:
            TurnFailed: INVALID_REQUEST as well: the lines are no export, or there is such a session.
        """
        with _told():
            try:
                return await self._store.restore(lines, name=name)
            except ValueError as error:
                raise TurnFailed.of(
                    FailureKind.INVALID_REQUEST, f"{error}", code="invalid_export"
                ) from None

    async def _actor(self, name: SessionName) -> Address[str, SessionMessage]:
        await self.info(name)
        return address_of(self._rooms, name)


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except StoreFailed as error:
        raise store_failure(error) from error


def _unknown(name: SessionName) -> TurnFailed:
    return TurnFailed.of(
        FailureKind.NOT_FOUND,
        f"Agent '{name.agent}' has no session '{name.key}'.",
        param="key",
        code="session_not_found",
    )
