"""`POST /mcp`: the agents as tools of a Model Context Protocol server, one `ask_<agent>` each.

Stateless streamable HTTP: every request stands for itself and is answered with JSON, there is no session
of the protocol's and no stream from here. A client that leaves cancels what it has asked.

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
"""

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from greenroom.actors.channels.channel import RefusalDelta, TextDelta
from greenroom.actors.entries import UserEntry
from greenroom.actors.house import House, new_id
from greenroom.actors.selection import Wish
from greenroom.actors.turn import Progress, TurnEnded, TurnRequest
from greenroom.http.access import Record, record_of
from greenroom.http.answering import Answering
from greenroom.http.auth import Authenticator
from greenroom.http.config import Gateway
from greenroom.http.decode import check_depth
from greenroom.http.errors import ApiError
from greenroom.http.exchange import (
    JSON_TYPE,
    ClientGone,
    Exchange,
    Receive,
    Scope,
    Send,
)
from greenroom.http.paths import not_allowed

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

T = TypeVar("T")

PATH = "/mcp"

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""The protocol's versions that are spoken here, the newest first."""

_PARSE_ERROR, _INVALID_REQUEST, _METHOD_NOT_FOUND, _INVALID_PARAMS = -32700, -32600, -32601, -32602
_UNSUPPORTED_VERSION = -32022
_ASK = "ask_"
_VERSION = version("greenroom")

_Outcome = tuple[object, str | None]
"""A result, and the code of the error that it tells of, None for a good one."""


class _Message(msgspec.Struct):
    """A request, or a notification if it has no id, or a client's answer if it has no method."""

    jsonrpc: Literal["2.0"]
    id: str | int | float | UnsetType = UNSET
    method: str | UnsetType = UNSET
    params: Raw = Raw(b"{}")


class _Initialize(msgspec.Struct, rename="camel"):
    protocol_version: str


class _ToolCall(msgspec.Struct):
    name: str
    arguments: Raw = Raw(b"{}")


class _Question(msgspec.Struct, forbid_unknown_fields=True):
    message: str
    session: str | None = None


class _Refused(Exception):  # noqa: N818 - JSON-RPC's own word is an error
    """What JSON-RPC answers instead of a result."""

    def __init__(self, code: int, message: str, data: object = None, status: int = 200) -> None:
        super().__init__(message)
        error: dict[str, object] = {"code": code, "message": message}
        self.body = error if data is None else error | {"data": data}
        self.status = status


_INPUT = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "description": "What to tell the agent."},
        "session": {
            "type": "string",
            "description": "A name of your choice for a conversation that goes on: what is asked under "
            "one name, the agent remembers. Without one it remembers nothing.",
        },
    },
    "required": ["message"],
    "additionalProperties": False,
}


