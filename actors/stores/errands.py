"""What sessions wait for, durable: a person's word, a time, another agent's answer.

An errand belongs to a session and goes with it. When its time has come, somebody runs it, and a turn of
the session comes of it; see `greenroom.actors.errands`. Times are Unix seconds.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from greenroom.actors.entries import ToolCall
from greenroom.actors.stores.records import SessionName

MOST_OF_A_SESSION = 256
"""Errands that one session may have at once."""


class Decision(msgspec.Struct, frozen=True):
    """A person's word on an approval; nobody's (`by` is None) if its time was over."""

    approves: bool
    at: float
    by: str | None = None
    reason: str | None = None


class Approval(msgspec.Struct, frozen=True, tag="approval"):
    """A call of a tool that waits for a person's yes; `turn` is the one that made it."""

    turn: str
    call: ToolCall
    decision: Decision | None = None


class Reminder(msgspec.Struct, frozen=True, tag="reminder"):
    """A text that the session is to be told, once, or whenever `cron` says (in UTC)."""

    text: str
    cron: str | None = None


class Question(msgspec.Struct, frozen=True, tag="question"):
    """What another agent is asked in the session `asked`, whose answer this one is to be told.

    `chain` are the agents that have asked one another until it came to this, the last one last.
    """

    asked: SessionName
    text: str
    chain: tuple[str, ...] = ()


Business = Approval | Reminder | Question


class Errand(msgspec.Struct, frozen=True):
    """One thing that a session waits for.

    It is to be run at `due`, and has been tried `tries` times since; the turn of the nth try is called
    `<id>.<n>`. One that is run more than once counts its `rounds`.
    """

    id: str
    session: SessionName
    created: float
    due: float
    business: Business
    tries: int = 0
    rounds: int = 0

    @property
    def turn(self) -> str:
        """The id of the turn that its last try is."""
        return f"{self.id}.{self.rounds}.{self.tries}"


class Errands(Protocol):
    """All errands of a store. Any verb raises `StoreFailed`."""

    async def add(self, errand: Errand) -> None:
        """Keep a new one.

        Raises:
            ValueError: its session does not exist, or has too many, or there is one of this id.
        """
        ...

    async def get(self, id_: str) -> Errand | None:
        """Read one."""
        ...

    async def list(
        self, session: SessionName | None = None, *, after: str = "", limit: int = 100
    ) -> Sequence[Errand]:
        """Read a page of them in the order of their ids, of one session or of all."""
        ...

    async def due(self, now: float, *, limit: int = 100) -> Sequence[Errand]:
        """Read those that are due, the longest first."""
        ...

    async def next_due(self, after: float) -> float | None:
        """Return when the first one is due after a time, None if there is none."""
        ...

    async def replace(self, before: Errand, after: Errand | None) -> bool:
        """Have one be another, or be gone, if it still is as it was before; return whether it was."""
        ...
