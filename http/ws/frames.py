"""What a client of the WebSocket gets: one answer to each request (`res`), and events (`event`).

Frames are JSON objects, each one text message. `docs/websocket.md` is the reference.
"""

from enum import IntEnum
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from greenroom.http.errors import ApiError, ErrorBody
from greenroom.http.wire import CompletionUsage
from greenroom.http.ws.calls import PROTOCOL


class Code(IntEnum):
    """Why a connection is closed."""

    NORMAL = 1000
    GOING_AWAY = 1001
    UNSUPPORTED = 1003
    INVALID = 1007
    POLICY = 1008
    TOO_LARGE = 1009


class Limits(msgspec.Struct, frozen=True):
    """What one connection may do."""

    max_frame_bytes: int
    max_requests: int


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `connect`: which connection it is, and how it is served."""

    object: Literal["connection"] = "connection"
    protocol: int = PROTOCOL
    connection: str
    tick_seconds: float
    limits: Limits


class TurnTaken(msgspec.Struct, frozen=True, kw_only=True):
    """The session has the turn, behind `ahead` others; `replayed` is one that was there before."""

    object: Literal["turn"] = "turn"
    turn: str
    agent: str
    session: str | None
    model: str
    created: int
    ahead: int = 0
    replayed: bool = False


class TurnDone(msgspec.Struct, frozen=True, kw_only=True):
    """The turn is whole, and kept; `cost` is money, where its model has a price."""

    finish_reason: str
    usage: CompletionUsage
    cost: float | None
    provider: str | None
    model: str | None
    attempt: int | None


class TurnCancelled(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a turn was ended."""

    object: Literal["turn.cancelled"] = "turn.cancelled"
    turn: str
    cancelled: bool


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """Whose news come from now on; null for all."""

    object: Literal["subscription"] = "subscription"
    key: str | None
    agent: str | None


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Whether there was such a request."""

    object: Literal["request.left"] = "request.left"
    request: str
    left: bool


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """What has happened to a session, at a time in Unix seconds; `state` is how a turn ended."""

    key: str
    agent: str
    at: float
    turn: str | None
    state: str | None


class Missing(msgspec.Struct, frozen=True):
    """The subscription has ended."""

    reason: str = (
        "News came faster than they were read. Subscribe again, and look at what is there."
    )


class Failed(msgspec.Struct, frozen=True):
    """How the turn failed: what an answer over HTTP would have said."""

    error: ErrorBody
    status: int


class Ticked(msgspec.Struct, frozen=True):
    """The time of day, in Unix seconds."""

    at: float


class Stopping(msgspec.Struct, frozen=True):
    """The gateway stops: turns under way end, and no other begins."""

    reason: str = "The gateway is stopping."


class Res(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="res"):
    """The one answer to a request; `retry_after` is in seconds."""

    id: str
    ok: bool
    payload: object = UNSET
    error: ErrorBody | UnsetType = UNSET
    status: int | UnsetType = UNSET
    retry_after: float | UnsetType = UNSET


class TurnEventFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """An event of a turn, for the request of that `id`; `seq` counts a turn's events from 1."""

    event: Literal["chat.chunk", "chat.done", "chat.failed"]
    id: str
    turn: str
    seq: int
    payload: Raw | TurnDone | Failed


class NewsFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """An event of a subscription, for the request of that `id`."""

    event: Literal[
        "turn.accepted", "turn.ended", "session.reset", "session.deleted", "subscription.lost"
    ]
    id: str
    payload: Happened | Missing


class EventFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """An event of the connection."""

    event: Literal["tick", "shutdown"]
    payload: Ticked | Stopping


Frame = Res | TurnEventFrame | NewsFrame | EventFrame

encode = msgspec.json.Encoder().encode


def refusal(id_: str, error: ApiError) -> Res:
    """Return the answer to a request that is refused."""
    after = error.headers.get("retry-after")
    return Res(
        id=id_,
        ok=False,
        error=error.body,
        status=error.status,
        retry_after=UNSET if after is None else float(after),
    )
