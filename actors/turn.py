"""A turn: what a request asks of a session, and the events that tell how it goes."""

import msgspec

from greenroom.actors.channels.channel import Deltas, FinishReason, Usage
from greenroom.actors.entries import Entry, Sampling, Tool, ToolChoice
from greenroom.runtime import Subscription


class Route(msgspec.Struct, frozen=True):
    """Which model answers: a provider's id, and the model's id there."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


class TurnRequest(msgspec.Struct, frozen=True):
    """One request, free of its wire format.

    `route` answers, or where it fails before its first word one of `fallbacks`, in order. `entries`
    are its messages in order; those of the system count for this turn alone. `extra` holds fields that
    only OpenAI-type upstreams know, as JSON by name. An `ephemeral` turn is the only one of its session,
    which ends with it. The client of a `streamed` turn sees the answer while it comes, so what it has
    seen is kept if the answer is cut; otherwise nothing of it is.
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
    streamed: bool = False


class Served(msgspec.Struct, frozen=True):
    """Who answers a turn, at which attempt, counted from 1."""

    route: Route
    attempt: int


class TurnStarted(msgspec.Struct, frozen=True, tag="started"):
    """The model has said its first word, or ended without one."""

    turn: str
    served: Served


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """A batch of the answer, without its usage and finish."""

    deltas: Deltas


class TurnEnded(msgspec.Struct, frozen=True, tag="ended"):
    """The answer is whole, and kept in the transcript; the last event of a turn.

    `cost` is money by the configuration's prices, None where the model has none.
    """

    reason: FinishReason
    usage: Usage
    cost: float | None = None


TurnEvent = TurnStarted | Progress | TurnEnded


class Submit(Subscription[TurnEvent], frozen=True):
    """Ask a session for a turn.

    The stream is `TurnStarted`, any `Progress`, `TurnEnded`; or it raises `TurnFailed` at any point.
    Leaving it cancels the turn.
    """

    turn: TurnRequest
