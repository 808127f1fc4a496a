"""What is done to a whole session between two turns, over its journal: one branch for each message."""

from greenroom.actors.entries import AssistantEntry, UserEntry
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.journal import Journal, Planned
from greenroom.actors.session_messages import Annotate, Append, Delete, Erase, OfTheWhole, Reset
from greenroom.actors.stores.records import TurnEnd, TurnState
from greenroom.actors.transcript import Sent
from greenroom.actors.turn import Route, TurnRequest

_NOBODY = Route("", "")


async def change(journal: Journal, message: OfTheWhole, now: float) -> None:
    """Do what `message` says, at `now` (Unix seconds).

    Raises:
        TurnFailed: as the message says.
        StoreFailed, Fenced.
    """
    match message:
        case Reset():
            await journal.reset(now)
        case Delete():
            await journal.delete()
        case Annotate(attributes):
            await journal.annotate(attributes, now)
        case Append():
            await _append(journal, message, now)
        case Erase(seq):
            await _erase(journal, seq)


async def _append(journal: Journal, message: Append, now: float) -> None:
    sent = [Sent(*pair) for pair in zip(message.entries, message.places, strict=True)]
    planned = Planned(journal.past.append(sent), journal.past)
    await journal.accept(TurnRequest(message.turn, _NOBODY, message.entries), planned, now)
    end = TurnEnd(message.turn, TurnState.FINISHED, now, entries=planned.plan.added)
    await journal.end(planned, end)


async def _erase(journal: Journal, seq: int) -> None:
    stored = await journal.entry(seq)
    match None if stored is None else stored.entry:
        case UserEntry() | AssistantEntry(tool_calls=()):
            pass
        case None:
            raise TurnFailed.of(FailureKind.NOT_FOUND, f"There is no entry {seq} in the session.")
        case _:
            raise TurnFailed.of(
                FailureKind.CONFLICT,
                "A tool call and its output belong together, and cannot be deleted apart.",
                code="item_in_use",
            )
    try:
        await journal.erase(seq)
    except ValueError:
        raise TurnFailed.of(
            FailureKind.CONFLICT,
            "This was said in the session that this one was forked from, and cannot be deleted here.",
            code="item_in_use",
        ) from None
