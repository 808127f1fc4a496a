"""`functions` and `function_call`, by which older clients offer tools: translated to `tools` and back.

Such a client has no ids for calls, and is told of one call in an answer; its results come as messages of
the role `function`. Source: the API reference of 2023, of which newer ones say "deprecated".
"""

from collections.abc import Sequence

import msgspec

from greenroom.actors.entries import Tool, ToolChoice
from greenroom.http.decode import decode
from greenroom.http.errors import invalid
from greenroom.http.messages import read_tool_choice, read_tools
from greenroom.http.wire import ChatRequest, NamedTool, given

_choice = msgspec.json.Decoder(str | NamedTool)


class Toolbox(msgspec.Struct, frozen=True):
    """The tools of a request, and which of them the model may or must call.

    `legacy` is whether its client offered them as `functions`.
    """

    tools: tuple[Tool, ...] = ()
    choice: ToolChoice | None = None
    parallel: bool | None = None
    legacy: bool = False


def read_toolbox(request: ChatRequest) -> Toolbox:
    """Translate a request's tools, whichever way it offers them.

    Raises:
        ApiError: 400, naming the field.
    """
    if not request.functions:
        tools = read_tools(request.tools)
        choice = read_tool_choice(request.tool_choice, tools)
        if given(request.function_call):
            _read_choice(request.function_call, ())
        return Toolbox(tools, choice, request.parallel_tool_calls if tools else None)
    if request.tools:
        raise invalid(
            "`functions` is the older form of `tools`; a request has one of them.",
            "functions",
            "invalid_value",
        )
    if given(request.tool_choice):
        raise invalid(
            "`tool_choice` goes with `tools`; with `functions` it is `function_call`.",
            "tool_choice",
            "invalid_value",
        )
    wrapped = [
        msgspec.Raw(msgspec.json.encode({"type": "function", "function": function}))
        for function in request.functions
    ]
    tools = read_tools(wrapped, "functions")
    choice = _read_choice(request.function_call, tools)
    # Its client can be told of one call only.
    return Toolbox(tools, choice, parallel=False, legacy=True)


def _read_choice(raw: msgspec.Raw, tools: Sequence[Tool]) -> ToolChoice | None:
    if not given(raw):
        return None
    choice = decode(raw, _choice, "function_call")
    if isinstance(choice, str):
        if choice not in {"none", "auto"}:
            raise invalid(
                f"`function_call` must be none, auto or an object, not '{choice}'.",
                "function_call",
                "invalid_value",
            )
        return read_tool_choice(raw, tools)
    if choice.name not in {tool.name for tool in tools}:
        raise invalid(
            f"`function_call` names '{choice.name}', which is not in `functions`.",
            "function_call",
            "invalid_value",
        )
    named = {"type": "function", "function": {"name": choice.name}}
    return ToolChoice("required", msgspec.json.encode(named), (choice.name,))
