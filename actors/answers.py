"""Answers that are kept, each found by the id of the turn that gave it, whichever session that is in.

What is kept is what sessions keep: an answer's own session, or a longer one of which it is a part. A part
is not taken out of a transcript; it goes with its session.
"""

from collections.abc import Mapping

import msgspec

from greenroom.actors.archive import Archive
from greenroom.actors.closing import store_failure
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.selection import is_of_one_request
from greenroom.actors.stores.answered import FoundTurn, TurnPage, TurnQuery
from greenroom.actors.stores.records import SessionName
from greenroom.actors.stores.store import Store, StoreFailed


class Answers:
    """All of a house. Every verb raises `TurnFailed`: NOT_FOUND, CONFLICT or STORE."""

    def __init__(self, store: Store, archive: Archive) -> None:
        self._store = store
        self._archive = archive

    async def find(self, turn: str) -> FoundTurn:
        """Return the answer of one turn, which has ended well."""
        try:
            page = await self._store.turns(TurnQuery(turn=turn, limit=1))
        except StoreFailed as error:
            raise store_failure(error) from error
        if not page.turns:
            raise _unknown(turn)
        return page.turns[0]

    async def list(self, query: TurnQuery) -> TurnPage:
        """Return a page of answers; INVALID_REQUEST for an `after` that is none of them."""
        try:
            return await self._store.turns(query)
        except StoreFailed as error:
            raise store_failure(error) from error
        except ValueError as error:
            raise TurnFailed.of(
                FailureKind.INVALID_REQUEST, f"{error}", param="after", code="invalid_value"
            ) from None

    async def label(self, turn: str, metadata: Mapping[str, str]) -> FoundTurn:
        """Give an answer other metadata, and return it."""
        found = await self.find(turn)
        try:
            there = await self._store.label(found.name, turn, metadata)
        except StoreFailed as error:
            raise store_failure(error) from error
        if not there:
            raise _unknown(turn)
        accepted = msgspec.structs.replace(found.turn.accepted, metadata=dict(metadata))
        return FoundTurn(found.name, msgspec.structs.replace(found.turn, accepted=accepted))

    async def delete(self, turn: str) -> None:
        """Delete an answer with its session, which has to be its own."""
        found = await self.find(turn)
        info = await self._archive.info(found.name)
        if not is_of_one_request(found.name.key) or info.turns > 1:
            raise _part_of(found.name)
        await self._archive.delete(found.name)


def _unknown(turn: str) -> TurnFailed:
    return TurnFailed.of(
        FailureKind.NOT_FOUND,
        f"There is no stored answer of a turn '{turn}'.",
        param="completion_id",
        code="completion_not_found",
    )


def _part_of(name: SessionName) -> TurnFailed:
    return TurnFailed.of(
        FailureKind.CONFLICT,
        f"This answer is a part of the session '{name.key}' of the agent '{name.agent}'; delete or "
        "reset the session.",
        param="completion_id",
        code="completion_in_session",
    )
