"""A request of Ollama's `/api/chat`, read as Ollama's own server reads it.

It is Go's JSON: unknown fields pass, wrong types do not. In one thing it is stricter: a role that no
model's template knows is refused, and not passed over. Source: docs.ollama.com, "Generate a chat
message"; `ChatRequest` in Ollama's `api/types.go`, `ChatHandler` in `server/routes.go`.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tests.upstreams.api import decoded
from tests.upstreams.speech import Called, Heard, Json, Message, Refused


class _Function(msgspec.Struct):
    name: str
    arguments: Json


class _Call(msgspec.Struct):
    function: _Function
    id: str = ""


class _Message(msgspec.Struct):
    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    thinking: str = ""
    images: list[str] = []
    tool_calls: list[_Call] = []
    tool_name: str = ""
    tool_call_id: str = ""


class _Offered(msgspec.Struct):
    name: str
    description: str = ""
    parameters: Json = {}


class _Tool(msgspec.Struct):
    type: str
    function: _Offered


class _Options(msgspec.Struct):
    num_predict: int | None = None
    num_ctx: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    stop: list[str] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repeat_penalty: float | None = None


class _Request(msgspec.Struct):
    model: Annotated[str, Meta(min_length=1)]
    messages: list[_Message] = []
    stream: bool = True
    tools: list[_Tool] = []
    format: Literal["json", ""] | Json | None = None
    options: _Options | None = None
    think: bool | Literal["low", "medium", "high", "max"] | None = None
    keep_alive: str | float | None = None
    truncate: bool | None = None


_read = msgspec.json.Decoder(_Request)


def hear(body: bytes) -> Heard:
    """Understand a request's body; raises `Refused` where the server would refuse it."""
    try:
        request = _read.decode(body)
    except msgspec.DecodeError as error:
        raise Refused(400, f"json: cannot unmarshal: {error}") from error
    if not request.messages:
        raise Refused(400, "a request without messages only loads the model")
    return Heard(
        model=request.model,
        system="\n\n".join(m.content for m in request.messages if m.role == "system"),
        messages=tuple(_message(m.role, m) for m in request.messages if m.role != "system"),
        stream=request.stream,
        tools={tool.function.name: tool.function.parameters for tool in request.tools},
        schema=request.format if isinstance(request.format, dict) else None,
        thinks=request.think is not False,
    )


def _message(role: Literal["user", "assistant", "tool"], message: _Message) -> Message:
    return Message(
        role,
        message.content,
        tuple(decoded(image, "illegal base64 data at input") for image in message.images),
        tuple(Called(c.function.name, c.function.arguments, c.id) for c in message.tool_calls),
        message.tool_name,
    )
