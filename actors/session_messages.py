"""What a session understands: turns, who wants to hear of them, and changes of the whole session."""

import msgspec

from greenroom.actors.channels.channel import Deltas
from greenroom.actors.entries import TranscriptEntry
from greenroom.actors.turn import Submit, TurnEvent
from greenroom.runtime import Ending, Message, Request, Subscription


class RunEnded(Message, frozen=True):
    """The run of the current turn has ended."""

    ending: Ending


class FollowerEnded(Message, frozen=True):
    """A reader that was told a recording is told no more."""


class ClientLeft(Message, frozen=True):
    """The first reader of this turn has left."""

    turn: str


# Of one turn


class Attach(Subscription[TurnEvent], frozen=True):
    """Hear a turn that waits or runs, from its beginning on, `TurnAccepted` first.

    Raises `TurnFailed` (NOT_FOUND) at once if there is no such turn: it has ended, or never was.
    """

    turn: str


class SoFar(msgspec.Struct, frozen=True):
    """What a turn that waits, or `runs`, has told so far."""

    runs: bool
    deltas: Deltas


class Look(Request[SoFar | None], frozen=True):
    """Ask how far a turn is; None if it neither waits nor runs."""

    turn: str


# Of the whole session; these refuse with `TurnFailed` (CONFLICT) while a turn runs


class Cancel(Request[bool], frozen=True):
    """End the running turn and those that wait, or `turn` alone; answers whether there was one."""

    turn: str | None = None


class Reset(Request[None], frozen=True):
    """Begin the transcript anew."""


class Delete(Request[None], frozen=True):
    """Delete the session, with all that was said."""


class Annotate(Request[None], frozen=True):
    """Keep `attributes` with the session, which is made if it is new."""

    attributes: bytes


class Append(Request[None], frozen=True):
    """Add `entries` to the transcript, as a turn named `turn` that no model answers.

    `places` says where each stood in its request. Calls may stay open at their end. Refuses with
    `TurnFailed` (INVALID_REQUEST) what does not fit the transcript.
    """

    turn: str
    entries: tuple[TranscriptEntry, ...]
    places: tuple[str, ...]


class Erase(Request[None], frozen=True):
    """Take the entry of that number out of the transcript.

    Refuses with `TurnFailed` (CONFLICT) one that is not the session's own, or has to do with a tool call,
    because a call and its result belong together.
    """

    seq: int


OfTurns = Submit | Attach | Look | Cancel
OfTheWhole = Reset | Delete | Annotate | Append | Erase
SessionMessage = OfTurns | OfTheWhole | RunEnded | FollowerEnded | ClientLeft
