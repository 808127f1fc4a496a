"""`POST /v1/chat/completions`: one request becomes one turn, whose events become the answer."""

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from greenroom.actors.house import House
from greenroom.http.access import Record, record_of
from greenroom.http.answering import Answering, Going
from greenroom.http.auth import Authenticator
from greenroom.http.checks import Order, read_order
from greenroom.http.completion import CompletionBuilder
from greenroom.http.config import Gateway
from greenroom.http.errors import invalid
from greenroom.http.exchange import TEXT_TYPE, ClientGone, Exchange, Receive, Scope, Send
from greenroom.http.paths import not_allowed
from greenroom.http.pictures import Pictures
from greenroom.http.translate import ChunkEncoder

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

PATH = "/v1/chat/completions"


class Completions:
    """The endpoint, as an ASGI application for its one path."""

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
        self._pictures = Pictures(gateway.images)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        record = record_of(scope)
        if not self._gateway.chat_completions:
            await exchange.respond(404, (TEXT_TYPE,), b"Not Found")
            return
        if exchange.method != "POST":
            await not_allowed(exchange, ("GET", "POST"))
            return
        try:
            order = await self._read(exchange)
        except ClientGone:
            record.error = "client_left"
        except Exception as error:  # noqa: BLE001 - every error is answered, ours are logged as well
            record.error = await self._fail(exchange, error, record)
        else:
            selection = order.selection
            record.agent, record.session = selection.agent, selection.session
            record.turn, record.stream = order.turn.id, order.stream
            record.model = str(selection.route)
            exchange.forget_headers(scope)
            await self._answering.while_there(
                exchange, record, partial(self._answer, exchange, order, record)
            )

    async def _read(self, exchange: Exchange) -> Order:
        images = self._gateway.images
        order = read_order(
            await self._answering.read(exchange, self._authenticator),
            exchange,
            self._house,
            max_depth=self._gateway.limits.max_json_depth,
            session_from_user=self._gateway.session_from_user,
            most_image_urls=images.max_urls if images.allow_url else 0,
        )
        if order.starting_after and not order.stream:
            what = 'Invalid `x-greenroom-starting-after`: it needs `"stream": true`.'
            raise invalid(what, "x-greenroom-starting-after", "invalid_value")
        return order

    async def _answer(self, exchange: Exchange, order: Order, record: Record) -> str | None:
        """Answer; return the code of the error that was sent, None for a whole answer."""
        encoder: ChunkEncoder | None = None
        if order.stream:
            encoder = ChunkEncoder(
                include_usage=order.include_usage,
                starting_after=order.starting_after,
                event_ids=order.event_ids,
                legacy=order.legacy,
                inside=order.inside,
            )
        selection, turn = order.selection, order.turn
        try:
            if order.remote:
                entries = await self._pictures.inline(turn.entries, order.remote)
                turn = msgspec.structs.replace(turn, entries=entries)
            async with self._house.submit(selection, turn) as events:
                going = Going(selection, turn.id, events, record)
                if encoder is not None:
                    await self._answering.stream(exchange, going, encoder)
                else:
                    await self._answering.respond(
                        exchange, going, CompletionBuilder(legacy=order.legacy)
                    )
        except Exception as error:  # noqa: BLE001 - every error is answered, ours are logged as well
            return await self._fail(exchange, error, record, encoder)
        return None

    async def _fail(
        self,
        exchange: Exchange,
        error: Exception,
        record: Record,
        encoder: ChunkEncoder | None = None,
    ) -> str:
        """Tell the client of an error, in the way that is still open; return its code."""
        api_error = self._answering.told(error, record)
        if not exchange.started:
            await exchange.respond_error(api_error)
        else:
            assert encoder is not None, "only a stream begins before it can fail"  # noqa: S101
            await exchange.write(encoder.fail(api_error.encode()), more=False)
        return api_error.body.code or api_error.body.type
