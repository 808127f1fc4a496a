"""From a request's messages and tools to entries and tools, each error naming its place."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from greenroom.actors.channels.openai.keepsake import told_by_client
from greenroom.actors.channels.openai.vendor_keys import to_extra, vendor_keys
from greenroom.actors.entries import (
    UNNAMED,
    AssistantEntry,
    Content,
    Entry,
    MediaPart,
    Part,
    Speech,
    SystemEntry,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
    ToolEntry,
    UserEntry,
)
from greenroom.http.decode import decode
from greenroom.http.errors import ApiError, invalid
from greenroom.http.pictures import CONFIGURED_BY, Remote
from greenroom.http.wire import (
    AllowedTool,
    ChatMessage,
    ContentPart,
    ImageUrl,
    InputAudio,
    MessageToolCall,
    RequestTool,
    ToolChoiceObject,
    given,
)

_message = msgspec.json.Decoder(ChatMessage)
_part = msgspec.json.Decoder(ContentPart)
_image = msgspec.json.Decoder(ImageUrl)
_call = msgspec.json.Decoder(MessageToolCall)
_audio = msgspec.json.Decoder(InputAudio)
_keys = msgspec.json.Decoder(dict[str, msgspec.Raw])
_tool = msgspec.json.Decoder(RequestTool)
_choice = msgspec.json.Decoder(str | ToolChoiceObject)

MOST_TOOLS = 128
_TOOL_NAME_LENGTH = 64
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def read_messages(raw: Sequence[msgspec.Raw]) -> tuple[Entry, ...]:
    """Translate a request's messages, in order.

    Raises:
        ApiError: 400, naming the message.
    """
    return tuple(
        _entry(decode(item, _message, f"messages[{index}]"), f"messages[{index}]")
        for index, item in enumerate(raw)
    )


def check_images(raw: Sequence[msgspec.Raw], most_remote: int = 0) -> tuple[Remote, ...]:
    """Refuse images that no provider could read; return those that are named by URL.

    Raises:
        ApiError: 400; also for more than `most_remote` of them.
    """
    remote: list[Remote] = []
    for index, item in enumerate(raw):
        content = _message.decode(item).content
        for place, piece in enumerate(content if isinstance(content, list) else ()):
            part = _part.decode(piece)
            if part.type == "image_url":
                param = f"messages[{index}].content[{place}].image_url"
                image = decode(part.image_url, _image, param) if given(part.image_url) else None
                if image is None or not image.url.startswith(
                    ("data:image/", "https://", "http://")
                ):
                    raise invalid(
                        "Invalid image_url content in `messages`. Give `image_url.url` as an http(s) "
                        "URL or a data:image/… URL.",
                        f"{param}.url",
                    )
                if not image.url.startswith("data:"):
                    remote.append(Remote(index, place, image.url))
                    if len(remote) > most_remote:
                        raise _too_remote(remote[-1], most_remote)
    return tuple(remote)


def _too_remote(image: Remote, most: int) -> ApiError:
    what = f"Invalid image_url content in `messages`. At most {most} images may be named by URL; "
    if not most:
        what = (
            "Invalid image_url content in `messages`. Images named by URL are not fetched here (see "
            f"`{CONFIGURED_BY}.allowUrl`); "
        )
    return invalid(f"{what}send it as a data:image/… URL.", image.param, "unsupported_image_url")


def read_tools(raw: Sequence[msgspec.Raw] | None, field: str = "tools") -> tuple[Tool, ...]:
    """Translate the tools of a request's `field`; their definitions stay as they are.

    Raises:
        ApiError: 400.
    """
    if raw is not None and len(raw) > MOST_TOOLS:
        raise _bad_tools(f"at most {MOST_TOOLS} tools, not {len(raw)}.", field)
    tools: dict[str, Tool] = {}
    for index, item in enumerate(raw or ()):
        param = f"{field}[{index}]"
        tool = decode(item, _tool, param)
        named = tool.function if tool.type == "function" else tool.custom
        if named is None:
            raise _bad_tools(f"`{param}.{tool.type}` is missing.", f"{param}.{tool.type}")
        add_tool(tools, Tool(named.name, bytes(item), tool.type), f"{param}.{tool.type}.name")
    return tuple(tools.values())


def add_tool(tools: dict[str, Tool], tool: Tool, param: str) -> None:
    """Add a tool to those of its request, by its name, whose place is `param`.

    Raises:
        ApiError: 400.
    """
    if not 0 < len(tool.name) <= _TOOL_NAME_LENGTH or set(tool.name) - _NAME_CHARACTERS:
        raise _bad_tools(
            f"a tool's name is 1 to {_TOOL_NAME_LENGTH} of a-z, A-Z, 0-9, _ and -.", param
        )
    if tool.name in tools:
        raise _bad_tools(f"two tools are named '{tool.name}'.", param)
    tools[tool.name] = tool


def read_tool_choice(raw: msgspec.Raw, tools: Sequence[Tool]) -> ToolChoice | None:
    """Translate `tool_choice`; "none" and "auto" without tools mean nothing.

    Raises:
        ApiError: 400.
    """
    if not given(raw):
        return None
    choice = decode(raw, _choice, "tool_choice")
    definition = bytes(raw)
    if isinstance(choice, str):
        if choice not in ("none", "auto", "required"):
            raise _bad_tools(
                f"`tool_choice` must be none, auto, required or an object, not '{choice}'.",
                "tool_choice",
            )
        if not tools:
            if choice == "required":
                raise _bad_tools(
                    "`tool_choice` is required, but there are no `tools`.", "tool_choice"
                )
            return None
        match choice:
            case "none":
                return ToolChoice("none", definition)
            case "auto":
                return ToolChoice("auto", definition)
            case _:
                return ToolChoice("required", definition)
    names, mode = _names_of(choice)
    check_offered(names, tools)
    return ToolChoice("auto" if mode == "auto" else "required", definition, names)


def check_offered(names: Sequence[str], tools: Sequence[Tool]) -> None:
    """Refuse a choice of tools that are not there.

    Raises:
        ApiError: 400.
    """
    offered = {tool.name for tool in tools}
    for name in names:
        if name not in offered:
            raise _bad_tools(
                f"`tool_choice` names '{name}', which is not in `tools`.", "tool_choice"
            )


def _names_of(choice: ToolChoiceObject) -> tuple[tuple[str, ...], str]:
    match choice:
        case ToolChoiceObject(type="function", function=named) if named is not None:
            return (named.name,), "required"
        case ToolChoiceObject(type="custom", custom=named) if named is not None:
            return (named.name,), "required"
        case ToolChoiceObject(type="allowed_tools", allowed_tools=allowed) if allowed is not None:
            if not allowed.tools:
                raise _bad_tools("`tool_choice` allows no tool.", "tool_choice.allowed_tools.tools")
            return tuple(_allowed_names(allowed.tools)), allowed.mode
        case _:
            param = f"tool_choice.{choice.type}"
            raise _bad_tools(f"`{param}` is missing.", param)


def _allowed_names(tools: Sequence[AllowedTool]) -> Iterator[str]:
    for index, tool in enumerate(tools):
        named = tool.function if tool.type == "function" else tool.custom
        if named is None:
            param = f"tool_choice.allowed_tools.tools[{index}].{tool.type}"
            raise _bad_tools(f"`{param}` is missing.", param)
        yield named.name


def _bad_tools(message: str, param: str) -> ApiError:
    return invalid(f"Invalid tools/tool_choice: {message}", param, code="invalid_value")


def _entry(message: ChatMessage, param: str) -> Entry:
    match message.role:
        case "developer" | "system":
            return SystemEntry(_content(message, param))
        case "user":
            return UserEntry(_content(message, param), message.name)
        case "assistant":
            return _assistant(message, param)
        case "tool":
            if not message.tool_call_id:
                raise _missing(f"{param}.tool_call_id")
            return ToolEntry(message.tool_call_id, _content(message, param))
        case "function":
            if not message.name:
                raise _missing(f"{param}.name")
            content = "" if message.content is None else _content(message, param)
            return ToolEntry(UNNAMED, content)


def _assistant(message: ChatMessage, param: str) -> AssistantEntry:
    calls: list[ToolCall] = []
    for index, raw in enumerate(message.tool_calls or ()):
        place = f"{param}.tool_calls[{index}]"
        call = decode(raw, _call, place)
        extra = to_extra(vendor_keys(_keys.decode(raw)))
        match call:
            case MessageToolCall(type="function", function=function) if function is not None:
                calls.append(ToolCall(call.id, function.name, function.arguments, extra=extra))
            case MessageToolCall(type="custom", custom=custom) if custom is not None:
                calls.append(ToolCall(call.id, custom.name, custom.input, "custom", extra))
            case _:
                raise _missing(f"{place}.{call.type}")
    if message.function_call is not None and not calls:
        made = message.function_call
        calls.append(ToolCall(UNNAMED, made.name, made.arguments))
    text: str | None = None
    refusal = message.refusal
    if isinstance(message.content, str):
        text = message.content
    elif message.content is not None:
        parts = [
            decode(raw, _part, f"{param}.content[{i}]") for i, raw in enumerate(message.content)
        ]
        text = "".join(part.text or "" for part in parts) or None
        refusal = refusal or "".join(part.refusal or "" for part in parts) or None
    speech = None if message.audio is None else Speech(message.audio.id)
    if text is None and not calls and refusal is None and speech is None:
        raise invalid(
            f"Invalid '{param}.content': an assistant message needs content, tool_calls or a refusal.",
            f"{param}.content",
            code="invalid_value",
        )
    thinking = message.reasoning_content
    kept = told_by_client(thinking) if isinstance(thinking, str) and thinking else None
    return AssistantEntry(text, tuple(calls), refusal, keepsake=kept, speech=speech)


def _content(message: ChatMessage, param: str) -> Content:
    content = message.content
    if content is None:
        raise _missing(f"{param}.content")
    if isinstance(content, str):
        return content
    if not content:
        raise invalid(
            f"Invalid '{param}.content': empty array. Expected an array with minimum length 1.",
            f"{param}.content",
            code="empty_array",
        )
    return tuple(
        _translate_part(raw, f"{param}.content[{index}]") for index, raw in enumerate(content)
    )


def _translate_part(raw: msgspec.Raw, param: str) -> Part:
    part = decode(raw, _part, param)
    match part.type:
        case "text" | "refusal":
            text = part.text if part.type == "text" else part.refusal
            if text is None:
                raise _missing(f"{param}.{part.type}")
            return TextPart(text)
        case "image_url" | "input_audio" | "file" as kind:
            media: msgspec.Raw = getattr(part, kind)
            if kind != "image_url":
                if not given(media):
                    raise _missing(f"{param}.{kind}")
                _check_media(media, kind, f"{param}.{kind}")
            return MediaPart(kind, bytes(raw))


def _check_media(media: msgspec.Raw, kind: Literal["input_audio", "file"], param: str) -> None:
    if kind == "input_audio":
        decode(media, _audio, param)
    else:
        decode(media, _keys, param)


def _missing(param: str) -> ApiError:
    return invalid(
        f"Missing required parameter: '{param}'.", param, code="missing_required_parameter"
    )
