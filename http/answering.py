"""A turn's events, written as the answer to one exchange; the words of each API come from elsewhere.

The task that reads a request writes its answer; when its client leaves, that one task is cancelled, and
with it the stream, the run and the provider's socket. A stream's status waits for the turn's first event,
so that an early failure is a status that SDKs can retry, but not longer than a while; after that comments
keep the line open.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec
import trio

from greenroom.actors.channels.channel import Deltas
from greenroom.actors.selection import Selection
from greenroom.actors.turn import Progress, TurnAccepted, TurnEnded, TurnEvent, TurnStarted
from greenroom.http.access import Record
from greenroom.http.answer_headers import headers_of, of_cost, of_start, overhead
from greenroom.http.auth import Authenticator
from greenroom.http.config import HttpLimits
from greenroom.http.errors import INVALID_REQUEST, ApiError, of_exception
from greenroom.http.exchange import JSON_TYPE, SSE_HEADERS, ClientGone, Exchange, Header
from greenroom.runtime import ReplyStream

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

KEEP_ALIVE = b": keep-alive\n\n"


class Telling(Protocol):
    """How a streamed answer is written: what is to be sent for each event, which may be nothing."""

    def accept(self, accepted: TurnAccepted) -> bytes:
        """Say that the session has the turn."""
        ...

    def start(self, started: TurnStarted) -> bytes:
        """Say that the model has begun."""
        ...

    def progress(self, deltas: Deltas) -> bytes:
        """Say what the model says."""
        ...

    def end(self, ended: TurnEnded) -> bytes:
        """Say that all went well."""
        ...


class Building(Protocol):
    """How a whole answer is written, from the same events."""

    def progress(self, deltas: Deltas) -> None:
        """Take in what the model says."""
        ...

    def end(self, started: TurnStarted, ended: TurnEnded) -> bytes:
        """Return the answer."""
        ...


class Going(msgspec.Struct, frozen=True):
    """A turn under way: where it went, its request's id of it, its events, the record of its request."""

    selection: Selection
    turn: str
    events: ReplyStream[TurnEvent]
    record: Record


