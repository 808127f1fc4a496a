"""The summary of what a prompt has no room for: made by the models of its turn, or not at all."""

import trio

from greenroom.actors.attempts import Again, Attempts, GiveUp
from greenroom.actors.calling import Caller
from greenroom.actors.channels.channel import Deltas, TextDelta
from greenroom.actors.entries import Prompt
from greenroom.actors.failure import Failure, FailureKind

_EMPTY = Failure(FailureKind.UPSTREAM_ERROR, "The model has said nothing.", code="empty")


async def sum_up(
    matter: Prompt, attempts: Attempts, caller: Caller, seconds: float
) -> tuple[str | None, str]:
    """Ask for a summary, within `seconds`; return it, or None and why there is none."""
    pieces: list[str] = []

    async def take(deltas: Deltas) -> None:
        pieces.extend(delta.text for delta in deltas if isinstance(delta, TextDelta))
        await trio.lowlevel.checkpoint()

    with trio.move_on_after(seconds) as limit:
        while True:
            pieces.clear()
            made = await caller.call(attempts.begin(), matter, take, first_by=limit.deadline)
            text = "".join(pieces).strip()
            failure = made.failure or (None if text else _EMPTY)
            if failure is None:
                return text, ""
            match attempts.failed(failure, made.retry):
                case GiveUp(final):
                    return None, final.code or final.kind.value
                case Again(_, wait):
                    await trio.sleep(wait)
    return None, f"took longer than {seconds:g} s"
