"""The frames of the WebSocket: JSON objects, each one text message.

A client sends requests (`req`); each is answered once (`res`). What happens meanwhile comes as events
(`event`). `docs/websocket.md` is the reference.
"""

from enum import IntEnum
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from greenroom.actors.turn import OnBusy, OnDisconnect
from greenroom.http.errors import ApiError, ErrorBody
from greenroom.http.wire import CompletionUsage

PROTOCOL = 1

_Id = Annotated[str, Meta(min_length=1, max_length=64)]
_Limit = Annotated[int, Meta(ge=1, le=1000)]
_After = Annotated[int, Meta(ge=0)]
_Key = Annotated[str, Meta(min_length=1)]


class Code(IntEnum):
    """Why a connection is closed."""

    NORMAL = 1000
    GOING_AWAY = 1001
    UNSUPPORTED = 1003
    INVALID = 1007
    POLICY = 1008
    TOO_LARGE = 1009


# What a client sends


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a request asks."""


class Credentials(Params, frozen=True):
    """The gateway's secret."""

    token: str | None = None
    password: str | None = None


class ConnectParams(msgspec.Struct, frozen=True, kw_only=True):
    """Who connects; what else a client says of itself is not looked at."""

    protocol: int = PROTOCOL
    auth: Credentials = Credentials()


class SendParams(Params, frozen=True):
    """A turn: a chat completions request, or only a `text` for a `model`; where, and how."""

    request: Raw | UnsetType = UNSET
    text: str | UnsetType = UNSET
    model: str = "openclaw"
    session: str | None = None
    agent: str | None = None
    backend: str | None = None
    idempotency_key: str | None = None
    on_busy: OnBusy | None = None
    on_disconnect: OnDisconnect | None = None
    fork_from: str | None = None
    pin: bool = False
    starting_after: _After | None = None


class AttachParams(Params, frozen=True):
    """A turn to be heard, behind the event of that number."""

    turn: _Key
    session: str | None = None
    agent: str | None = None
    starting_after: _After = 0


class CancelParams(Params, frozen=True):
    """A turn to be ended, or all of a session."""

    turn: str | None = None
    session: str | None = None
    agent: str | None = None


class ListParams(Params, frozen=True):
    """Which sessions."""

    agent: str | None = None
    prefix: str = ""
    active_since: float | None = None
    active_before: float | None = None
    after: str | None = None
    limit: _Limit = 100


class SessionParams(Params, frozen=True):
    """One session."""

    key: _Key
    agent: str | None = None


class TranscriptParams(SessionParams, frozen=True):
    """A page of what was said in it."""

    after: _After = 0
    limit: _Limit = 100
    cut: bool = False


class ErrandsParams(Params, frozen=True):
    """Which errands: those of a session, or all."""

    session: str | None = None
    agent: str | None = None
    after: str = ""
    limit: _Limit = 100


class DecideParams(Params, frozen=True):
    """A person's word on an approval; `by` is who that is."""

    errand: _Key
    approves: bool
    by: str = "the operator"
    reason: str | None = None


class _Call(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="method", forbid_unknown_fields=True
):
    type: Literal["req"]
    id: _Id


class Connect(_Call, frozen=True, tag="connect"):
    """The first frame."""

    params: ConnectParams = ConnectParams()


class ChatSend(_Call, frozen=True, tag="chat.send"):
    """Ask for a turn, and hear it."""

    params: SendParams


class ChatAttach(_Call, frozen=True, tag="chat.attach"):
    """Hear a turn again, or go on with it."""

    params: AttachParams


class ChatCancel(_Call, frozen=True, tag="chat.cancel"):
    """End a turn."""

    params: CancelParams


class SessionsList(_Call, frozen=True, tag="sessions.list"):
    """List sessions."""

    params: ListParams = ListParams()


class SessionsGet(_Call, frozen=True, tag="sessions.get"):
    """Show a session."""

    params: SessionParams


class SessionsTranscript(_Call, frozen=True, tag="sessions.transcript"):
    """Show what was said."""

    params: TranscriptParams


class SessionsReset(_Call, frozen=True, tag="sessions.reset"):
    """Begin a session's transcript anew."""

    params: SessionParams


class SessionsDelete(_Call, frozen=True, tag="sessions.delete"):
    """Delete a session."""

    params: SessionParams


class ErrandsList(_Call, frozen=True, tag="errands.list"):
    """List what sessions wait for."""

    params: ErrandsParams = ErrandsParams()


class ErrandsDecide(_Call, frozen=True, tag="errands.decide"):
    """Decide an approval."""

    params: DecideParams


Asked = (
    ChatSend
    | ChatAttach
    | ChatCancel
    | SessionsList
    | SessionsGet
    | SessionsTranscript
    | SessionsReset
    | SessionsDelete
    | ErrandsList
    | ErrandsDecide
)
Call = Connect | Asked


class Named(msgspec.Struct, frozen=True):
    """As much of a frame as it takes to answer it."""

    type: Literal["req"]
    id: _Id
    method: str


read_call: msgspec.json.Decoder[Call] = msgspec.json.Decoder(Call)
read_name = msgspec.json.Decoder(Named)


# What a client gets


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


class EventFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """An event of the connection."""

    event: Literal["tick", "shutdown"]
    payload: Ticked | Stopping


Frame = Res | TurnEventFrame | EventFrame

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
