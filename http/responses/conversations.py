"""`/v1/conversations`: a conversation is a session, its id the key, and its items are what was said.

Conversations of any session API are the same sessions: what one of them changes, all of them see.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Raw

from greenroom.actors.entries import SystemEntry, TranscriptEntry
from greenroom.actors.failure import TurnFailed
from greenroom.actors.house import House
from greenroom.actors.stores.records import SessionInfo, SessionName
from greenroom.http.access import Record, record_of
from greenroom.http.answering import Answering
from greenroom.http.auth import Authenticator
from greenroom.http.config import Gateway
from greenroom.http.decode import check_depth, check_text, decode
from greenroom.http.errors import invalid
from greenroom.http.exchange import (
    JSON_TYPE,
    ClientGone,
    Exchange,
    Receive,
    Scope,
    Send,
)
from greenroom.http.parameters import Parameters, parameters_of, values_of
from greenroom.http.paths import not_allowed, segments_of, unknown_url
from greenroom.http.responses import CONVERSATIONS
from greenroom.http.responses.create import tell_failure
from greenroom.http.responses.fields import check_include, check_metadata
from greenroom.http.responses.finding import conversation_info
from greenroom.http.responses.ids import new_appended, new_conversation
from greenroom.http.responses.listing import added_by, entry_of, item_in, page_in
from greenroom.http.responses.objects import Conversation, ConversationDeleted
from greenroom.http.responses.paging import list_of, page_of
from greenroom.http.responses.read import read_input
from greenroom.http.responses.requests import ConversationRequest, ConversationUpdate, NewItems

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_MOST_ITEMS = 20
"""That are added at a time."""

_T = TypeVar("_T")
_new = msgspec.json.Decoder(ConversationRequest)
_update = msgspec.json.Decoder(ConversationUpdate)
_new_items = msgspec.json.Decoder(NewItems)


class _Kept(msgspec.Struct, frozen=True, tag_field="api", tag="conversations"):
    """What is kept with a session. Fields may be added with a default; none may change its meaning."""

    metadata: dict[str, str] = {}


_kept = msgspec.json.Decoder(_Kept)


class _One(msgspec.Struct, frozen=True):
    """A request about one conversation, or an item of it."""

    exchange: Exchange
    info: SessionInfo
    parameters: Parameters
    item: str = ""

    @property
    def name(self) -> SessionName:
        return self.info.name


_Verb = Callable[["Conversations", _One], Awaitable[object]]


class Conversations:
    """The endpoint, as an ASGI application for `/v1/conversations` and everything below it."""

    def __init__(
        self,
        house: House,
        gateway: Gateway,
        authenticator: Authenticator,
        log: "FilteringBoundLogger",
    ) -> None:
        self._house = house
        self._gateway = gateway
        self._authenticator = authenticator
        self._answering = Answering(gateway.limits, log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        record = record_of(scope)
        segments = segments_of(scope, CONVERSATIONS)
        try:
            if segments:
                await self._authenticator.check(exchange)
                await self._answer_one(exchange, scope, segments, record)
            elif exchange.method == "POST":
                await _respond(exchange, await self._create(exchange, record))
            else:
                await not_allowed(exchange, ("POST",))
        except ClientGone:
            record.error = "client_left"
        except Exception as error:  # noqa: BLE001 - every error is answered, ours are logged as well
            record.error = await tell_failure(self._answering, exchange, error, record)

    async def _answer_one(
        self, exchange: Exchange, scope: Scope, segments: list[str], record: Record
    ) -> None:
        match segments:
            case [id_]:
                verbs, item = _ONE, ""
            case [id_, "items"]:
                verbs, item = _ITEMS, ""
            case [id_, "items", item]:
                verbs = _ITEM
            case _:
                raise unknown_url(exchange)
        if exchange.method not in verbs:
            await not_allowed(exchange, verbs)
            return
        check_include(values_of(scope, "include"))
        info = await conversation_info(self._house, id_, "conversation_id")
        record.agent, record.session = info.name.agent, info.name.key
        one = _One(exchange, info, parameters_of(scope), item)
        await _respond(exchange, await verbs[exchange.method](self, one))

    async def _create(self, exchange: Exchange, record: Record) -> Conversation:
        """Make a conversation, of the agent that a header names or the default one."""
        request = await self._read(exchange, _new)
        check_metadata(request.metadata)
        agent = exchange.header(b"x-openclaw-agent-id") or exchange.header(b"x-openclaw-agent")
        name = self._house.session(new_conversation(), agent)
        record.agent, record.session = name.agent, name.key
        entries, places = await self._entries(request.items or [])
        archive = self._house.archive
        await archive.annotate(name, msgspec.json.encode(_Kept(request.metadata or {})))
        if entries:
            try:
                await archive.append(name, new_appended(), entries, places)
            except TurnFailed:
                await archive.delete(name)
                raise
        return _shown(await archive.info(name))

    # One conversation

    async def show(self, one: _One) -> Conversation:
        """Return it."""
        return _shown(one.info)

    async def update(self, one: _One) -> Conversation:
        """Keep other metadata with it."""
        request = await self._read(one.exchange, _update)
        check_metadata(request.metadata)
        kept = msgspec.json.encode(_Kept(request.metadata or {}))
        await self._house.archive.annotate(one.name, kept)
        return _shown(await self._house.archive.info(one.name))

    async def delete(self, one: _One) -> ConversationDeleted:
        """Delete it, with all that was said."""
        await self._house.archive.delete(one.name)
        return ConversationDeleted(id=one.name.key)

    # Its items

    async def list_items(self, one: _One) -> object:
        """Return a page of what was said."""
        return await page_in(self._house, one.info, page_of(one.parameters))

    async def add_items(self, one: _One) -> object:
        """Add to what was said; return that."""
        request = await self._read(one.exchange, _new_items)
        if not request.items:
            what = "Invalid 'items': empty array. Expected an array with minimum length 1."
            raise invalid(what, "items", "empty_array")
        entries, places = await self._entries(request.items)
        if not entries:
            raise invalid("`items` has nothing but thoughts, which no answer follows.", "items")
        turn = new_appended()
        await self._house.archive.append(one.name, turn, entries, places)
        return list_of(await added_by(self._house, one.name, turn), has_more=False)

    async def show_item(self, one: _One) -> object:
        """Return an item."""
        return await item_in(self._house, one.info, one.item)

    async def delete_item(self, one: _One) -> Conversation:
        """Take an item out of what was said."""
        stored = await entry_of(self._house, one.info, one.item, "item_id")
        await self._house.archive.erase(one.name, stored.seq)
        return _shown(await self._house.archive.info(one.name))

    # Bodies

    async def _read(self, exchange: Exchange, decoder: msgspec.json.Decoder[_T]) -> _T:
        body = await self._answering.read(exchange, self._authenticator) or b"{}"
        check_text(body)
        check_depth(body, self._gateway.limits.max_json_depth)
        return decode(body, decoder)

    async def _entries(
        self, items: list[Raw]
    ) -> tuple[tuple[TranscriptEntry, ...], tuple[str, ...]]:
        if len(items) > _MOST_ITEMS:
            what = f"`items` has at most {_MOST_ITEMS} items at a time, not {len(items)}."
            raise invalid(what, "items", "array_above_max_length")
        read = await read_input(self._house, items, "items")
        kept = [entry for entry in read.entries if not isinstance(entry, SystemEntry)]
        assert len(kept) == len(read.entries), "instructions are kept"  # noqa: S101
        return tuple(kept), read.places


_ONE: dict[str, _Verb] = {
    "GET": Conversations.show,
    "POST": Conversations.update,
    "DELETE": Conversations.delete,
}
_ITEMS: dict[str, _Verb] = {"GET": Conversations.list_items, "POST": Conversations.add_items}
_ITEM: dict[str, _Verb] = {"GET": Conversations.show_item, "DELETE": Conversations.delete_item}


def _shown(info: SessionInfo) -> Conversation:
    """Return a session as a conversation; another API may have annotated it, or none."""
    kept = _Kept()
    if info.attributes is not None:
        try:
            kept = _kept.decode(info.attributes)
        except msgspec.DecodeError:
            kept = _Kept()
    return Conversation(id=info.name.key, created_at=int(info.created), metadata=kept.metadata)


async def _respond(exchange: Exchange, body: object) -> None:
    await exchange.respond(200, (JSON_TYPE,), msgspec.json.encode(body))
