"""One turn, told to whoever asked: first that the session has it, then its numbered events."""

from typing import TYPE_CHECKING

import trio

from greenroom.actors.closing import outcome_of
from greenroom.actors.failure import Failure, TurnFailed
from greenroom.actors.stores.records import StoredTurn, TurnEnd
from greenroom.actors.turn import Progress, TurnAccepted, TurnEnded, TurnEvent, TurnStarted
from greenroom.http.answering import note_end, note_start
from greenroom.http.ws.asker import Asker
from greenroom.http.ws.encoder import FrameEncoder
from greenroom.http.ws.frames import TurnTaken
from greenroom.runtime import ReplyStream

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_AT_ONCE = 256
"""Deltas of an ended turn that are encoded in one step."""


class Telling:
    """Tells a turn of `session`, None for one that passes; `own` is the request's own turn."""

    def __init__(
        self,
        asker: Asker,
        log: "FilteringBoundLogger",
        agent: str,
        session: str | None,
        *,
        own: str = "",
        starting_after: int = 0,
    ) -> None:
        self._asker = asker
        self._log = log
        self._agent = agent
        self._session = session
        self._own = own
        self._encoder = FrameEncoder(asker.id, starting_after)
        self._begun = trio.current_time()
        self.answered = False

    async def tell(self, events: ReplyStream[TurnEvent]) -> None:
        """Tell a turn until its end; what it fails with before it has begun is raised."""
        try:
            async for event in events:
                await self._take(event)
        except Exception as error:
            if not self.answered:
                raise
            await self._fail(error)

    async def replay(self, turn: StoredTurn, end: TurnEnd) -> None:
        """Tell a turn that has ended."""
        accepted = turn.accepted
        await self._take(TurnAccepted(accepted.id, accepted.model, accepted.created))
        if end.served is not None:
            model, created = accepted.model, accepted.created
            await self._take(TurnStarted(accepted.id, end.served, model, created))
        for first in range(0, len(end.deltas), _AT_ONCE):
            await self._take(Progress(end.deltas[first : first + _AT_ONCE]))
        outcome = outcome_of(end)
        if isinstance(outcome, Failure):
            await self._fail(TurnFailed(outcome))
        else:
            await self._take(outcome)

    async def _take(self, event: TurnEvent) -> None:
        encoder, record = self._encoder, self._asker.record
        match event:
            case TurnAccepted():
                encoder.accept(event)
                await self._answer(event.turn, event.model, event.created, event.ahead)
            case TurnStarted():
                encoder.start(event)
                note_start(record, event, trio.current_time() - self._begun)
                await self._answer(event.turn, event.model, event.created, event.ahead)
            case Progress(deltas):
                encoder.progress(deltas)
            case TurnEnded():
                encoder.end(event)
                note_end(record, event)
        await self._asker.tell(encoder.take())

    async def _answer(self, turn: str, model: str, created: int, ahead: int) -> None:
        if self.answered:
            return
        self.answered = True
        self._asker.record.turn = turn
        taken = TurnTaken(
            turn=turn,
            agent=self._agent,
            session=self._session,
            model=model,
            created=created,
            ahead=ahead,
            replayed=turn != self._own,
        )
        await self._asker.answer(taken)

    async def _fail(self, error: Exception) -> None:
        self._encoder.fail_with(self._asker.told(error, self._log))
        await self._asker.tell(self._encoder.take())
