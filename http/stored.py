"""Stored completions: `/v1/chat/completions` by GET, and everything below it.

A completion is named by its id, which has that of its turn in it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from greenroom.actors.house import House
from greenroom.actors.stores.answered import TurnQuery
from greenroom.http.access import record_of
from greenroom.http.answering import Answering
from greenroom.http.auth import Authenticator
from greenroom.http.config import Gateway
from greenroom.http.decode import check_depth, check_text, decode
from greenroom.http.errors import invalid
from greenroom.http.exchange import (
    JSON_TYPE,
    TEXT_TYPE,
    ClientGone,
    Exchange,
    Receive,
    Scope,
    Send,
)
from greenroom.http.parameters import Parameters, pairs, parameters_of, whole, word
from greenroom.http.paths import not_allowed, unknown_url
from greenroom.http.stored_objects import (
    CompletionDeleted,
    MetadataUpdate,
    completion_of,
    list_of,
    messages_of,
)
from greenroom.http.values import check_metadata

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

ROOT = "/v1/chat/completions"

_PREFIX = "chatcmpl-"
_MOST = 100
_update = msgspec.json.Decoder(MetadataUpdate)

_Verb = Callable[["Stored", Exchange, str, Parameters], Awaitable[object]]


class Stored:
    """The endpoint, as an ASGI application for all that is not a completion to be made."""

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
        if not self._gateway.chat_completions:
            await exchange.respond(404, (TEXT_TYPE,), b"Not Found")
            return
        segments = scope["path"].removeprefix(ROOT).split("/")[1:]
        verbs = _verbs_of(segments)
        try:
            if not verbs:
                await exchange.respond_error(unknown_url(exchange))
                return
            if exchange.method not in verbs:
                await not_allowed(exchange, verbs)
                return
            await self._authenticator.check(exchange)
            id_ = segments[0] if segments else ""
            body = await verbs[exchange.method](self, exchange, id_, parameters_of(scope))
            await exchange.respond(200, (JSON_TYPE,), msgspec.json.encode(body))
        except ClientGone:
            record.error = "client_left"
        except Exception as error:  # noqa: BLE001 - every error is answered, ours are logged as well
            record.error = await self._answering.refuse(exchange, error, record)

    async def list(self, _: Exchange, __: str, parameters: Parameters) -> object:
        """Return a page of them."""
        after = parameters.get("after") or None
        query = TurnQuery(
            model=parameters.get("model") or None,
            metadata=pairs(parameters, "metadata"),
            after=None if after is None else _turn_of(after),
            limit=whole(parameters, "limit", 20, least=1, most=_MOST),
            latest_first=word(parameters, "order", ("asc", "desc")) == "desc",
        )
        return list_of(await self._house.answers.list(query))

    async def show(self, _: Exchange, id_: str, __: Parameters) -> object:
        """Return one of them."""
        return completion_of(await self._house.answers.find(_turn_of(id_)))

    async def messages(self, _: Exchange, id_: str, parameters: Parameters) -> object:
        """Return a page of the messages that it was asked for with."""
        page = messages_of(
            id_,
            await self._house.answers.find(_turn_of(id_)),
            after=parameters.get("after") or None,
            limit=whole(parameters, "limit", 20, least=1, most=_MOST),
            latest_first=word(parameters, "order", ("asc", "desc")) == "desc",
        )
        if page is None:
            raise invalid("`after` is no message of this completion.", "after", "invalid_value")
        return page

    async def update(self, exchange: Exchange, id_: str, _: Parameters) -> object:
        """Give it other metadata."""
        limits = self._gateway.limits
        body = await exchange.read_body(limits.max_body_bytes, limits.body_timeout)
        check_text(body)
        check_depth(body, limits.max_json_depth)
        metadata = decode(body, _update).metadata
        check_metadata(metadata)
        return completion_of(await self._house.answers.label(_turn_of(id_), metadata or {}))

    async def delete(self, _: Exchange, id_: str, __: Parameters) -> object:
        """Delete it."""
        await self._house.answers.delete(_turn_of(id_))
        return CompletionDeleted(id=id_)


_OF_ALL: dict[str, _Verb] = {"GET": Stored.list}
_VERBS: dict[tuple[str, ...], dict[str, _Verb]] = {
    (): {"GET": Stored.show, "POST": Stored.update, "DELETE": Stored.delete},
    ("messages",): {"GET": Stored.messages},
}


def _verbs_of(segments: Sequence[str]) -> dict[str, _Verb]:
    """Return what can be done at a path below the root, nothing where there is none."""
    if not segments:
        return _OF_ALL
    return _VERBS.get(tuple(segments[1:]), {}) if all(segments) else {}


def _turn_of(id_: str) -> str:
    """Return the turn that a completion is of; an id of another form is nobody's."""
    return id_.removeprefix(_PREFIX) if id_.startswith(_PREFIX) else ""
