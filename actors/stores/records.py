"""What a store has of sessions, and what it is asked and told; a number is one of a session's sequence.

Times are Unix seconds.
"""

from enum import StrEnum

import msgspec

from greenroom.actors.channels.channel import Deltas, FinishReason, Usage
from greenroom.actors.entries import SummaryEntry, TranscriptEntry
from greenroom.actors.failure import Failure
from greenroom.actors.turn import Served


class SessionName(msgspec.Struct, frozen=True):
    """A session: its agent's id and its key, which is unique among that agent's."""

    agent: str
    key: str


class Fence(msgspec.Struct, frozen=True):
    """What an owner knows of its session; a session that does not exist yet has epoch 0 and head 0.

    `claimed` tells that the epoch is this owner's own, raised by an append of its own.
    """

    epoch: int = 0
    head: int = 0
    claimed: bool = False


class StoredEntry(msgspec.Struct, frozen=True):
    """An entry of a transcript; `turn` is the one that added it.

    `cut` is the number of what cut it: it was there at every head below that. A summary stands for the
    live entries up to the number `upto`.
    """

    seq: int
    turn: str
    entry: TranscriptEntry | SummaryEntry
    cut: int | None = None
    upto: int | None = None


class Fork(msgspec.Struct, frozen=True):
    """Where a session's transcript begins: that of another up to `seq`, as it stood at `head`.

    Nothing is copied; what becomes of the other afterwards is nothing to the fork. Once the other is
    deleted, the fork keeps what it has of it and is a fork no more.
    """

    source: SessionName
    seq: int
    head: int


class TurnState(StrEnum):
    """How far a turn is."""

    ACCEPTED = "accepted"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class AcceptedTurn(msgspec.Struct, frozen=True):
    """A turn at its acceptance: all that is needed to know it again, and to close it after a crash.

    `fingerprint` is of its request's body and credential, `idempotency` its client's own key. `model` is
    the client's spelling and `created` the Unix seconds of its answer, as every replay tells them. The
    turn keeps the transcript's entries up to `keep_to` (a number, None for all) and adds `added`.
    `request` is what the API that it came in by wants to know of it later, and nobody else reads. `steps`
    are what it has said and done so far, while it is open; at its end they are among its entries.
    """

    id: str
    accepted: float
    fingerprint: bytes
    idempotency: str | None
    model: str
    created: int
    streamed: bool
    keep_to: int | None
    added: tuple[TranscriptEntry, ...]
    request: bytes | None = None
    steps: tuple[TranscriptEntry, ...] = ()
    metadata: dict[str, str] = {}


class TurnEnd(msgspec.Struct, frozen=True):
    """How a turn ended: what it makes of the transcript, and what its client was told, to be told again.

    With `cut_from`, the live entries from that sequence number on are cut, and with them a summary that
    stands for one of them (a later summary of earlier entries stays); `entries` follow, and a summary
    among them stands for all that is before it. `deltas` is all that was streamed, without finish and
    usage. A failed or interrupted turn has a `failure`.
    """

    id: str
    state: TurnState
    ended: float
    cut_from: int | None = None
    entries: tuple[TranscriptEntry | SummaryEntry, ...] = ()
    deltas: Deltas = ()
    reason: FinishReason | None = None
    usage: Usage = Usage()
    cost: float | None = None
    served: Served | None = None
    failure: Failure | None = None


class StoredTurn(msgspec.Struct, frozen=True):
    """A turn as the journal has it; `end` is None while it is accepted and no more.

    Of one that ended long ago the deltas are gone, which `forgotten` tells.
    """

    accepted: AcceptedTurn
    end: TurnEnd | None
    forgotten: bool = False


class SessionState(msgspec.Struct, frozen=True):
    """What waking a session reads: its fence, what its next prompt needs, and what was left open.

    `entries` are the last summary and the live ones behind those that it stands for, or all live ones if
    there is no summary; `earlier` says whether there are others before them. `open_turns` are those
    accepted and not ended. `created`, `active` (of the last acceptance, end or reset) and `reset` (of the
    last reset) are times.
    """

    name: SessionName
    fence: Fence
    created: float
    active: float
    entries: tuple[StoredEntry, ...]
    earlier: bool
    open_turns: tuple[AcceptedTurn, ...]
    reset: float | None = None
    fork: Fork | None = None


class SessionInfo(msgspec.Struct, frozen=True):
    """A session in a list.

    `turns` counts its own, `entries` the live ones with those of its fork and the summaries among them,
    `size` the bytes of what its own journal says. `attributes` is what it was annotated with.
    """

    name: SessionName
    created: float
    active: float
    head: int
    turns: int
    entries: int
    size: int
    fork: Fork | None = None
    attributes: bytes | None = None


class Query(msgspec.Struct, frozen=True):
    """Which sessions: by agent, by the key's beginning, by activity (Unix seconds); latest first.

    `after` is the cursor of the page before, `limit` how many there are on one.
    """

    agent: str | None = None
    prefix: str = ""
    active_since: float | None = None
    active_before: float | None = None
    after: str | None = None
    limit: int = 100


class Page(msgspec.Struct, frozen=True):
    """Some sessions, and the cursor of those after them, None at the end."""

    sessions: tuple[SessionInfo, ...]
    next: str | None


class Retention(msgspec.Struct, frozen=True):
    """What is kept for how long; None keeps it.

    Sessions idle for `max_idle` seconds are deleted, the idlest first where the store is larger than
    `max_bytes`, and those that were made to last so long only; a turn's deltas are dropped `replay`
    seconds after its end. A session with an open turn counts as idle after a day without an append at the
    earliest.
    """

    max_idle: float | None = None
    max_bytes: int | None = None
    replay: float = 86_400.0


class Kept(msgspec.Struct, frozen=True):
    """What one step of retention did; `more` tells that there is more to do."""

    deleted: tuple[SessionName, ...] = ()
    forgotten: int = 0
    more: bool = False
