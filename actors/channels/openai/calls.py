"""Puts the fragments of an answer's tool calls in order, as `Channel` promises them.

It knows how servers name and number calls (by index, by id, by both or neither), and that a
function's arguments are a JSON object; nothing of events or of text. The first call that is not over
is passed on as it comes. A later one waits until the one before is surely over: its arguments are
whole, or the answer has ended. Keys that only its server knows go with a call's start, so they count if
they come until then. Pure, bounded memory.
"""

from collections.abc import Callable

import msgspec

from greenroom.actors.channels.channel import ToolCallArguments, ToolCallStart
from greenroom.actors.channels.lines import MAX_SIZE
from greenroom.actors.channels.openai.vendor_keys import to_extra
from greenroom.actors.channels.openai.wire import Call

CallDelta = ToolCallStart | ToolCallArguments

_MOST_CALLS = 1024


class BadCalls(ValueError):  # noqa: N818 - a fact about what came in
    """An upstream's tool calls make no sense, or are past the bound."""


class _ToolCall:
    """One call of the answer: what came of it, and how much of that was passed on."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.id: str | None = None
        self.name: str | None = None
        self.custom = False
        self.extra: dict[str, msgspec.Raw] = {}
        self.started = False
        self._arguments: list[str] = []
        self._passed = 0
        self._judged = 0
        self._whole = False

    def add(self, arguments: str) -> None:
        if arguments:
            self._arguments.append(arguments)

    def take(self) -> str:
        """Return the arguments that nobody took yet."""
        fragment = "".join(self._arguments[self._passed :])
        self._passed = len(self._arguments)
        return fragment

    def empty(self) -> bool:
        return not any(map(str.strip, self._arguments))

    def whole(self) -> bool:
        """Whether the arguments can't go on: a complete JSON object. Free text is never whole."""
        if self._judged != len(self._arguments):
            self._judged = len(self._arguments)
            self._whole = not self.custom and _is_object("".join(self._arguments))
        return self._whole


class ToolCalls:
    """The tool calls of one answer; `new_id` gives ids to those that the upstream left without."""

    __slots__ = ("_by_index", "_calls", "_ids", "_new_id", "_open", "_size")

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._calls: list[_ToolCall] = []
        self._by_index: dict[int, _ToolCall] = {}
        self._ids: set[str] = set()
        self._open = 0
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    def feed(self, fragment: Call) -> list[CallDelta]:
        """Return what `fragment` lets through; raises `BadCalls`."""
        name, arguments, custom = _content(fragment)
        self._size += len(arguments) + sum(len(bytes(value)) for value in fragment.extra.values())
        if self._size > MAX_SIZE:
            raise BadCalls(f"more than {MAX_SIZE} characters of tool calls")
        call = self._find(fragment, name, arguments)
        if call is None:
            if not (name or arguments or fragment.id):
                return []
            call = self._begin(fragment)
        if call.index < self._open:
            # The call is over, so its fragment can only repeat what came before.
            return []
        call.id = call.id or fragment.id
        if not call.name and name:
            call.name, call.custom = name, custom
        call.extra = fragment.extra | call.extra
        call.add(arguments)
        return self._advance()

    def end(self, *, cut: bool) -> list[CallDelta]:
        """Return what still waits, the answer being over; raises `BadCalls`.

        A function called without arguments gets the empty object, unless the answer was `cut` short.
        """
        if any(not call.name for call in self._calls):
            raise BadCalls("a tool call without a name")
        deltas: list[CallDelta] = []
        for call in self._calls[self._open :]:
            if call.empty() and not call.custom and not cut:
                call.add("{}")
            deltas += self._pass_on(call)
        self._open = len(self._calls)
        return deltas

    def _find(self, fragment: Call, name: str | None, arguments: str) -> _ToolCall | None:
        """Return the call that `fragment` goes on with, or None if it begins one."""
        begins_again = bool(name) and bool(arguments.strip())
        if (index := _index(fragment)) is not None:
            known = self._by_index.get(index)
            if known is None or not name or (known.id and known.id == fragment.id):
                return known
            # Some servers number every call 0.
            another = (fragment.id and known.id) or (known.whole() and begins_again)
            return None if another else known
        last = self._calls[-1] if self._calls else None
        if fragment.id:
            known = next((call for call in self._calls if call.id == fragment.id), None)
            # Some servers make up an id for each fragment.
            return known or (None if name else last)
        if last is None or not name or not last.name:
            return last
        return None if name != last.name or (last.whole() and begins_again) else last

    def _begin(self, fragment: Call) -> _ToolCall:
        if len(self._calls) == _MOST_CALLS:
            raise BadCalls(f"more than {_MOST_CALLS} tool calls")
        call = _ToolCall(len(self._calls))
        self._calls.append(call)
        if (index := _index(fragment)) is not None:
            self._by_index[index] = call
        return call

    def _advance(self) -> list[CallDelta]:
        deltas: list[CallDelta] = []
        while True:
            call = self._calls[self._open]
            deltas += self._pass_on(call)
            if call is self._calls[-1] or not (call.started and call.whole()):
                return deltas
            self._open += 1

    def _pass_on(self, call: _ToolCall) -> list[CallDelta]:
        deltas: list[CallDelta] = []
        if not call.name:
            return deltas
        if not call.started:
            call.started = True
            given = call.id if call.id and call.id not in self._ids else self._new_id()
            self._ids.add(given)
            extra = to_extra(call.extra)
            deltas.append(ToolCallStart(call.index, given, call.name, call.custom, extra))
        if fragment := call.take():
            deltas.append(ToolCallArguments(call.index, fragment))
        return deltas


def _content(fragment: Call) -> tuple[str | None, str, bool]:
    """Return a fragment's name, arguments and whether its tool is a custom one."""
    if fragment.function is not None:
        return fragment.function.name, _text(fragment.function.arguments), False
    if fragment.custom is not None:
        return fragment.custom.name, _text(fragment.custom.input), True
    return None, "", False


def _text(value: object) -> str:
    """Return arguments as the text they should be; some servers send the object itself."""
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()


def _index(fragment: Call) -> int | None:
    return int(fragment.index) if isinstance(fragment.index, int | float) else None


def _is_object(text: str) -> bool:
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return False
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return True
