"""What a client of the WebSocket sends: requests, each a struct of its own.

`docs/websocket.md` is the reference.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from greenroom.actors.turn import OnBusy, OnDisconnect

PROTOCOL = 1

_Id = Annotated[str, Meta(min_length=1, max_length=64)]
_Limit = Annotated[int, Meta(ge=1, le=1000)]
_After = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Key = Annotated[str, Meta(min_length=1)]


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


class SubscribeParams(Params, frozen=True):
    """Whose news: a session's, or all."""

    key: str | None = None
    agent: str | None = None


class LeaveParams(Params, frozen=True):
    """A request of this connection that is under way."""

    request: _Key


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


class SessionsSubscribe(_Call, frozen=True, tag="sessions.subscribe"):
    """Hear what happens to a session, or to all, until the request is left."""

    params: SubscribeParams = SubscribeParams()


class ErrandsList(_Call, frozen=True, tag="errands.list"):
    """List what sessions wait for."""

    params: ErrandsParams = ErrandsParams()


class ErrandsDecide(_Call, frozen=True, tag="errands.decide"):
    """Decide an approval."""

    params: DecideParams


class Leave(_Call, frozen=True, tag="leave"):
    """Hear no more of a request, as a client that leaves over HTTP."""

    params: LeaveParams


Asked = (
    ChatSend
    | ChatAttach
    | ChatCancel
    | SessionsList
    | SessionsGet
    | SessionsTranscript
    | SessionsReset
    | SessionsDelete
    | SessionsSubscribe
    | ErrandsList
    | ErrandsDecide
)
Call = Connect | Leave | Asked


class Named(msgspec.Struct, frozen=True):
    """As much of a frame as it takes to answer it."""

    type: Literal["req"]
    id: _Id
    method: str


read_call: msgspec.json.Decoder[Call] = msgspec.json.Decoder(Call)
read_name = msgspec.json.Decoder(Named)
