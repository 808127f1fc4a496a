"""The entries of a prompt as the messages of an `/api/chat` request, pure.

A message's content is one string here, its images stand apart, a call's arguments are an object, and a
tool's result goes by the tool's name, which is looked up from the call. What a message cannot say is
noted by the name of its field. Source: docs.ollama.com, "Generate a chat message" and "Tool calling".
"""

from collections.abc import Iterable

import msgspec

from greenroom.actors.channels.loose import fields, text
from greenroom.actors.channels.ollama.images import read_image
from greenroom.actors.channels.ollama.reply import API
from greenroom.actors.entries import (
    AssistantEntry,
    Content,
    Entry,
    Keepsake,
    MediaPart,
    SystemEntry,
    ToolCall,
    ToolEntry,
    UserEntry,
    text_of,
)

_Wire = dict[str, object]

_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)


class Messages:
    """Writes messages; adds to `dropped` the names of fields that it has to leave out."""

    def __init__(self, dropped: list[str]) -> None:
        self._dropped = dropped
        self._tools: dict[str, str] = {}

    def write(self, entries: Iterable[Entry]) -> list[_Wire]:
        """Return the messages of `entries`; raises `TurnFailed` for parts that Ollama cannot take."""
        return [message for entry in entries if (message := self._write(entry)) is not None]

    def _write(self, entry: Entry) -> _Wire | None:
        match entry:
            case SystemEntry(content):
                return {"role": "system"} | self._content(content)
            case UserEntry(content, name):
                if name is not None:
                    self._dropped.append("messages[].name")
                return {"role": "user"} | self._content(content)
            case AssistantEntry():
                return self._assistant(entry)
            case ToolEntry(call_id, content):
                return {"role": "tool", "tool_call_id": call_id} | self._result(call_id, content)

    def _assistant(self, entry: AssistantEntry) -> _Wire | None:
        """Return an answer as a message, or None where nothing was said."""
        if entry.speech is not None:
            self._dropped.append("messages[].audio")
        said = entry.text or entry.refusal or ""
        if not said and not entry.tool_calls:
            return None
        message: _Wire = {"role": "assistant", "content": said}
        if thinking := _thinking(entry.keepsake):
            message["thinking"] = thinking
        if entry.tool_calls:
            self._tools |= {call.id: call.name for call in entry.tool_calls}
            message["tool_calls"] = [
                {"id": call.id, "function": _function(index, call)}
                for index, call in enumerate(entry.tool_calls)
            ]
        return message

    def _result(self, call_id: str, content: Content) -> _Wire:
        name = self._tools.get(call_id)
        return self._content(content) | ({} if name is None else {"tool_name": name})

    def _content(self, content: Content) -> _Wire:
        wire: _Wire = {"content": text_of(content)}
        if not isinstance(content, str):
            images = [read_image(part) for part in content if isinstance(part, MediaPart)]
            if any(image.detailed for image in images):
                self._dropped.append("messages[].content[].image_url.detail")
            if images:
                wire["images"] = [image.data for image in images]
        return wire


def _function(index: int, call: ToolCall) -> _Wire:
    return {"index": index, "name": call.name, "arguments": _arguments(call)}


def _arguments(call: ToolCall) -> object:
    """Return a call's arguments as the object that they must be here.

    An object goes out as its model spelled it. Anything else is put into one, so that the model sees
    what was written; it came from another API's custom tool, or from a model that wrote no JSON.
    """
    if call.kind == "custom":
        return {"input": call.arguments}
    if not call.arguments.strip():
        return {}
    try:
        is_object = isinstance(msgspec.json.decode(call.arguments), dict)
    except _UNREADABLE:
        return {"arguments": call.arguments}
    written = msgspec.Raw(call.arguments.encode())
    return written if is_object else {"arguments": written}


def _thinking(keepsake: Keepsake | None) -> str:
    """Return the thinking that led to an answer's calls, if it was Ollama's."""
    if keepsake is None or keepsake.api != API:
        return ""
    return text(fields(msgspec.json.decode(keepsake.data)).get("thinking"))
