"""From input items to entries; pure, each error naming its item.

What one answer of a model said is one entry, however many items it was: its thinking, its text, its
calls. So items of the assistant's side that follow each other are joined.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from greenroom.actors.channels.openai.keepsake import told_by_client
from greenroom.actors.channels.openai.vendor_keys import to_extra, vendor_keys
from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    Keepsake,
    SystemEntry,
    ToolCall,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
)
from greenroom.http.decode import decode
from greenroom.http.errors import invalid, missing
from greenroom.http.responses import requests
from greenroom.http.responses.ids import ItemId
from greenroom.http.responses.parts import read_answer, read_content

_item = msgspec.json.Decoder(requests.InputItem)
_fields = msgspec.json.Decoder(dict[str, Raw])
_thought = msgspec.json.Decoder(requests.Thought)

_CALL_KEYS = frozenset(
    {
        "id",
        "type",
        "call_id",
        "name",
        "arguments",
        "input",
        "status",
        "caller",
        "namespace",
        "async",
    }
)


class Input(msgspec.Struct, frozen=True):
    """A request's input, translated: its entries, and where each began in the request."""

    entries: tuple[Entry, ...]
    places: tuple[str, ...]


class Referenced(msgspec.Struct, frozen=True):
    """An item that is known here: its id, and the entry that it belongs to."""

    id: ItemId
    entry: TranscriptEntry


References = Mapping[str, Referenced]
"""Items that are known here, by their ids."""


def references_in(items: Sequence[Raw], param: str) -> dict[str, str]:
    """Return the ids of items that are only referenced, each with its place."""
    found: dict[str, str] = {}
    for index, raw in enumerate(items):
        place = f"{param}[{index}]"
        item = decode(raw, _item, place)
        if item.type == "item_reference":
            found.setdefault(_needed(item.id, f"{place}.id"), f"{place}.id")
    return found


def read_items(
    items: Sequence[Raw], param: str, references: References, *, keeps_instructions: bool
) -> Input:
    """Translate input items, in order.

    Those of the system are kept in the transcript if it `keeps_instructions`, else they count for this
    turn alone.

    Raises:
        ApiError: 400, naming the item.
    """
    reader = _Reader(references, keeps_instructions=keeps_instructions)
    for index, raw in enumerate(items):
        reader.read(raw, f"{param}[{index}]")
    return reader.end()


