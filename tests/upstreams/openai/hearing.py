"""A request of OpenAI's Chat Completions, read as strictly as the vendor reads it.

Nothing is taken that the vendor would refuse. Source: platform.openai.com, API reference, "Create chat
completion".
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tests.upstreams.api import decoded
from tests.upstreams.speech import Called, Heard, Json, Message, Refused

_Name = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]


class _Text(msgspec.Struct, tag="text"):
    text: str


class _ImageUrl(msgspec.Struct, forbid_unknown_fields=True):
    url: str
    detail: Literal["auto", "low", "high", "original"] = "auto"


class _Image(msgspec.Struct, tag="image_url"):
    image_url: _ImageUrl


class _System(msgspec.Struct, tag_field="role", tag="system"):
    content: str | list[_Text]


class _Developer(msgspec.Struct, tag_field="role", tag="developer"):
    content: str | list[_Text]


class _User(msgspec.Struct, tag_field="role", tag="user"):
    content: str | list[_Text | _Image]
    name: str | UnsetType = UNSET


class _Function(msgspec.Struct, forbid_unknown_fields=True):
    name: _Name
    arguments: str


class _Call(msgspec.Struct, forbid_unknown_fields=True):
    id: Annotated[str, Meta(min_length=1, max_length=40)]
    type: Literal["function"]
    function: _Function


class _Assistant(msgspec.Struct, tag_field="role", tag="assistant"):
    content: str | list[_Text] | None = None
    tool_calls: Annotated[list[_Call], Meta(min_length=1)] | UnsetType = UNSET


class _Result(msgspec.Struct, tag_field="role", tag="tool"):
    content: str | list[_Text]
    tool_call_id: str


_Message = _System | _Developer | _User | _Assistant | _Result


class _Offered(msgspec.Struct, forbid_unknown_fields=True):
    name: _Name
    description: str = ""
    parameters: Json = {}
    strict: bool | None = None


class _Tool(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["function"]
    function: _Offered


class _ChosenFunction(msgspec.Struct):
    name: str


class _Chosen(msgspec.Struct):
    type: Literal["function"]
    function: _ChosenFunction


class _Schema(msgspec.Struct, forbid_unknown_fields=True):
    name: _Name
    schema: Json
    strict: bool | None = None
    description: str = ""


class _Format(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class _StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    include_usage: bool = False


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    messages: Annotated[list[_Message], Meta(min_length=1)]
    stream: bool = False
    stream_options: _StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    seed: int | None = None
    n: int | None = None
    tools: Annotated[list[_Tool], Meta(min_length=1)] | None = None
    tool_choice: Literal["none", "auto", "required"] | _Chosen | None = None
    parallel_tool_calls: bool | None = None
    response_format: _Format | None = None
    reasoning_effort: str | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None


_read = msgspec.json.Decoder(_Request)


def hear(body: bytes) -> Heard:
    """Understand a request's body; raises `Refused` where the vendor would refuse it."""
    try:
        request = _read.decode(body)
    except msgspec.DecodeError as error:
        raise _wrong(str(error)) from error
    _check(request)
    tools = {tool.function.name: tool.function.parameters for tool in request.tools or ()}
    choice = request.tool_choice or "auto"
    wanted = request.response_format
    return Heard(
        choices=request.n or 1,
        model=request.model,
        system="\n\n".join(
            _text(m.content) for m in request.messages if isinstance(m, _System | _Developer)
        ),
        messages=_messages(request.messages),
        stream=request.stream,
        tools=tools,
        choice=choice if isinstance(choice, str) else choice.function.name,
        parallel=request.parallel_tool_calls is not False,
        schema=wanted.json_schema.schema if wanted and wanted.json_schema else None,
        usage=bool(request.stream_options and request.stream_options.include_usage),
    )


def _wrong(message: str, param: str | None = None, code: str | None = None) -> Refused:
    return Refused(400, message, kind="invalid_request_error", param=param, code=code)


def _check(request: _Request) -> None:
    """Refuse what fits together in no way that the vendor takes."""
    if request.tools is None:
        if request.tool_choice is not None:
            raise _wrong("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
        if request.parallel_tool_calls is not None:
            what = "'parallel_tool_calls' is only allowed when 'tools' are specified."
            raise _wrong(what, "parallel_tool_calls")
    if request.stream_options is not None and not request.stream:
        what = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise _wrong(what, "stream_options")
    if isinstance(request.tool_choice, _Chosen):
        name = request.tool_choice.function.name
        if name not in {tool.function.name for tool in request.tools or ()}:
            raise _wrong(f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice")
    if request.max_tokens is not None and request.model.startswith(("o1", "o3", "o4", "gpt-5")):
        what = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        raise _wrong(what, "max_tokens", "unsupported_parameter")


def _messages(messages: list[_Message]) -> tuple[Message, ...]:
    """Return the messages without the system's; raises `Refused` where calls and results differ."""
    out: list[Message] = []
    unanswered: dict[str, str] = {}
    for number, message in enumerate(messages):
        where = f"messages.[{number}].role"
        if unanswered and not isinstance(message, _Result):
            what = (
                "An assistant message with 'tool_calls' must be followed by tool messages responding "
                f"to each 'tool_call_id'. These did not have response messages: {[*unanswered]}"
            )
            raise _wrong(what, where)
        match message:
            case _User(content):
                out.append(Message("user", _text(content), _images(content)))
            case _Assistant(content, calls):
                called = tuple(_called(call) for call in calls or ())
                if not content and not called:
                    raise _wrong("Invalid value for 'content': expected a string, got null.", where)
                unanswered = {call.id: call.name for call in called}
                out.append(Message("assistant", _text(content or ""), calls=called))
            case _Result(content, id_):
                if id_ not in unanswered:
                    what = (
                        "Invalid parameter: messages with role 'tool' must be a response to a "
                        "preceding message with 'tool_calls'."
                    )
                    raise _wrong(what, where)
                out.append(Message("tool", _text(content), tool=unanswered.pop(id_)))
            case _System() | _Developer():
                pass
    if unanswered:
        raise _wrong(f"These tool calls did not have response messages: {[*unanswered]}")
    return tuple(out)


def _called(call: _Call) -> Called:
    try:
        arguments = msgspec.json.decode(call.function.arguments, type=Json)
    except msgspec.DecodeError as error:
        raise _wrong("Invalid 'arguments': expected a JSON object.") from error
    return Called(call.function.name, arguments, call.id)


def _text(content: str | list[_Text] | list[_Text | _Image]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.text for part in content if isinstance(part, _Text))


def _images(content: str | list[_Text | _Image]) -> tuple[bytes, ...]:
    urls = [part.image_url.url for part in content if isinstance(part, _Image)]
    for url in urls:
        if not url.startswith("data:image/"):
            raise _wrong(f"Failed to download image from {url}.", code="invalid_image_url")
    return tuple(decoded(url.partition(";base64,")[2], "image_url") for url in urls)