class Answering:
    """Writes answers within the gateway's limits."""

    def __init__(self, limits: HttpLimits, log: "FilteringBoundLogger") -> None:
        self._limits = limits
        self._log = log

    async def read(self, exchange: Exchange, authenticator: Authenticator) -> bytes:
        """Return a request's body.

        Raises:
            ApiError: its sender may not call, or it cannot be read.
            ClientGone: its client left.
        """
        await authenticator.check(exchange)
        if (exchange.header(b"content-type") or "").lower().startswith("multipart/"):
            raise ApiError(
                415,
                INVALID_REQUEST,
                "Send the request's body as JSON, not as a form.",
                code="unsupported_media_type",
            )
        limits = self._limits
        return await exchange.read_body(limits.max_body_bytes, limits.body_timeout)

    async def while_there(
        self, exchange: Exchange, record: Record, answer: Callable[[], Awaitable[str | None]]
    ) -> None:
        """Run `answer` until its client leaves; what it returns is the code of the error that it sent."""
        record.error = "interrupted"
        try:
            record.error = await exchange.while_there(answer)
        except ClientGone:
            record.error = "client_left"
        finally:
            if record.error == "interrupted" and exchange.left:
                record.error = "client_left"

    def told(self, error: Exception, record: Record) -> ApiError:
        """Return an error as its client is told of it; ours are logged as well."""
        api_error = of_exception(error)
        if api_error.status == 500:
            self._log.error("http.failed", request_id=record.request_id, exc_info=error)
        return api_error

    async def refuse(self, exchange: Exchange, error: Exception, record: Record) -> str:
        """Answer a request that nothing was sent for yet with an error; return its code."""
        api_error = self.told(error, record)
        await exchange.respond_error(api_error)
        return api_error.body.code or api_error.body.type

    async def respond(self, exchange: Exchange, going: Going, building: Building) -> None:
        """Write a whole answer; raises what the turn does, before anything was written."""
        started: TurnStarted | None = None
        now = trio.lowlevel.current_clock().current_time  # three calls less than trio.current_time
        begun = now()
        async for event in going.events:
            match event:
                case TurnAccepted():
                    continue
                case TurnStarted():
                    started = event
                    note_start(going.record, started, now() - begun)
                case Progress(deltas):
                    building.progress(deltas)
                case TurnEnded():
                    assert started is not None, "a turn that ends well has started"  # noqa: S101
                    note_end(going.record, event)
                    body = building.end(started, event)
                    headers = (
                        JSON_TYPE,
                        *headers_of(going.selection),
                        *of_start(started, going.turn),
                        *of_cost(event.cost),
                        overhead(exchange.begun, started, event, now()),
                    )
                    await exchange.respond(200, headers, body)
                    return

    async def stream(
        self,
        exchange: Exchange,
        going: Going,
        telling: Telling,
        *,
        before: bytes = b"",
        at_once: bool = False,
    ) -> None:
        """Write a streamed answer, which begins with `before`.

        The head waits for the model's first word, unless it is wanted `at_once`. What the turn raises may
        come before the head or after it.
        """
        events, record, limits = going.events, going.record, self._limits
        begun = trio.current_time()
        first: TurnEvent | None = None
        if not at_once:
            with trio.move_on_after(limits.first_event):
                first = await anext(events)
        if isinstance(first, TurnStarted):
            before += telling.start(first)
            note_start(record, first, trio.current_time() - begun)
        else:
            before = before or KEEP_ALIVE
        await exchange.start(200, _headers_of(exchange, going, first))
        if before:
            await exchange.write(before)
        # The head may still wait for a piece, which may be none where events are left out.
        await self._go_on(exchange, going, telling, begun, headless=not before)

    async def _go_on(
        self, exchange: Exchange, going: Going, telling: Telling, begun: float, *, headless: bool
    ) -> None:
        """Write the rest as it comes, with a comment after each silence.

        A deadline stands until it passes, whatever is written meanwhile, and is set anew only then: a
        scope for each piece took 7 µs. It never reaches a write that waits, which it would cut in two.
        """
        events, heartbeat = going.events, self._limits.heartbeat
        now = trio.lowlevel.current_clock().current_time  # three calls less than trio.current_time
        said = now()
        while True:
            piece, ended = b"", False
            rest: Awaitable[None] | None = None
            with trio.CancelScope(deadline=said + heartbeat):
                async for event in events:
                    piece, ended = _told(event, going, telling, begun)
                    while not ended and (more := events.receive_nowait()) is not None:
                        another, ended = _told(more, going, telling, begun)
                        piece += another
                    if ended:
                        break
                    if piece or headless:
                        headless = False
                        rest, piece = exchange.put(piece), b""  # it may be long until the next
                        said = now()
                        if rest is not None:
                            break
                else:
                    return
            if ended:
                await exchange.write(piece, more=False)
                return
            if rest is not None:
                await rest
            elif now() >= said + heartbeat:
                await exchange.write(KEEP_ALIVE)
                headless = False
            else:
                continue  # something was said since
            said = now()


def _headers_of(exchange: Exchange, going: Going, first: TurnEvent | None) -> Sequence[Header]:
    """Return a stream's headers; nothing of them stays with the task that writes it."""
    headers = (*SSE_HEADERS, *headers_of(going.selection))
    if not isinstance(first, TurnStarted):
        return headers
    took = overhead(exchange.begun, first, None, trio.current_time())
    return (*headers, *of_start(first, going.turn), took)


def _told(event: TurnEvent, going: Going, telling: Telling, begun: float) -> tuple[bytes, bool]:
    """Return what is written of an event, and whether it is the last."""
    match event:
        case Progress(deltas):  # first, as nearly all are
            return telling.progress(deltas), False
        case TurnAccepted():
            return telling.accept(event), False
        case TurnStarted():
            note_start(going.record, event, trio.current_time() - begun)
            return telling.start(event), False
        case TurnEnded():
            note_end(going.record, event)
            return telling.end(event), True


def note_start(record: Record, started: TurnStarted, seconds: float) -> None:
    """Take down who answers, after how many seconds."""
    served = started.served
    record.first_event_s = round(seconds, 6)
    record.turn = started.turn
    record.model, record.attempt = str(served.route), served.attempt


def note_end(record: Record, ended: TurnEnded) -> None:
    """Take down what an answer took."""
    record.prompt_tokens = ended.usage.prompt
    record.completion_tokens = ended.usage.completion
    record.cost = ended.cost