class _Reader:
    """Reads item after item."""

    def __init__(self, references: References, *, keeps_instructions: bool) -> None:
        self._references = references
        self._keeps_instructions = keeps_instructions
        self._entries: list[Entry] = []
        self._places: list[str] = []
        self._answer: _Answer | None = None

    def end(self) -> Input:
        """Return what was read."""
        self._end_answer()
        return Input(tuple(self._entries), tuple(self._places))

    def read(self, raw: Raw, param: str) -> None:
        """Read an item."""
        item = decode(raw, _item, param)
        match item.type or ("message" if item.role is not None else None):
            case "message":
                self._message(item, param)
            case "function_call":
                self._call(item, raw, _text(item.arguments, f"{param}.arguments"), param)
            case "custom_tool_call":
                self._call(item, raw, _text(item.input, f"{param}.input"), param)
            case "function_call_output" | "custom_tool_call_output":
                content = read_content(_given(item.output, f"{param}.output"), f"{param}.output")
                call_id = _needed(item.call_id, f"{param}.call_id")
                if item.type == "custom_tool_call_output":
                    self._add(ToolEntry(call_id, content, kind="custom"), param)
                else:
                    self._add(ToolEntry(call_id, content), param)
            case "reasoning":
                self._reasoning(item, param)
            case "item_reference":
                id_ = _needed(item.id, f"{param}.id")
                self._reference(self._references[id_], param)
            case None:
                raise missing(f"{param}.type")
            case other:
                what = (
                    f"Invalid '{param}.type': items of the type '{other}' are not supported here."
                )
                raise invalid(what, f"{param}.type", "invalid_value")

    def _message(self, item: requests.InputItem, param: str) -> None:
        content = _given(item.content, f"{param}.content")
        match item.role:
            case "user":
                self._add(UserEntry(read_content(content, f"{param}.content")), param)
            case "system" | "developer":
                said = read_content(content, f"{param}.content")
                if self._keeps_instructions:
                    self._add(UserEntry(said, pinned=True, role=item.role), param)
                else:
                    self._add(SystemEntry(said), param)
            case "assistant":
                text, refusal = read_answer(content, f"{param}.content")
                self._answering(param, begins_text=True).say(text, refusal)
            case None:
                raise missing(f"{param}.role")
            case other:
                what = f"Invalid '{param}.role': '{other}' is none of user, assistant, system, developer."
                raise invalid(what, f"{param}.role", "invalid_value")

    def _call(self, item: requests.InputItem, raw: Raw, arguments: str, param: str) -> None:
        keys = {k: v for k, v in _fields.decode(raw).items() if k not in _CALL_KEYS}
        call = ToolCall(
            _needed(item.call_id, f"{param}.call_id"),
            _needed(item.name, f"{param}.name"),
            arguments,
            "function" if item.type == "function_call" else "custom",
            to_extra(vendor_keys(keys)),
        )
        self._answering(param).calls.append(call)

    def _reasoning(self, item: requests.InputItem, param: str) -> None:
        thoughts = [thought.text for thought in item.summary or ()]
        if isinstance(item.content, list):
            # What the model wrote itself goes before a summary of it.
            thoughts = [
                decode(raw, _thought, f"{param}.content[{index}]").text
                for index, raw in enumerate(item.content)
            ] or thoughts
        self._answering(param).thoughts += thoughts

    def _reference(self, known: Referenced, param: str) -> None:
        entry, kind = known.entry, known.id.kind
        if not isinstance(entry, AssistantEntry):
            self._add(entry, param)
            return
        answer = self._answering(param, begins_text=kind == "msg")
        answer.keepsake = entry.keepsake
        if kind == "msg":
            answer.say(entry.text, entry.refusal)
        elif kind in ("fc", "ctc"):
            answer.calls += entry.tool_calls[known.id.index : known.id.index + 1]

    def _answering(self, param: str, *, begins_text: bool = False) -> "_Answer":
        """Return the answer that items of the assistant's are added to."""
        if self._answer is not None and begins_text and self._answer.is_whole:
            self._end_answer()
        if self._answer is None:
            self._answer = _Answer(param)
        return self._answer

    def _end_answer(self) -> None:
        answer, self._answer = self._answer, None
        entry = None if answer is None else answer.entry()
        if answer is not None and entry is not None:
            self._entries.append(entry)
            self._places.append(answer.param)

    def _add(self, entry: Entry, param: str) -> None:
        self._end_answer()
        self._entries.append(entry)
        self._places.append(param)


class _Answer:
    """What an assistant's items say, one after the other; it began at `param`."""

    def __init__(self, param: str) -> None:
        self.param = param
        self.calls: list[ToolCall] = []
        self.thoughts: list[str] = []
        self.keepsake: Keepsake | None = None
        self._text: str | None = None
        self._refusal: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether a further text is another answer: after calls it still belongs to theirs."""
        return (self._text is not None or self._refusal is not None) and not self.calls

    def say(self, text: str | None, refusal: str | None) -> None:
        """Add text, or a refusal."""
        if text is not None:
            self._text = (self._text or "") + text
        self._refusal = refusal or self._refusal

    def entry(self) -> AssistantEntry | None:
        """Return it as an entry, None if it is nothing but thoughts."""
        text, refusal = self._text, self._refusal
        if text is None and refusal is None and not self.calls:
            return None
        kept = self.keepsake
        if kept is None and any(self.thoughts):
            kept = told_by_client("\n\n".join(self.thoughts))
        return AssistantEntry(text, tuple(self.calls), refusal, keepsake=kept)


def _needed(text: str | None, param: str) -> str:
    if not text:
        raise missing(param)
    return text


def _text(text: str | None, param: str) -> str:
    if text is None:
        raise missing(param)
    return text


def _given(content: str | Sequence[Raw] | None, param: str) -> str | Sequence[Raw]:
    if content is None:
        raise missing(param)
    return content
