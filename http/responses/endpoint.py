"""`/v1/responses`: where responses are made, and what can be done with those that there are.

Who wants to hear one joins it while it runs, and reads it from the journal after its end; either way it
is the same, byte for byte.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from greenroom.actors.closing import stopping
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.house import House
from greenroom.actors.selection import Selection
from greenroom.actors.turn import Route, TurnAccepted
from greenroom.actors.turns import Found
from greenroom.http.access import Record, record_of
from greenroom.http.answer_headers import headers_of
from greenroom.http.answering import Answering, Going
from greenroom.http.auth import Authenticator
from greenroom.http.config import Gateway
from greenroom.http.errors import INVALID_REQUEST, NO_RETRY, ApiError, invalid
from greenroom.http.exchange import (
    JSON_TYPE,
    SSE_HEADERS,
    ClientGone,
    Exchange,
    Receive,
    Scope,
    Send,
)
from greenroom.http.parameters import (
    Parameters,
    flag,
    parameters_of,
    values_of,
    whole,
)
from greenroom.http.paths import not_allowed, segments_of, unknown_url
from greenroom.http.responses import RESPONSES
from greenroom.http.responses.asked import Asked, decode_asked
from greenroom.http.responses.create import Creating, tell_failure
from greenroom.http.responses.encoder import EventEncoder
from greenroom.http.responses.fields import check_include
from greenroom.http.responses.finding import find_response
from greenroom.http.responses.ids import response_id
from greenroom.http.responses.objects import ResponseDeleted
from greenroom.http.responses.paging import cut_page, page_of
from greenroom.http.responses.shown import show
from greenroom.http.responses.stored import events_of, input_of, response_as_it_is

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_NOT_HERE = frozenset({"compact", "input_tokens"})
"""What OpenAI has beside responses, and is not served."""

_NOWHERE = Route("", "")


class _One(msgspec.Struct, frozen=True):
    """A request about one response."""

    exchange: Exchange
    found: Found
    parameters: Parameters
    record: Record


_Verb = Callable[["Responses", _One], Awaitable[None]]


class Responses:
    """The endpoint, as an ASGI application for `/v1/responses` and everything below it."""

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
        self._creating = Creating(house, gateway, authenticator, self._answering)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        record = record_of(scope)
        segments = segments_of(scope, RESPONSES)
        try:
            if segments:
                await self._authenticator.check(exchange)
                await self._answer_one(exchange, scope, segments, record)
            elif exchange.method == "POST":
                await self._creating.answer(exchange, record)
            else:
                await not_allowed(exchange, ("POST",))
        except ClientGone:
            record.error = "client_left"
        except Exception as error:  # noqa: BLE001 - every error is answered, ours are logged as well
            record.error = await tell_failure(self._answering, exchange, error, record)

    async def _answer_one(
        self, exchange: Exchange, scope: Scope, segments: list[str], record: Record
    ) -> None:
        id_, *rest = segments
        verbs = _VERBS.get(rest[0] if rest else "")
        if verbs is None or len(rest) > 1 or id_ in _NOT_HERE:
            raise unknown_url(exchange)
        if exchange.method not in verbs:
            await not_allowed(exchange, verbs)
            return
        check_include(values_of(scope, "include"))
        found = await find_response(self._house, id_, "response_id", "response_not_found")
        record.agent, record.session = found.name.agent, found.name.key
        record.turn = found.turn.accepted.id
        await verbs[exchange.method](self, _One(exchange, found, parameters_of(scope), record))

    # One response

    async def retrieve(self, one: _One) -> None:
        """Return it as it is, or its events."""
        asked = _asked(one.found)
        if not flag(one.parameters, "stream"):
            await _respond(one.exchange, response_as_it_is(one.found, asked))
            return
        after = whole(one.parameters, "starting_after", -1)
        encoder = EventEncoder(asked, starting_after=None if after < 0 else after)
        one.record.stream = True
        await self._answering.while_there(
            one.exchange, one.record, lambda: self._stream(one, encoder)
        )

    async def delete(self, one: _One) -> None:
        """Forget it; what was said stays where others go on from it."""
        if one.found.turn.end is None:
            raise ApiError(
                409,
                INVALID_REQUEST,
                "This response is still in progress; cancel it first.",
                param="response_id",
                code="response_in_progress",
                headers=NO_RETRY,
            )
        await self._house.turns.forget(one.found)
        id_ = response_id(one.found.turn.accepted.id)
        await _respond(one.exchange, ResponseDeleted(id=id_))

    async def cancel(self, one: _One) -> None:
        """End it, if it goes on, and return it."""
        found, asked = one.found, _asked(one.found)
        if not asked.background:
            what = "Cannot cancel a synchronous response: it ends when its client leaves."
            raise invalid(what, "response_id", "invalid_value")
        if found.turn.end is None:
            await self._house.turns.cancel(found)
            found = await self._after_its_end(found)
        await _respond(one.exchange, response_as_it_is(found, asked))

    async def list_input(self, one: _One) -> None:
        """Return a page of what it was asked."""
        page, found = page_of(one.parameters), one.found
        until = await self._house.turns.until(found.name, found.turn.accepted.id)
        entries = input_of(found.turn, until)
        shown = [item for stored in entries for item in show(stored, is_last=False)]
        await _respond(one.exchange, cut_page(shown, page))

    # Events

    async def _stream(self, one: _One, encoder: EventEncoder) -> str | None:
        """Write the events; return the code of the error that was sent, None for a whole stream."""
        exchange, found = one.exchange, one.found
        selection = Selection(found.name.agent, found.name.key, False, _NOWHERE)
        try:
            if found.turn.end is None and await self._join(one, selection, encoder):
                return None
            found = await self._after_its_end(found)
            assert found.turn.end is not None, "it has ended"  # noqa: S101 - what was waited for
            for piece in events_of(found.turn, found.turn.end, encoder):
                if not exchange.started:
                    await exchange.start(200, (*SSE_HEADERS, *headers_of(selection)))
                await exchange.write(piece)
            await exchange.write(b"", more=False)
        except Exception as error:  # noqa: BLE001 - every error is answered, ours are logged as well
            return await tell_failure(self._answering, exchange, error, one.record, encoder)
        return None

    async def _join(self, one: _One, selection: Selection, encoder: EventEncoder) -> bool:
        """Write the events of a turn that goes on; return False if it has just ended."""
        async with self._house.turns.attach(one.found) as events:
            try:
                accepted = await anext(events)
            except TurnFailed as failed:
                if failed.failure.kind is FailureKind.NOT_FOUND:
                    return False
                raise
            assert isinstance(accepted, TurnAccepted), "it is announced"  # noqa: S101
            before = encoder.accept(accepted)
            going = Going(selection, accepted.turn, events, one.record)
            await self._answering.stream(one.exchange, going, encoder, before=before, at_once=True)
        return True

    async def _after_its_end(self, found: Found) -> Found:
        """Wait for a turn's end, and return it as the journal has it; raises `TurnFailed`, too."""
        if found.turn.end is not None:
            return found
        with suppress(TurnFailed):  # however it ends, the journal says it
            async with self._house.turns.attach(found) as events:
                async for _ in events:
                    continue
        id_ = response_id(found.turn.accepted.id)
        ended = await find_response(self._house, id_, "response_id", "response_not_found")
        if ended.turn.end is None:
            raise stopping()  # its session is going down, and says no more of it
        return ended


_VERBS: dict[str, dict[str, _Verb]] = {
    "": {"GET": Responses.retrieve, "DELETE": Responses.delete},
    "cancel": {"POST": Responses.cancel},
    "input_items": {"GET": Responses.list_input},
}


def _asked(found: Found) -> Asked:
    asked = decode_asked(found.turn.accepted.request)
    assert asked is not None, "only a response is found"  # noqa: S101 - what finding promises
    return asked


async def _respond(exchange: Exchange, body: object) -> None:
    await exchange.respond(200, (JSON_TYPE,), msgspec.json.encode(body))
