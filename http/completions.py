"""`POST /v1/chat/completions`: one request becomes one turn, whose events become the answer.

The task that reads the request submits the turn and writes the answer; when its client leaves, that
one task is cancelled, and with it the stream, the run and the provider's socket. A stream's status
waits for the turn's first event, so that an early failure is a status that SDKs can retry, but not
longer than a while; after that comments keep the line open.
"""

from functools import partial
from typing import TYPE_CHECKING

import trio

from greenroom.actors.house import House
from greenroom.actors.turn import Progress, TurnEnded, TurnEvent, TurnStarted
from greenroom.http.access import Record, record_of
from greenroom.http.auth import Authenticator
from greenroom.http.checks import Order, read_order
from greenroom.http.config import Gateway
from greenroom.http.errors import INVALID_REQUEST, ApiError, of_exception
from greenroom.http.exchange import (
    JSON_TYPE,
    SSE_HEADERS,
    TEXT_TYPE,
    ClientGone,
    Exchange,
    Header,
    Receive,
    Scope,
    Send,
)
from greenroom.http.translate import KEEP_ALIVE, ChunkEncoder, CompletionBuilder
from greenroom.runtime import ReplyStream

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
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        record = record_of(scope)
        if not self._gateway.chat_completions:
            await exchange.respond(404, (TEXT_TYPE,), b"Not Found")
            return
        if exchange.method != "POST":
            await exchange.respond(405, (TEXT_TYPE, (b"allow", b"POST")), b"Method Not Allowed")
            return
        try:
            order = await self._read(exchange)
        except ClientGone:
            record.error = "client_left"
        except Exception as error:  # noqa: BLE001 - every error is answered, ours are logged as well
            record.error = await self._fail(exchange, error, record)
        else:
            await self._answer_while_there(exchange, order, record)

    async def _read(self, exchange: Exchange) -> Order:
        await self._authenticator.check(exchange)
        limits = self._gateway.limits
        if (exchange.header(b"content-type") or "").lower().startswith("multipart/"):
            raise ApiError(
                415,
                INVALID_REQUEST,
                "Send the request's body as JSON, not as a form.",
                code="unsupported_media_type",
            )
        body = await exchange.read_body(limits.max_body_bytes, limits.body_timeout)
        return read_order(
            body,
            exchange,
            self._house,
            max_depth=limits.max_json_depth,
            session_from_user=self._gateway.session_from_user,
        )

    async def _answer_while_there(self, exchange: Exchange, order: Order, record: Record) -> None:
        selection = order.selection
        record.agent, record.session = selection.agent, selection.session
        record.turn, record.stream = order.turn.id, order.stream
        record.model = str(selection.route)
        record.error = "interrupted"
        try:
            record.error = await exchange.while_there(
                partial(self._answer, exchange, order, record)
            )
        except ClientGone:
            record.error = "client_left"
        finally:
            if record.error == "interrupted" and exchange.left:
                record.error = "client_left"

    async def _answer(self, exchange: Exchange, order: Order, record: Record) -> str | None:
        """Answer; return the code of the error that was sent, None for a whole answer."""
        encoder = ChunkEncoder(
            include_usage=order.include_usage,
            starting_after=order.starting_after,
            event_ids=order.event_ids,
        )
        try:
            async with self._house.submit(order.selection, order.turn) as events:
                if order.stream:
                    await self._stream(exchange, order, events, record, encoder)
                else:
                    await self._respond(exchange, order, events, record)
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
        api_error = of_exception(error)
        if api_error.status == 500:
            self._log.error("http.failed", request_id=record.request_id, exc_info=error)
        if not exchange.started:
            await exchange.respond_error(api_error)
        else:
            assert encoder is not None, "only a stream begins before it can fail"  # noqa: S101
            await exchange.write(encoder.fail(api_error.encode()), more=False)
        return api_error.body.code or api_error.body.type

    async def _respond(
        self, exchange: Exchange, order: Order, events: ReplyStream[TurnEvent], record: Record
    ) -> None:
        builder = CompletionBuilder()
        started: TurnStarted | None = None
        begun = trio.current_time()
        async for event in events:
            match event:
                case TurnStarted():
                    started = event
                    _note_start(record, started, trio.current_time() - begun)
                case Progress(deltas):
                    builder.progress(deltas)
                case TurnEnded():
                    assert started is not None, "a turn that ends well has started"  # noqa: S101
                    _count(record, event)
                    body = builder.end(started, event)
                    told = _headers_of(order, started, event.cost)
                    await exchange.respond(200, (JSON_TYPE, *_headers(order), *told), body)

    async def _stream(
        self,
        exchange: Exchange,
        order: Order,
        events: ReplyStream[TurnEvent],
        record: Record,
        encoder: ChunkEncoder,
    ) -> None:
        limits = self._gateway.limits
        begun = trio.current_time()
        first: TurnEvent | None = None
        with trio.move_on_after(limits.first_event):
            first = await anext(events)
        headers = (*SSE_HEADERS, *_headers(order))
        if isinstance(first, TurnStarted):
            encoder.start(first)
            _note_start(record, first, trio.current_time() - begun)
            await exchange.start(200, (*headers, *_headers_of(order, first, None)))
        else:
            await exchange.start(200, headers)
            await exchange.write(KEEP_ALIVE)
        while (batch := await _next_batch(events, limits.heartbeat)) is not None:
            pieces: list[bytes] = []
            ended = False
            for event in batch:
                match event:
                    case TurnStarted():
                        encoder.start(event)
                        _note_start(record, event, trio.current_time() - begun)
                    case Progress(deltas):
                        pieces.append(encoder.progress(deltas))
                    case TurnEnded():
                        _count(record, event)
                        pieces.append(encoder.end(event))
                        ended = True
            piece = b"".join(pieces) if batch else KEEP_ALIVE
            if piece or ended:
                await exchange.write(piece, more=not ended)


