"""What is said: one question and one answer, as the client, the model and the journal have them."""

import os
from collections.abc import Sequence

from greenroom.actors.channels.channel import Deltas, Finish, FinishReason, TextDelta, Usage
from greenroom.actors.entries import AssistantEntry, UserEntry
from greenroom.actors.stores.records import (
    AcceptedTurn,
    SessionName,
    TurnEnd,
    TurnState,
)
from greenroom.actors.turn import Route, Served

AGENT = "main"
ROUTE = Route("model", "at-once")
QUESTION = UserEntry(
    "What did we say about the boats, and who was to see to them before winter? " * 2
)
_ANSWER = "Ada was to see to them; the larger one needs a new mast, and nobody has said when. " * 4
ANSWER = AssistantEntry(_ANSWER)
TOLD: Deltas = tuple(TextDelta(f"{word} ") for word in _ANSWER.split())
ENDED: Deltas = (Finish(FinishReason.STOP), Usage(prompt=40, completion=len(TOLD)))


def name_of(number: int) -> SessionName:
    """Return the name of the session that has this number."""
    return SessionName(AGENT, f"session-{number}")


def accepted(at: float) -> AcceptedTurn:
    """Return a turn's acceptance at that time."""
    return AcceptedTurn(
        id=os.urandom(12).hex(),
        accepted=at,
        fingerprint=bytes(32),
        idempotency=None,
        model="greenroom",
        created=int(at),
        streamed=True,
        keep_to=None,
        added=(QUESTION,),
    )


def ended(turn: AcceptedTurn) -> Sequence[TurnEnd]:
    """Return the end of an accepted turn, a second after it."""
    end = TurnEnd(
        id=turn.id,
        state=TurnState.FINISHED,
        ended=turn.accepted + 1,
        entries=(*turn.added, ANSWER),
        deltas=TOLD,
        reason=FinishReason.STOP,
        usage=Usage(prompt=40, completion=len(TOLD)),
        served=Served(ROUTE, 1),
    )
    return (end,)
