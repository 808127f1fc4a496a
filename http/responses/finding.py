"""Responses, conversations and items by their ids; what there is not is a 404 that names the field."""

from collections.abc import Mapping

from greenroom.actors.entries import AssistantEntry, SummaryEntry, TranscriptEntry
from greenroom.actors.house import House
from greenroom.actors.stores.records import SessionInfo, SessionName
from greenroom.actors.turns import Found
from greenroom.http.errors import INVALID_REQUEST, ApiError
from greenroom.http.responses.asked import decode_asked
from greenroom.http.responses.ids import ItemId, is_conversation, item_of, turn_of
from greenroom.http.responses.items import Referenced


async def find_response(house: House, id_: str, param: str, code: str) -> Found:
    """Return the turn that a response is.

    Raises:
        ApiError: 404.
        TurnFailed: as `Turns.find` does.
    """
    turn = turn_of(id_)
    found = None if turn is None else await house.turns.find(turn)
    if found is None or decode_asked(found.turn.accepted.request) is None:
        raise not_found(f"Response with id '{id_}' not found.", param, code)
    return found


async def find_conversation(house: House, id_: str, param: str) -> SessionName:
    """Return the session that a conversation is; raises as `conversation_info` does."""
    return (await conversation_info(house, id_, param)).name


async def conversation_info(house: House, id_: str, param: str) -> SessionInfo:
    """Return the session that a conversation is, with what is kept with it.

    Raises:
        ApiError: 404.
        TurnFailed: the store fails.
    """
    info = await house.archive.find(id_) if is_conversation(id_) else None
    if info is None:
        what = f"Conversation with id '{id_}' not found."
        raise not_found(what, param, "conversation_not_found")
    return info


async def find_items(house: House, ids: Mapping[str, str]) -> dict[str, Referenced]:
    """Return the items that are referenced by `ids`, each with its place in the request.

    Raises:
        ApiError: 404, there is no such item.
        TurnFailed: the store fails.
    """
    turns: dict[str, Found | None] = {}
    found: dict[str, Referenced] = {}
    for id_, param in ids.items():
        item = item_of(id_)
        entry = None if item is None else await _entry_of(house, item, turns)
        if item is None or entry is None:
            raise not_found(f"Item with id '{id_}' not found.", param, "item_not_found")
        found[id_] = Referenced(item, entry)
    return found


def not_found(what: str, param: str, code: str) -> ApiError:
    """Return a 404."""
    return ApiError(404, INVALID_REQUEST, what, param=param, code=code)


async def _entry_of(
    house: House, item: ItemId, turns: dict[str, Found | None]
) -> TranscriptEntry | None:
    """Return the entry that an item belongs to; `turns` are those that were looked up."""
    if item.turn not in turns:
        turns[item.turn] = await house.turns.find(item.turn)
    found = turns[item.turn]
    if found is None or found.turn.end is None:
        return None
    entries = found.turn.end.entries
    last = entries[-1] if entries else None
    if item.seq is None:
        return last if isinstance(last, AssistantEntry) else None
    until = await house.turns.until(found.name, item.turn)
    place = item.seq - ((until or 0) - len(entries) + 1)
    entry = entries[place] if 0 <= place < len(entries) else None
    return None if isinstance(entry, SummaryEntry) else entry
