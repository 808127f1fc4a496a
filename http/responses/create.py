"""`POST /v1/responses`: a request becomes a turn, whose events become the response.

A turn in the background is answered as soon as its session has it, and goes on without its client.
"""

import msgspec

from greenroom.actors.failure import TurnFailed
from greenroom.actors.house import House, Taken
from greenroom.actors.turn import ELSEWHERE, TurnAccepted
from greenroom.http.access import Record
from greenroom.http.answer_headers import headers_of
from greenroom.http.answering import Answering, Going
from greenroom.http.auth import Authenticator
from greenroom.http.config import Gateway
from greenroom.http.exchange import JSON_TYPE, Exchange
from greenroom.http.responses.asked import Asked
from greenroom.http.responses.encoder import EventEncoder, ResponseBuilder
from greenroom.http.responses.finding import find_response
from greenroom.http.responses.ids import response_id
from greenroom.http.responses.log import is_kept
from greenroom.http.responses.placing import in_progress
from greenroom.http.responses.read import Order, read_order
from greenroom.http.responses.stored import response_as_it_is


class Creating:
    """Makes responses."""

    def __init__(
        self, house: House, gateway: Gateway, authenticator: Authenticator, answering: Answering
    ) -> None:
        self._house = house
        self._gateway = gateway
        self._authenticator = authenticator
        self._answering = answering

    async def answer(self, exchange: Exchange, record: Record) -> None:
        """Answer one request.

        Raises:
            ApiError, TurnFailed: it cannot be, and nothing was done.
            ClientGone: its client left before it was whole.
        """
        order = await read_order(
            await self._answering.read(exchange, self._authenticator),
            exchange,
            self._house,
            max_depth=self._gateway.limits.max_json_depth,
            session_from_user=self._gateway.responses_from_user,
        )
        way = order.ways[0]
        record.agent, record.session = way.selection.agent, way.selection.session
        record.turn, record.stream = way.turn.id, order.stream
        record.model = str(way.selection.route)
        await self._answering.while_there(
            exchange, record, lambda: self._run(exchange, order, record)
        )

    async def _run(self, exchange: Exchange, order: Order, record: Record) -> str | None:
        """Answer; return the code of the error that was sent, None for a whole answer."""
        encoder = EventEncoder(
            order.asked, starting_after=order.starting_after, event_ids=order.event_ids
        )
        try:
            async with self._house.submit_first(order.ways) as taken:
                await self._tell(exchange, order, taken, encoder, record)
        except Exception as error:  # noqa: BLE001 - every error is answered, ours are logged as well
            if isinstance(error, TurnFailed) and error.failure.code == ELSEWHERE:
                error = in_progress(order.asked)
            return await tell_failure(self._answering, exchange, error, record, encoder)
        return None

    async def _tell(
        self, exchange: Exchange, order: Order, taken: Taken, encoder: EventEncoder, record: Record
    ) -> None:
        selection, turn, accepted = taken.way.selection, taken.way.turn, taken.first
        assert isinstance(accepted, TurnAccepted), "the turn is announced"  # noqa: S101
        record.session, record.turn = selection.session, accepted.turn
        going = Going(selection, turn.id, taken.events, record)
        if order.stream:
            before = encoder.accept(accepted)
            at_once = order.asked.background
            await self._answering.stream(exchange, going, encoder, before=before, at_once=at_once)
            return
        builder = ResponseBuilder(order.asked)
        builder.accept(accepted)
        if not order.asked.background:
            await self._answering.respond(exchange, going, builder)
            return
        body = builder.begun()
        if accepted.turn != turn.id:
            body = await self._as_it_is(accepted.turn, order.asked)
        headers = (*headers_of(selection), (b"x-greenroom-turn", accepted.turn.encode()))
        await exchange.respond(200, (JSON_TYPE, *headers), body)

    async def _as_it_is(self, turn: str, asked: Asked) -> bytes:
        """Return a response that was begun before, as it is now."""
        id_ = response_id(turn)
        found = await find_response(self._house, id_, "response_id", "response_not_found")
        return msgspec.json.encode(response_as_it_is(found, asked))


async def tell_failure(
    answering: Answering,
    exchange: Exchange,
    error: Exception,
    record: Record,
    encoder: EventEncoder | None = None,
) -> str:
    """Tell the client of an error, in the way that is still open; return its code.

    In a stream, how a turn ended is its response's last event; whatever else went wrong is an error of
    the stream alone.
    """
    api_error = answering.told(error, record)
    if not exchange.started:
        await exchange.respond_error(api_error)
    else:
        assert encoder is not None, "only a stream begins before it can fail"  # noqa: S101
        if isinstance(error, TurnFailed) and is_kept(error.failure):
            last = encoder.fail(error.failure)
        else:
            last = encoder.give_up(api_error)
        await exchange.write(last, more=False)
    return api_error.body.code or api_error.body.type
