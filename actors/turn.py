"""A turn: what a request asks of a session, and the events that tell how it goes."""

from enum import StrEnum

import msgspec

from greenroom.actors.channels.channel import Deltas, FinishReason, Usage
from greenroom.actors.entries import (
    Entry,
    Sampling,
    Tool,
    ToolCall,
    ToolChoice,
    ToolEntry,
    UserEntry,
)
from greenroom.runtime import Subscription


class Route(msgspec.Struct, frozen=True):
    """Which model answers: a provider's id, and the model's id there."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


ELSEWHERE = "elsewhere"
"""The code of a refused turn whose session has gone on from where it was to follow."""


class OnBusy(StrEnum):
    """What a turn does to the one that runs when it comes."""

    ENQUEUE = "enqueue"
    """Waits for its turn."""
    REJECT = "reject"
    """Is refused."""
    INTERRUPT = "interrupt"
    """Ends it; what it has said so far is kept, and marked."""
    ROLLBACK = "rollback"
    """Ends it without a trace."""


class OnDisconnect(StrEnum):
    """What becomes of a turn whose last reader leaves."""

    CANCEL = "cancel"
    CONTINUE = "continue"


class ForkFrom(msgspec.Struct, frozen=True):
    """Where a new session's transcript is to begin: that of another of the same agent, up to `seq`.

    Without `seq`, all of it. With `as_it_stood`, what the other has cut behind that is there again.
    """

    key: str
    seq: int | None = None
    as_it_stood: bool = False


class Sender(msgspec.Struct, frozen=True):
    """How a request is known again, and what it asks beside an answer.

    `fingerprint` is a digest of the request's body and its credential. `idempotency` is the client's own
    name of the turn. A `retry` says of itself that it was sent before. `resumes` tells that its client
    has a part of the answer already.
    """

    fingerprint: bytes = b""
    idempotency: str | None = None
    retry: bool = False
    resumes: bool = False
    on_busy: OnBusy = OnBusy.ENQUEUE
    on_disconnect: OnDisconnect = OnDisconnect.CANCEL
    fork: ForkFrom | None = None


class TurnRequest(msgspec.Struct, frozen=True):
    """One request, free of its wire format.

    `route` answers, or where it fails before its first word one of `fallbacks`, in order. `entries`
    are its messages in order; those of the system count for this turn alone. `extra` holds fields that
    only OpenAI-type upstreams know, as JSON by name. An `ephemeral` turn is the only one of its session,
    which ends with it; one that is asked `once` is known again in a session of its own, and begins that
    anew. The client of a `streamed` turn sees the answer while it comes, so what it has seen is kept if
    the answer is cut; otherwise nothing of it is. `model` is the client's spelling and `created` the Unix
    seconds of its answer, as every replay tells them. `metadata` is the client's own.

    What `appends` is all new, whatever of the transcript it repeats, and `places` says where each entry
    stood in the request, if not among its messages. A turn that `follows` another is refused with the
    code `ELSEWHERE` unless that one is its session's last when it comes; one that follows "" has to be
    the first. `request` is kept with the turn for the API that it came in by, and such a turn is in the
    journal even before it waits. `chain` are the agents that have asked one another until it came to this
    turn. It begins with the `calls` of tools that run here, without asking anybody again, or with their
    `results` where these are known. One that is `whole` is never made shorter to fit its model's window,
    and one that is `announced` begins its stream with `TurnAccepted`. A session that is new with it is
    deleted `lasts` seconds after its last append; None for never. What `is_own` asks for its agent's
    own model, whichever that is when it begins.
    """

    id: str
    route: Route
    entries: tuple[Entry, ...]
    fallbacks: tuple[Route, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    sampling: Sampling = Sampling()
    extra: dict[str, bytes] = {}
    ephemeral: bool = False
    once: bool = False
    streamed: bool = False
    model: str = ""
    created: int = 0
    sender: Sender = Sender()
    appends: bool = False
    places: tuple[str, ...] = ()
    follows: str | None = None
    request: bytes | None = None
    whole: bool = False
    announced: bool = False
    lasts: float | None = None
    metadata: dict[str, str] = {}
    chain: tuple[str, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    results: tuple[ToolEntry, ...] = ()
    is_own: bool = False

    @property
    def is_inner(self) -> bool:
        """Whether it comes from inside, and no client has asked for it."""
        return any(isinstance(entry, UserEntry) and entry.inner for entry in self.entries)

    @property
    def is_kept_early(self) -> bool:
        """Whether it is in the journal even while it waits, so that nobody takes it for unknown."""
        return self.request is not None or self.is_inner


class Served(msgspec.Struct, frozen=True):
    """Who answers a turn, at which attempt, counted from 1."""

    route: Route
    attempt: int


class TurnAccepted(msgspec.Struct, frozen=True, tag="accepted"):
    """The session has the turn, and runs it now or once the `ahead` turns before it have ended.

    `turn`, `model` and `created` are those of the request that made the turn.
    """

    turn: str
    model: str = ""
    created: int = 0
    ahead: int = 0


class TurnStarted(msgspec.Struct, frozen=True, tag="started"):
    """The model has said its first word, or ended without one.

    `model` and `created` are those of the request that made the turn, which a reader that comes later
    may not be. `ahead` is how many turns were before it when it came. `limits` are the upstream's, as
    `Notes` has them. `called` is when a model was first asked, by trio's clock; a turn that has ended
    does not tell it again.
    """

    turn: str
    served: Served
    model: str = ""
    created: int = 0
    ahead: int = 0
    limits: dict[str, str] = {}
    called: float | None = None


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """A batch of the answer, without its usage and finish."""

    deltas: Deltas


class TurnEnded(msgspec.Struct, frozen=True, tag="ended"):
    """The answer is whole, and kept in the transcript; the last event of a turn.

    `cost` is money by the configuration's prices, None where the model has none. `ended` is when, in Unix
    seconds. `answered` is when the model had ended, by trio's clock; a turn that is told again does not
    tell that.
    """

    reason: FinishReason
    usage: Usage
    cost: float | None = None
    ended: float = 0.0
    answered: float | None = None


TurnEvent = TurnAccepted | TurnStarted | Progress | TurnEnded


class Submit(Subscription[TurnEvent], frozen=True):
    """Ask a session for a turn.

    The stream is `TurnStarted`, any `Progress`, `TurnEnded`, with `TurnAccepted` before that for an
    announced turn; or it raises `TurnFailed` at any point. A
    request that is known already joins its turn, from the beginning on, whether it runs or has ended. The
    leaving of its last reader cancels a turn, unless its sender wants it to continue.
    """

    turn: TurnRequest
