"""A prompt's entries as the messages of the Messages API, pure.

It holds the API's rules about their order: user and assistant take turns, a user begins and ends;
every tool call is answered by the very next message, whose results stand before its words; ids have a
pattern and are used once. Instructions are no messages here: they go to the top, wherever they stood.
Source: platform.claude.com, API reference, "Create a Message"; "Handle tool calls".
"""

import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Literal

import msgspec

from greenroom.actors.channels.anthropic.content import Block, content_blocks, text_blocks
from greenroom.actors.channels.anthropic.fields import Fields, parsed, refused
from greenroom.actors.channels.anthropic.keepsake import THINKING, Origin, laid_out
from greenroom.actors.channels.anthropic.tools import INPUT
from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    MediaPart,
    SystemEntry,
    ToolCall,
    ToolEntry,
    UserEntry,
    text_of,
)

NO_WORDS = "Go on."
"""What the user says where the API wants a user's message and there is none.

That is before an assistant's message that begins the prompt, between two of them, and behind one that
ends it: OpenAI's assistant then speaks again, while this API would have the same message continued, and
newer models refuse.
"""

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")

_LONGEST_NAME = 64


class Messages:
    """The messages of one request, which `add` builds up in the order of the entries.

    `origin` is where the answer will come from; with None, thinking is not sent back. `preface` is what
    the model reads before all messages; it is None where the model does not mind what stood before its
    thinking.

    `unthought` is, once `end` was called, whether tool results end the messages and no thinking opens
    the answer that made the calls.
    """

    def __init__(self, request: Fields, origin: Origin | None, preface: bytes | None) -> None:
        self._request = request
        self._origin = origin
        self._prefix = None if preface is None else blake2b(preface, digest_size=16)
        self._done: list[msgspec.Raw] = []
        self._role: Literal["user", "assistant"] | None = None
        self._blocks: list[Block] = []
        self._ids: set[str] = set()
        self._last_numbers: dict[str, int] = {}
        self._waiting: list[tuple[str, str]] = []
        self._thought = False
        self.unthought = False

    @property
    def prefix(self) -> str:
        """The name of all that was sent, once `end` was called; empty where that does not matter."""
        return self._prefix.hexdigest() if self._prefix else ""

    def add(self, entry: Entry) -> None:
        """Add an entry; raises `TurnFailed` for what the API cannot be told."""
        match entry:
            case SystemEntry():
                pass
            case UserEntry(content, name):
                self._all_answered()
                if name is not None:
                    self._request.drop("messages[].name")
                self._say("user", content_blocks(content, self._request))
            case ToolEntry():
                self._say("user", [self._result(entry)])
            case AssistantEntry():
                self._all_answered()
                self._answer(entry)

    def end(self) -> list[msgspec.Raw]:
        """Return the messages."""
        self._all_answered()
        if self._role != "user":
            self._say("user", [{"type": "text", "text": NO_WORDS}])
        results = any(block.get("type") == "tool_result" for block in self._blocks)
        self.unthought = results and not self._thought
        self._close()
        return self._done

    def _answer(self, entry: AssistantEntry) -> None:
        if entry.speech is not None:
            self._request.drop("messages[].audio")
        if not (text_blocks(entry.text or entry.refusal or "") or entry.tool_calls):
            return
        if self._role != "user":
            self._say("user", [{"type": "text", "text": NO_WORDS}])
        self._close()
        origin = self._origin and msgspec.structs.replace(self._origin, prefix=self.prefix)
        calls = [self._call(call) for call in entry.tool_calls]
        blocks = laid_out(entry, calls, origin)
        self._thought = bool(blocks) and blocks[0].get("type") in THINKING
        self._say("assistant", blocks)

    def _say(self, role: Literal["user", "assistant"], blocks: Sequence[Block]) -> None:
        """Append blocks to the last message if it has the same role, or else to a new one."""
        if not blocks:
            return
        if role != self._role:
            self._close()
            self._role = role
        self._blocks += blocks

    def _close(self) -> None:
        """End the message that is being built; it can have no further blocks."""
        if self._role is None or not self._blocks:
            return
        raw = msgspec.json.encode({"role": self._role, "content": self._blocks})
        self._done.append(msgspec.Raw(raw))
        if self._prefix is not None:
            self._prefix.update(raw)
        self._blocks = []

    def _call(self, call: ToolCall) -> Block:
        wire_id = self._free_id(call.id)
        self._waiting.append((call.id, wire_id))
        name = _NOT_IN_NAMES.sub("_", call.name)[:_LONGEST_NAME] or "_"
        return {"type": "tool_use", "id": wire_id, "name": name, "input": _input(call)}

    def _free_id(self, call_id: str) -> str:
        """Return the id under which a call and its result go out."""
        plain = _NOT_IN_NAMES.sub("_", call_id) or "call"
        free, number = plain, self._last_numbers.get(plain, 1)
        while free in self._ids:
            number += 1
            free = f"{plain}_{number}"
        self._last_numbers[plain] = number
        self._ids.add(free)
        return free

    def _result(self, entry: ToolEntry) -> Block:
        ids = [call_id for call_id, _ in self._waiting]
        if entry.call_id not in ids:
            why = f"No tool call {entry.call_id!r} waits for a result."
            raise refused("messages", why, "invalid_value")
        _, wire_id = self._waiting.pop(ids.index(entry.call_id))
        block: Block = {"type": "tool_result", "tool_use_id": wire_id}
        if content := content_blocks(entry.content, self._request):
            block["content"] = content
        return block | {"is_error": True} if entry.synthetic else block

    def _all_answered(self) -> None:
        if self._waiting:
            ids = ", ".join(repr(call_id) for call_id, _ in self._waiting)
            raise refused("messages", f"No result follows the tool calls {ids}.", "invalid_value")


def instructions(entries: Iterable[Entry]) -> list[str]:
    """Return the text of each system entry that says something."""
    texts: list[str] = []
    for entry in entries:
        if isinstance(entry, SystemEntry):
            if not isinstance(entry.content, str) and any(
                isinstance(part, MediaPart) for part in entry.content
            ):
                raise refused("messages", "The Anthropic Messages API takes text as instructions.")
            texts.append(text_of(entry.content))
    return [text for text in texts if text.strip()]


def _input(call: ToolCall) -> object:
    """Return a call's arguments as the object that the API wants; what is none stands in one."""
    if call.kind == "custom":
        return {INPUT: call.arguments}
    if not call.arguments.strip():
        return {}
    if isinstance(parsed(call.arguments.encode()), dict):
        return msgspec.Raw(call.arguments.encode())
    return {"arguments": call.arguments}
