"""Turns by their ids: what became of them, how they go on, and how they are ended and forgotten.

A turn that has ended is read from the store. One that has not is its session's to tell of, which is woken
for it; so one that a crash has cut is closed before anybody hears of it.
"""

import re
from collections.abc import Mapping

import msgspec

from greenroom.actors.agent import Rooms
from greenroom.actors.closing import store_failure
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.session_messages import Attach, Cancel, Delete, Look, SessionMessage, SoFar
from greenroom.actors.stores.records import SessionName, StoredTurn
from greenroom.actors.stores.store import Store, StoreFailed
from greenroom.actors.turn import TurnEvent
from greenroom.runtime import Address, OpenStream

_OF_ITS_OWN = re.compile(r"agent:[^:]+:resp:.+", re.DOTALL)


class Found(msgspec.Struct, frozen=True):
    """A turn, and the session that has it; `so_far` is what it has told, None once it has ended."""

    name: SessionName
    turn: StoredTurn
    so_far: SoFar | None = None


class Turns:
    """All turns of a house that its store has. Every verb raises `TurnFailed` (STORE) as well."""

    def __init__(self, store: Store, rooms: Mapping[str, Rooms]) -> None:
        self._store = store
        self._rooms = rooms

    async def find(self, turn: str) -> Found | None:
        """Return a turn, None if there is none; CONFLICT if it is open and its agent is gone."""
        found = await self._find(turn)
        if found is None or found.turn.end is not None:
            return found
        so_far = await self._session(found.name).ask(Look(turn))
        if so_far is None:
            # It ended meanwhile, or its session has just closed it after a crash.
            return await self._find(turn)
        return msgspec.structs.replace(found, so_far=so_far)

    async def ended(self, name: SessionName, turn: str) -> StoredTurn | None:
        """Return a session's turn, which is under way no more; None if there is none."""
        try:
            found = await self._store.turn(name, turn)
            if found is None or found.end is not None:
                return found
            # A session that wakes closes what a crash left open.
            await self._session(name).ask(Look(turn))
            return await self._store.turn(name, turn)
        except StoreFailed as error:
            raise store_failure(error) from error

    async def until(self, name: SessionName, turn: str) -> int | None:
        """Return the number of the last thing that it appended, None while it has not ended."""
        try:
            return await self._store.until(name, turn)
        except StoreFailed as error:
            raise store_failure(error) from error

    def attach(self, found: Found) -> OpenStream[TurnEvent]:
        """Hear a turn from its beginning on; NOT_FOUND, from its stream, once it has ended."""
        return self._session(found.name).stream(Attach(found.turn.accepted.id))

    async def cancel(self, found: Found) -> bool:
        """End a turn that waits or runs; return whether it did."""
        return await self._session(found.name).ask(Cancel(found.turn.accepted.id))

    async def forget(self, found: Found) -> bool:
        """Forget the request of a turn that has ended, and what it told; return False if it has none.

        A session that was made for such turns goes with the last of them.
        """
        try:
            left = await self._store.drop_request(found.name, found.turn.accepted.id)
        except StoreFailed as error:
            raise store_failure(error) from error
        if left == 0 and _OF_ITS_OWN.fullmatch(found.name.key) and found.name.agent in self._rooms:
            try:
                await self._session(found.name).ask(Delete())
            except TurnFailed as refused:
                # Another turn has come, and goes on from here.
                if refused.failure.kind is not FailureKind.CONFLICT:
                    raise
        return left is not None

    async def _find(self, turn: str) -> Found | None:
        try:
            found = await self._store.find_turn(turn)
        except StoreFailed as error:
            raise store_failure(error) from error
        return None if found is None else Found(*found)

    def _session(self, name: SessionName) -> Address[str, SessionMessage]:
        return address_of(self._rooms, name)


def address_of(rooms: Mapping[str, Rooms], name: SessionName) -> Address[str, SessionMessage]:
    """Return a session's actor; raises `TurnFailed` (CONFLICT) if its agent is not configured."""
    found = rooms.get(name.agent)
    if found is None:
        raise TurnFailed.of(
            FailureKind.CONFLICT,
            f"The session's agent '{name.agent}' is not configured any more.",
            code="agent_not_found",
        )
    return found.sessions.address(name.key)
