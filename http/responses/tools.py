"""Tools and the choice among them, from the form of this API to the one that channels know; pure.

A tool that its vendor hosts is refused by its name: a model that was promised one would wait for it.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from greenroom.actors.entries import Tool, ToolChoice
from greenroom.http.decode import decode
from greenroom.http.errors import ApiError, invalid, missing
from greenroom.http.messages import MOST_TOOLS, add_tool, check_offered
from greenroom.http.responses import requests
from greenroom.http.wire import given

_tool = msgspec.json.Decoder(requests.Tool)
_format = msgspec.json.Decoder(requests.ToolFormat)
_fields = msgspec.json.Decoder(dict[str, Raw])
_choice = msgspec.json.Decoder(str | requests.ToolChoice)
_encode = msgspec.json.Encoder().encode

_FUNCTION = frozenset({"name", "description", "parameters", "strict"})
_CUSTOM = frozenset({"name", "description", "format"})
_OURS = frozenset({"type", "defer_loading", "async", "allowed_callers", "output_schema"})
_CALLABLE = ("function", "custom")


def read_tools(raw: Sequence[Raw] | None) -> tuple[Tool, ...]:
    """Translate a request's tools; keys that are not this API's go on as they are.

    Raises:
        ApiError: 400.
    """
    if raw is not None and len(raw) > MOST_TOOLS:
        raise invalid(f"`tools` has at most {MOST_TOOLS} tools, not {len(raw)}.", "tools")
    tools: dict[str, Tool] = {}
    for index, item in enumerate(raw or ()):
        param = f"tools[{index}]"
        tool = decode(item, _tool, param)
        if tool.type not in _CALLABLE:
            raise _hosted(tool.type, f"{param}.type")
        if tool.name is None:
            raise missing(f"{param}.name")
        _refuse(tool, param)
        definition = _definition(tool, item, param)
        made = Tool(tool.name, definition)
        if tool.type == "custom":
            made = Tool(tool.name, definition, "custom")
        add_tool(tools, made, f"{param}.name")
    return tuple(tools.values())


def read_tool_choice(raw: Raw, tools: Sequence[Tool]) -> ToolChoice | None:
    """Translate `tool_choice`; "none" and "auto" without tools mean nothing.

    Raises:
        ApiError: 400.
    """
    if not given(raw):
        return None
    choice = decode(raw, _choice, "tool_choice")
    if isinstance(choice, str):
        return _mode(choice, bytes(raw), tools)
    if choice.type == "allowed_tools":
        names = _allowed(choice, tools)
        allowed = [
            {"type": tool.kind, tool.kind: {"name": tool.name}}
            for tool in tools
            if tool.name in names
        ]
        wire = {"mode": choice.mode, "tools": allowed}
        definition = _encode({"type": "allowed_tools", "allowed_tools": wire})
        return ToolChoice(choice.mode, definition, names)
    if choice.type not in _CALLABLE:
        raise _hosted(choice.type, "tool_choice.type")
    if choice.name is None:
        raise missing("tool_choice.name")
    check_offered((choice.name,), tools)
    definition = _encode({"type": choice.type, choice.type: {"name": choice.name}})
    return ToolChoice("required", definition, (choice.name,))


def shown(raw: Sequence[Raw] | None) -> tuple[Raw, ...]:
    """Return tools that were read as a response echoes them, with null for what none was given."""
    return tuple(_shown(_fields.decode(item)) for item in raw or ())


def _shown(tool: dict[str, Raw]) -> Raw:
    if bytes(tool["type"]) == b'"function"':
        tool = {
            "description": Raw(b"null"),
            "parameters": Raw(b"null"),
            "strict": Raw(b"null"),
        } | tool
    return Raw(_encode({"type": tool.pop("type")} | tool))


def _refuse(tool: requests.Tool, param: str) -> None:
    """Refuse what would have a tool called by somebody else, or not as it is."""
    for name, wanted in (("defer_loading", tool.defer_loading), ("async", tool.async_)):
        if wanted:
            raise invalid(
                f"`{param}.{name}` is not supported.", f"{param}.{name}", "unsupported_parameter"
            )
    if tool.allowed_callers is not None and "direct" not in tool.allowed_callers:
        name = f"{param}.allowed_callers"
        raise invalid(f"`{name}` must have 'direct' in it.", name, "unsupported_value")


def _definition(tool: requests.Tool, raw: Raw, param: str) -> bytes:
    """Return a tool's definition as chat completions have it."""
    own = _FUNCTION if tool.type == "function" else _CUSTOM
    inner: dict[str, object] = {}
    outer: dict[str, object] = {"type": tool.type, tool.type: inner}
    for name, value in _fields.decode(raw).items():
        if name in own and given(value):
            inner[name] = value
        elif name not in _OURS and name not in own:
            outer[name] = value
    if "format" in inner:
        format_ = decode(tool.format, _format, f"{param}.format")
        if format_.type == "grammar":
            grammar = {"syntax": format_.syntax, "definition": format_.definition}
            inner["format"] = {"type": "grammar", "grammar": grammar}
    return _encode(outer)


def _mode(choice: str, definition: bytes, tools: Sequence[Tool]) -> ToolChoice | None:
    if choice not in ("none", "auto", "required"):
        raise invalid(
            f"`tool_choice` must be none, auto, required or an object, not '{choice}'.",
            "tool_choice",
            "invalid_value",
        )
    if not tools:
        if choice == "required":
            what = "`tool_choice` is required, but there are no `tools`."
            raise invalid(what, "tool_choice", "invalid_value")
        return None
    match choice:
        case "none":
            return ToolChoice("none", definition)
        case "auto":
            return ToolChoice("auto", definition)
        case _:
            return ToolChoice("required", definition)


def _allowed(choice: requests.ToolChoice, tools: Sequence[Tool]) -> tuple[str, ...]:
    if not choice.tools:
        what = "`tool_choice` allows no tool."
        raise invalid(what, "tool_choice.tools", "invalid_value")
    names: list[str] = []
    for index, tool in enumerate(choice.tools):
        if tool.type not in _CALLABLE:
            raise _hosted(tool.type, f"tool_choice.tools[{index}].type")
        if tool.name is None:
            raise missing(f"tool_choice.tools[{index}].name")
        names.append(tool.name)
    check_offered(names, tools)
    return tuple(names)


def _hosted(kind: str, param: str) -> ApiError:
    return invalid(
        f"The tool type '{kind}' is not supported: no tool is hosted here. Use a 'function' or a "
        "'custom' tool, which you run yourself.",
        param,
        "unsupported_value",
    )
