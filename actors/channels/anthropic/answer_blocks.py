"""Puts the blocks of an answer together from their events, as `Channel` promises them.

It knows text, thinking and tool calls; blocks and deltas of other types are read over, for the API adds
new ones. It keeps thinking as it came, with the order of all blocks, so that both can be sent back.
Calls are numbered by themselves, whatever the blocks' indexes. A function's arguments are passed on as
they come; a custom tool's, whose text stands within JSON, once they are whole. Pure, bounded memory.
"""

from collections.abc import Callable

import msgspec

from greenroom.actors.channels.anthropic.content import Block
from greenroom.actors.channels.anthropic.fields import parsed
from greenroom.actors.channels.anthropic.keepsake import THINKING
from greenroom.actors.channels.anthropic.tools import INPUT
from greenroom.actors.channels.anthropic.wire import Delta
from greenroom.actors.channels.channel import (
    ReasoningDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
)
from greenroom.actors.channels.lines import MAX_SIZE
from greenroom.actors.channels.loose import fields, text

BlockDelta = TextDelta | ReasoningDelta | ToolCallStart | ToolCallArguments

_COST = 64
"""What a block costs of the bound, in characters, beside what it holds."""


class BadBlocks(ValueError):  # noqa: N818 - a fact about what came in
    """An answer's blocks make no sense, or are past the bound."""


class _Call:
    """A tool call whose arguments may still come."""

    def __init__(self, index: int, given: Block, *, custom: bool) -> None:
        self.index = index
        self.custom = custom
        self.given = given
        self.pieces: list[str] = []
        self.passed_on = False

    def rest(self, *, cut: bool) -> str:
        """Return the arguments that were not passed on; those of a call that was `cut` stay cut."""
        if not self.custom:
            return "" if self.passed_on or cut else msgspec.json.encode(self.given).decode()
        raw = "".join(self.pieces)
        wrapped = fields(parsed(raw.encode())) if raw else self.given
        words = wrapped.get(INPUT)
        if isinstance(words, str) and len(wrapped) == 1:
            return words
        # What the model wrote without minding the schema is shown as it is.
        return "" if cut else raw or (msgspec.json.encode(self.given).decode() if wrapped else "")


class AnswerBlocks:
    """The blocks of one answer; `custom` names the custom tools, `new_id` gives ids to calls without one.

    `layout` has the blocks in order: thinking whole, of the others the type and a text's length.
    """

    def __init__(self, custom: frozenset[str], new_id: Callable[[], str]) -> None:
        self._custom = custom
        self._new_id = new_id
        self.layout: list[Block] = []
        self._open: str | None = None
        self._index: object = None
        self._block: Block = {}
        self._thoughts: list[str] = []
        self._call: _Call | None = None
        self._ids: set[str] = set()
        self._size = 0

    @property
    def calls(self) -> int:
        """How many tool calls there are."""
        return len(self._ids)

    @property
    def has_thinking(self) -> bool:
        """Whether there is thinking to send back, once `close` was called."""
        return any(block.get("type") in THINKING for block in self.layout)

    def start(self, index: object, block: Block) -> list[BlockDelta]:
        """Return what begins with `block`, which may be whole already; raises `BadBlocks`."""
        deltas = self._settle(cut=False)
        self._index = index
        match text(block.get("type")):
            case "text":
                self._begin("text", {"type": "text", "length": 0})
                deltas += self._say(text(block.get("text")))
            case "thinking" | "redacted_thinking" as kind:
                self._grow(len(msgspec.json.encode(block)))
                self._begin(kind, block)
                if thought := text(block.get("thinking")):
                    self._thoughts.append(thought)
                    deltas.append(ReasoningDelta(thought))
            case "tool_use":
                self._begin("tool_use", {"type": "tool_use"})
                deltas.append(self._begin_call(block))
            case _:
                self._open = "other"
        return deltas

    def add(self, index: object, delta: Delta) -> list[BlockDelta]:
        """Return what `delta` brings; raises `BadBlocks`."""
        if self._open == "other":
            return []
        match delta.type:
            case "text_delta":
                return self._say(text(delta.text))
            case "thinking_delta":
                return self._think(text(delta.thinking))
            case "signature_delta":
                self._sign(text(delta.signature))
            case "input_json_delta":
                return self._argue(index, text(delta.partial_json))
            case _:
                pass
        return []

    def stop(self) -> None:
        """End the block that is open."""
        if self._thoughts:
            self._block["thinking"] = "".join(self._thoughts)
            self._thoughts = []
        self._open = None

    def close(self, *, cut: bool) -> list[BlockDelta]:
        """Return what still waits; `cut` is whether the last call may have lost its end."""
        deltas = self._settle(cut=cut)
        self.layout = [block for block in self.layout if not _is_empty(block)]
        return deltas

    def _begin(self, kind: str, block: Block) -> None:
        self.stop()
        self._grow(_COST)
        self._open, self._block = kind, block
        self.layout.append(block)

    def _say(self, words: str) -> list[BlockDelta]:
        if not words:
            return []
        if self._open != "text":
            self._begin("text", {"type": "text", "length": 0})
        length = self._block["length"]
        self._block["length"] = len(words) + (length if isinstance(length, int) else 0)
        return [TextDelta(words)]

    def _think(self, thought: str) -> list[BlockDelta]:
        if not thought:
            return []
        if self._open != "thinking":
            self._begin("thinking", {"type": "thinking"})
        self._grow(len(thought))
        self._thoughts.append(thought)
        return [ReasoningDelta(thought)]

    def _sign(self, signature: str) -> None:
        if self._open == "thinking":
            self._grow(len(signature))
            self._block["signature"] = signature

    def _begin_call(self, block: Block) -> ToolCallStart:
        name, given_id = text(block.get("name")), text(block.get("id"))
        if not name:
            raise BadBlocks("a tool call without a name")
        call_id = given_id if given_id and given_id not in self._ids else self._new_id()
        self._grow(len(call_id))
        custom = name in self._custom
        self._call = _Call(len(self._ids), fields(block.get("input")), custom=custom)
        self._ids.add(call_id)
        return ToolCallStart(self._call.index, call_id, name, custom)

    def _argue(self, index: object, fragment: str) -> list[BlockDelta]:
        call = self._call
        if call is None or self._open != "tool_use" or index != self._index:
            raise BadBlocks("the arguments of no tool call")
        if not fragment:
            return []
        if call.custom:
            self._grow(len(fragment))
            call.pieces.append(fragment)
            return []
        call.passed_on = True
        return [ToolCallArguments(call.index, fragment)]

    def _settle(self, *, cut: bool) -> list[BlockDelta]:
        """Return what is left of the last call, after which nothing of it can come."""
        self.stop()
        call, self._call = self._call, None
        rest = call.rest(cut=cut) if call else ""
        return [ToolCallArguments(call.index, rest)] if call and rest else []

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_SIZE:
            raise BadBlocks(f"more than {MAX_SIZE} characters of thinking and tool calls")


def _is_empty(block: Block) -> bool:
    """Whether a block is thinking with nothing in it, neither words nor what stands for them."""
    said = (block.get("thinking"), block.get("signature"), block.get("data"))
    return block.get("type") in THINKING and not any(said)