async def _next_batch(events: ReplyStream[TurnEvent], heartbeat: float) -> list[TurnEvent] | None:
    """Return all that is there, nothing after `heartbeat` seconds of silence, None at the end."""
    batch: list[TurnEvent] = []
    with trio.move_on_after(heartbeat):
        try:
            batch.append(await anext(events))
        except StopAsyncIteration:
            return None
    while batch and (event := events.receive_nowait()) is not None:
        batch.append(event)
    return batch


def _headers(order: Order) -> tuple[Header, ...]:
    selection = order.selection
    return (
        (b"x-greenroom-agent", selection.agent.encode()),
        (b"x-greenroom-session-key", _printable(selection.session)),
    )


def _headers_of(order: Order, started: TurnStarted, cost: float | None) -> tuple[Header, ...]:
    """Return what is known of an answer once it has begun."""
    route = started.served.route
    headers: list[Header] = [
        (b"x-greenroom-turn", started.turn.encode()),
        (b"x-greenroom-provider", _printable(route.provider)),
        (b"x-greenroom-model", _printable(str(route))),
        (b"x-greenroom-attempt", str(started.served.attempt).encode()),
    ]
    if started.turn != order.turn.id:
        headers.append((b"x-greenroom-replayed", b"true"))
    if started.ahead:
        headers.append((b"x-greenroom-queued", str(started.ahead).encode()))
    if cost is not None:
        headers.append((b"x-greenroom-cost", f"{cost:.9g}".encode()))
    return tuple(headers)


def _note_start(record: Record, started: TurnStarted, seconds: float) -> None:
    served = started.served
    record.first_event_s = round(seconds, 6)
    record.turn = started.turn
    record.model, record.attempt = str(served.route), served.attempt


def _printable(text: str) -> bytes:
    """Return a header's value: what is not printable ASCII is percent-encoded UTF-8."""
    return "".join(
        char if " " <= char <= "~" and char != "%" else "".join(f"%{b:02X}" for b in char.encode())
        for char in text
    ).encode()


def _count(record: Record, ended: TurnEnded) -> None:
    record.prompt_tokens = ended.usage.prompt
    record.completion_tokens = ended.usage.completion
    record.cost = ended.cost