class McpEndpoint:
    """The endpoint, as an ASGI application for its one path."""

    def __init__(
        self,
        house: House,
        gateway: Gateway,
        authenticator: Authenticator,
        log: "FilteringBoundLogger",
    ) -> None:
        self._house = house
        self._limits = gateway.limits
        self._authenticator = authenticator
        self._answering = Answering(gateway.limits, log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        record = record_of(scope)
        if exchange.method != "POST":
            await not_allowed(exchange, ("POST",))
            return
        try:
            body = await self._answering.read(exchange, self._authenticator)
            message = self._read(body)
            _check_version(exchange)
        except ClientGone:
            record.error = "client_left"
        except ApiError as error:
            record.error = error.body.code or error.body.type
            await exchange.respond_error(error)
        except _Refused as refused:
            record.error = "mcp_request_refused"
            await _respond(exchange, None, refused)
        else:
            await self._answering.while_there(
                exchange, record, lambda: self._answer(exchange, message, record)
            )

    def _read(self, body: bytes) -> _Message:
        try:
            check_depth(body, self._limits.max_json_depth)
            return _message(body)
        except ApiError as error:
            raise _Refused(_PARSE_ERROR, error.body.message, status=400) from None
        except msgspec.ValidationError as error:
            raise _Refused(_INVALID_REQUEST, f"This is no message: {error}", status=400) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _Refused(_PARSE_ERROR, f"This is no JSON: {error}", status=400) from None

    async def _answer(self, exchange: Exchange, message: _Message, record: Record) -> str | None:
        if message.id is UNSET or message.method is UNSET:
            await exchange.respond(202, (), b"")
            return None
        try:
            answer, code = await self._result(message.method, message.params, record)
        except _Refused as refused:
            answer, code = refused, "mcp_request_refused"
        await _respond(exchange, message.id, answer)
        return code

    async def _result(self, method: str, params: Raw, record: Record) -> _Outcome:
        match method:
            case "initialize":
                return _greeting(_decoded(params, _initialize).protocol_version), None
            case "ping":
                return {}, None
            case "tools/list":
                return {"tools": [_tool(agent) for agent in self._house.agent_ids]}, None
            case "tools/call":
                return await self._call(_decoded(params, _tool_call), record)
            case _:
                raise _Refused(_METHOD_NOT_FOUND, f"There is no method {method!r} here.")

    async def _call(self, call: _ToolCall, record: Record) -> _Outcome:
        agent = call.name.removeprefix(_ASK)
        if agent == call.name or agent not in self._house.agent_ids:
            raise _Refused(_INVALID_PARAMS, f"There is no tool {call.name!r} here.")
        try:
            question = _question(call.arguments)
        except msgspec.DecodeError as error:
            return _told(f"The arguments do not fit: {error}", is_error=True), "invalid_arguments"
        try:
            return _told(await self._ask(agent, question, record)), None
        except Exception as error:  # noqa: BLE001 - the caller's model is told of all, ours are logged
            api_error = self._answering.told(error, record)
            code = api_error.body.code or api_error.body.type
            return _told(api_error.body.message, is_error=True), code

    async def _ask(self, agent: str, question: _Question, record: Record) -> str:
        """Have an agent take a turn, and return all that it says."""
        model = f"agent:{agent}"
        selection = self._house.select(Wish(model, agent=agent, session_key=question.session))
        turn = TurnRequest(
            id=new_id(),
            route=selection.route,
            fallbacks=selection.fallbacks,
            is_own=selection.is_own,
            entries=(UserEntry(question.message),),
            ephemeral=selection.ephemeral,
            model=model,
            created=int(time.time()),
            appends=True,
        )
        record.agent, record.session, record.turn = selection.agent, selection.session, turn.id
        record.model = str(selection.route)
        said: list[str] = []
        async with self._house.submit(selection, turn) as events:
            async for event in events:
                match event:
                    case Progress(deltas):
                        said += [
                            delta.text
                            for delta in deltas
                            if isinstance(delta, TextDelta | RefusalDelta)
                        ]
                    case TurnEnded(usage=usage, cost=cost):
                        record.prompt_tokens = usage.prompt
                        record.completion_tokens = usage.completion
                        record.cost = cost
                    case _:
                        pass
        return "".join(said)


def _check_version(exchange: Exchange) -> None:
    wanted = exchange.header(b"mcp-protocol-version")
    if wanted is not None and wanted not in VERSIONS:
        data = {"supported": VERSIONS, "requested": wanted}
        raise _Refused(_UNSUPPORTED_VERSION, "Unsupported protocol version", data, status=400)


def _greeting(wanted: str) -> object:
    return {
        "protocolVersion": wanted if wanted in VERSIONS else VERSIONS[0],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "greenroom", "version": _VERSION},
    }


def _tool(agent: str) -> object:
    return {
        "name": f"{_ASK}{agent}",
        "description": f"Ask the agent {agent!r}, and wait for all that it says.",
        "inputSchema": _INPUT,
    }


def _told(text: str, *, is_error: bool = False) -> object:
    return {"content": [{"type": "text", "text": text}], "isError": is_error}


async def _respond(exchange: Exchange, id_: str | float | None, answer: object) -> None:
    message: dict[str, object] = {"jsonrpc": "2.0", "id": id_}
    if isinstance(answer, _Refused):
        await exchange.respond(
            answer.status, (JSON_TYPE,), _encode(message | {"error": answer.body})
        )
    else:
        await exchange.respond(200, (JSON_TYPE,), _encode(message | {"result": answer}))


def _decoded(params: Raw, decode: Callable[[Raw], T]) -> T:
    try:
        return decode(params)
    except msgspec.DecodeError as error:
        raise _Refused(_INVALID_PARAMS, f"The parameters do not fit: {error}") from None


_encode = msgspec.json.Encoder().encode
_message = msgspec.json.Decoder(_Message).decode
_initialize = msgspec.json.Decoder(_Initialize).decode
_tool_call = msgspec.json.Decoder(_ToolCall).decode
_question = msgspec.json.Decoder(_Question).decode
