"""Turns over a WebSocket: asked for, heard again, ended.

A turn here is what it is over HTTP: the same checks, the same session, the same journal. Whoever has its
id goes on behind any of its events, as long as its session keeps them.
"""

from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.house import House
from greenroom.actors.stores.records import SessionName
from greenroom.http.checks import Order, read_order
from greenroom.http.config import Gateway
from greenroom.http.errors import INVALID_REQUEST, NO_RETRY, ApiError, invalid, missing
from greenroom.http.pictures import Pictures
from greenroom.http.session_objects import Cancelled
from greenroom.http.ws.asker import Asker
from greenroom.http.ws.calls import AttachParams, CancelParams, SendParams
from greenroom.http.ws.frames import TurnCancelled
from greenroom.http.ws.ordering import body_of, head_of, in_our_words
from greenroom.http.ws.telling import Telling

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class Chat:
    """What can be done with turns; every verb raises what it cannot answer."""

    def __init__(self, house: House, gateway: Gateway, log: "FilteringBoundLogger") -> None:
        self._house = house
        self._gateway = gateway
        self._pictures = Pictures(gateway.images)
        self._log = log

    async def send(self, asked: SendParams, asker: Asker) -> None:
        """Have a session take a turn, and tell it."""
        asker.words = partial(in_our_words, written=asked.request is not UNSET)
        order = self._read(asked, asker)
        selection, turn, record = order.selection, order.turn, asker.record
        record.agent, record.session = selection.agent, selection.session
        record.turn, record.stream = turn.id, True
        record.model = str(selection.route)
        entries = turn.entries
        if order.remote:
            entries = await self._pictures.inline(entries, order.remote)
        turn = msgspec.structs.replace(turn, entries=entries, streamed=True, announced=True)
        session = None if selection.ephemeral else selection.session
        telling = Telling(
            asker,
            self._log,
            selection.agent,
            session,
            own=turn.id,
            starting_after=order.starting_after,
        )
        async with self._house.submit(selection, turn) as events:
            await telling.tell(events)

    async def attach(self, asked: AttachParams, asker: Asker) -> None:
        """Tell a turn, while it goes on or after its end."""
        self._check_enabled()
        name = await self._name_of(asked.turn, asked.session, asked.agent)
        record = asker.record
        record.agent, record.session = name.agent, name.key
        record.turn, record.stream = asked.turn, True
        telling = Telling(
            asker, self._log, name.agent, name.key, starting_after=asked.starting_after
        )
        async with self._house.turns.join(name, asked.turn) as events:
            try:
                await telling.tell(events)
            except TurnFailed as failed:
                if failed.failure.kind is not FailureKind.NOT_FOUND:
                    raise
        if telling.answered:
            return
        # It neither waits nor runs, so it has ended, or never was.
        turn = await self._house.turns.ended(name, asked.turn)
        if turn is None or turn.end is None:
            raise _unknown(asked.turn)
        if turn.forgotten:
            what = "This turn's events are not kept any more; its text is in the session."
            code = "replay_expired"
            raise ApiError(
                409, INVALID_REQUEST, what, param="params.turn", code=code, headers=NO_RETRY
            )
        await telling.replay(turn, turn.end)

    async def cancel(self, asked: CancelParams, asker: Asker) -> None:
        """End a turn, or all that a session has."""
        record = asker.record
        if asked.turn is not None:
            name = await self._name_of(asked.turn, asked.session, asked.agent)
            record.agent, record.session, record.turn = name.agent, name.key, asked.turn
            cancelled = await self._house.turns.cancel_in(name, asked.turn)
            await asker.answer(TurnCancelled(turn=asked.turn, cancelled=cancelled))
            return
        if asked.session is None:
            raise missing("params.turn")
        name = self._house.session(asked.session, asked.agent)
        record.agent, record.session = name.agent, name.key
        cancelled = await self._house.archive.cancel(name)
        await asker.answer(Cancelled(key=name.key, agent=name.agent, cancelled=cancelled))

    def _read(self, asked: SendParams, asker: Asker) -> Order:
        self._check_enabled()
        images = self._gateway.images
        order = read_order(
            body_of(asked),
            head_of(asked, asker.head),
            self._house,
            max_depth=self._gateway.limits.max_json_depth,
            session_from_user=self._gateway.session_from_user,
            most_image_urls=images.max_urls if images.allow_url else 0,
        )
        if order.legacy:
            what = "`functions` is not served over the WebSocket: offer them as `tools`."
            raise invalid(what, "params.request.functions", "unsupported_parameter")
        return order

    def _check_enabled(self) -> None:
        if not self._gateway.chat_completions:
            what = (
                "Chat completions are switched off; "
                "`gateway.http.endpoints.chatCompletions.enabled` turns them on."
            )
            raise ApiError(404, INVALID_REQUEST, what, code="not_enabled")

    async def _name_of(self, turn: str, session: str | None, agent: str | None) -> SessionName:
        """Return the session of a turn, which is looked up where it is not said."""
        if session is not None:
            return self._house.session(session, agent)
        found = await self._house.turns.find(turn)
        if found is None:
            raise _unknown(turn)
        return found.name


def _unknown(turn: str) -> ApiError:
    what = f"There is no turn '{turn}'. One that waits for others is found with its `session` only."
    return ApiError(404, INVALID_REQUEST, what, param="params.turn", code="turn_not_found")
