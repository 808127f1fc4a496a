"""The items of a conversation, read from its transcript page by page.

An entry may be several items, or none. So a page is read entry by entry until it is full, one entry
further than it goes: the ids of an entry's items say whether it is the last one of its turn.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from greenroom.actors.entries import AssistantEntry, SummaryEntry
from greenroom.actors.house import House
from greenroom.actors.stores.records import SessionInfo, SessionName, StoredEntry
from greenroom.http.responses.finding import not_found
from greenroom.http.responses.ids import ItemId, item_of
from greenroom.http.responses.objects import Item, ItemList
from greenroom.http.responses.paging import Page, list_of, no_item
from greenroom.http.responses.shown import Shown, show

_AT_ONCE = 50
"""Entries that are read in one piece."""


async def page_in(house: House, info: SessionInfo, page: Page) -> ItemList:
    """Return a page of a conversation's items.

    Raises:
        ApiError: 404, there is no item behind which it is to go on.
        TurnFailed: the store fails.
    """
    name, first = info.name, None
    if page.after is not None:
        first = await entry_of(house, info, page.after, "after")
    descends = page.order == "desc"
    shown: list[Shown] = []
    skips = first is not None
    items = _descending(house, info, first) if descends else _ascending(house, name, first)
    async with aclosing(items) as found:
        async for item in found:
            if skips:
                skips = str(item[0]) != page.after
                continue
            shown.append(item)
            if len(shown) > page.limit:
                break
    if skips:
        raise no_item(page.after or "", "after")
    return list_of(shown[: page.limit], has_more=len(shown) > page.limit)


async def item_in(house: House, info: SessionInfo, id_: str) -> Item:
    """Return one item; raises as `entry_of` does."""
    stored = await entry_of(house, info, id_, "item_id")
    item = item_of(id_)
    is_last = item is not None and item.seq is None
    for shown_id, shown in show(stored, is_last=is_last):
        if str(shown_id) == id_:
            return shown
    raise no_item(id_, "item_id")


async def entry_of(house: House, info: SessionInfo, id_: str, param: str) -> StoredEntry:
    """Return the entry that an item of a conversation belongs to.

    Raises:
        ApiError: 404, there is none.
        TurnFailed: the store fails.
    """
    item = item_of(id_)
    seq = None if item is None else await _number_of(house, info.name, item)
    if item is None or seq is None:
        raise no_item(id_, param)
    entries = await house.archive.transcript(info.name, after=seq - 1, limit=1)
    if not entries or entries[0].seq != seq or entries[0].turn != item.turn:
        raise no_item(id_, param)
    if item.seq is None and not isinstance(entries[0].entry, AssistantEntry):
        raise no_item(id_, param)
    return entries[0]


async def added_by(house: House, name: SessionName, turn: str) -> list[Shown]:
    """Return the items that have been added under the name of a turn."""
    until = await house.turns.until(name, turn)
    if until is None:
        raise not_found("The conversation is gone.", "conversation_id", "conversation_not_found")
    entries = await house.archive.transcript(name, before=until + 1, limit=_AT_ONCE)
    return [
        item for stored in entries if stored.turn == turn for item in show(stored, is_last=False)
    ]


async def _number_of(house: House, name: SessionName, item: ItemId) -> int | None:
    """Return the number of an item's entry, if it could be there."""
    if item.seq is not None:
        return item.seq
    until = await house.turns.until(name, item.turn)
    if until is None:  # a session that this one was forked from may have said it
        found = await house.turns.find(item.turn)
        until = None if found is None else await house.turns.until(found.name, item.turn)
    return until


async def _ascending(
    house: House, name: SessionName, first: StoredEntry | None
) -> AsyncGenerator[Shown]:
    """Yield items from the entry `first` on, or from the beginning."""
    after = 0 if first is None else first.seq - 1
    held: StoredEntry | None = None
    while entries := await house.archive.transcript(name, after=after, limit=_AT_ONCE):
        after = entries[-1].seq
        for stored in entries:
            if isinstance(stored.entry, SummaryEntry):
                continue
            if held is not None:
                for item in show(held, is_last=stored.turn != held.turn):
                    yield item
            held = stored
    if held is not None:
        for item in show(held, is_last=True):
            yield item


async def _descending(
    house: House, info: SessionInfo, first: StoredEntry | None
) -> AsyncGenerator[Shown]:
    """Yield items from the entry `first` backwards, or from the end."""
    name, before, behind = info.name, info.head + 1, None
    if first is not None:
        before = first.seq + 1
        behind = await _behind(house, name, first)
    while entries := await house.archive.transcript(name, before=before, limit=_AT_ONCE):
        before = entries[0].seq
        for stored in reversed(entries):
            if isinstance(stored.entry, SummaryEntry):
                continue
            for item in reversed(show(stored, is_last=behind != stored.turn)):
                yield item
            behind = stored.turn


async def _behind(house: House, name: SessionName, first: StoredEntry) -> str | None:
    """Return the turn of the entry behind one."""
    after = first.seq
    while entries := await house.archive.transcript(name, after=after, limit=2):
        for stored in entries:
            if not isinstance(stored.entry, SummaryEntry):
                return stored.turn
        after = entries[-1].seq
    return None
