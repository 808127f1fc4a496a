"""What the scripted model says: a pure function from a prompt to the steps of a performance.

It answers with what it was told and how many messages it has heard, so that a session's memory can
be seen. Words in square brackets in the last user message direct it:

    [say TEXT]                answer exactly TEXT
    [wait SECONDS]            be silent before the first word
    [slow SECONDS]            be silent before each further word
    [fail KIND]               fail before the answer; KIND is a failure kind, "upstream_error" if left out
    [fail KIND after N]       fail after N words
    [finish REASON]           finish with REASON: stop, length, content_filter
    [call NAME {"a": 1}]      call a tool that the request offers; repeatable

A message that has the name of an offered tool in it calls that tool, with the first JSON object in
the message as its arguments. A tool's result is told back. One word is one token.
"""

import contextlib
import re
from collections.abc import Iterator

import msgspec

from greenroom.actors.channels.channel import (
    Deltas,
    Finish,
    FinishReason,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    Prompt,
    SystemEntry,
    ToolEntry,
    UserEntry,
    text_of,
)
from greenroom.actors.failure import Failure, FailureKind

_KINDS = {"": FailureKind.UPSTREAM_ERROR} | {kind.value: kind for kind in FailureKind}
_REASONS = {
    reason.value: reason for reason in FinishReason if reason is not FinishReason.TOOL_CALLS
}
# Braces in braces in braces: a pattern of a fixed depth takes linear time on any text.
_OBJECT = re.compile(r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}")
_DIRECTION = re.compile(
    rf"\[(say|wait|slow|fail|finish|call)(?: ((?:[^\[\]{{}}]|{_OBJECT.pattern})*))?\]"
)
_FAIL = re.compile(r"([a-z_]*?)(?:(?:^| +)after +([0-9]{1,9}))? *")
_WORD = re.compile(r"\s*\S+")


class Pause(msgspec.Struct, frozen=True):
    """Be silent for some seconds."""

    seconds: float


Step = Deltas | Pause | Failure


class Directions(msgspec.Struct):
    """What the brackets of a message ask for."""

    say: str | None = None
    wait: float = 0.0
    slow: float = 0.0
    failure: Failure | None = None
    fail_after: int = 0
    finish: FinishReason = FinishReason.STOP
    calls: list[tuple[str, str]] = []


def perform(prompt: Prompt) -> Iterator[Step]:
    """Yield what the model does, step by step; the same for the same prompt."""
    last = prompt.entries[-1] if prompt.entries else UserEntry("")
    text = _last_user_text(prompt.entries)
    directions = read_directions(text)
    if directions.wait:
        yield Pause(directions.wait)
    if directions.failure is not None and not directions.fail_after:
        yield directions.failure
        return
    calls = [] if isinstance(last, ToolEntry) else _wanted_calls(prompt, text, directions)
    if calls:
        yield from _call_tools(prompt, calls)
        return
    spoken = 0
    for word in _WORD.findall(_speech(prompt, last, text, directions)):
        if spoken and directions.slow:
            yield Pause(directions.slow)
        spoken += 1
        yield (TextDelta(word),)
        if directions.failure is not None and spoken == directions.fail_after:
            yield directions.failure
            return
        if prompt.sampling.max_tokens is not None and spoken >= prompt.sampling.max_tokens:
            directions.finish = FinishReason.LENGTH
            break
    yield Finish(directions.finish), Usage(_words(prompt), spoken)


def read_directions(text: str) -> Directions:
    """Read the brackets of a message; what is not understood is left as plain text."""
    directions = Directions()
    for verb, rest in _DIRECTION.findall(text):
        match verb:
            case "say":
                directions.say = rest
            case "wait":
                directions.wait = _seconds(rest)
            case "slow":
                directions.slow = _seconds(rest)
            case "finish" if rest in _REASONS:
                directions.finish = _REASONS[rest]
            case "fail" if (order := _FAIL.fullmatch(rest)) and order[1] in _KINDS:
                directions.failure = _failure(_KINDS[order[1]])
                directions.fail_after = int(order[2] or 0)
            case "call" if rest:
                name, _, arguments = rest.partition(" ")
                directions.calls.append((name, arguments.strip() or "{}"))
            case _:
                continue
    return directions


def _speech(prompt: Prompt, last: Entry, text: str, directions: Directions) -> str:
    if directions.say is not None:
        return directions.say
    if isinstance(last, ToolEntry):
        names = {
            call.id: call.name
            for entry in prompt.entries
            if isinstance(entry, AssistantEntry)
            for call in entry.tool_calls
        }
        return f"{names.get(last.call_id, 'The tool')} said: {text_of(last.content)}"
    heard = sum(isinstance(entry, UserEntry) for entry in prompt.entries)
    return f'You said: "{text}" This is your {_ordinal(heard)} message in this session.'


def _wanted_calls(prompt: Prompt, text: str, directions: Directions) -> list[tuple[str, str]]:
    offered = {tool.name for tool in prompt.tools}
    choice = prompt.tool_choice
    if choice is not None and choice.mode == "none":
        return []
    if choice is not None and choice.names:
        offered &= set(choice.names)
    arguments = _first_object(text)
    names = [tool.name for tool in prompt.tools if tool.name in offered]
    if directions.calls:
        calls = [call for call in directions.calls if call[0] in offered]
    else:
        calls = [(name, arguments) for name in names if name in text]
    if not calls and choice is not None and choice.mode == "required":
        return [(name, arguments) for name in names[:1]]
    return calls


def _first_object(text: str) -> str:
    """Return the first JSON object in `text`, as it stands there, or an empty one."""
    for found in _OBJECT.finditer(text):
        with contextlib.suppress(msgspec.DecodeError, UnicodeEncodeError):
            msgspec.json.decode(found.group(), type=dict[str, object])
            return found.group()
    return "{}"


def _call_tools(prompt: Prompt, calls: list[tuple[str, str]]) -> Iterator[Step]:
    custom = {tool.name for tool in prompt.tools if tool.kind == "custom"}
    # Ids are unique within a session, because its transcript grows with every call.
    place = sum(not isinstance(entry, SystemEntry) for entry in prompt.entries)
    for index, (name, arguments) in enumerate(calls):
        yield (ToolCallStart(index, f"call_{place}_{index}", name, name in custom),)
        half = len(arguments) // 2
        yield (ToolCallArguments(index, arguments[:half]),)
        yield (ToolCallArguments(index, arguments[half:]),)
    yield Finish(FinishReason.TOOL_CALLS), Usage(_words(prompt), len(calls))


def _last_user_text(entries: tuple[Entry, ...]) -> str:
    for entry in reversed(entries):
        if isinstance(entry, UserEntry):
            return text_of(entry.content)
    return ""


def _words(prompt: Prompt) -> int:
    return sum(len(_text(entry).split()) for entry in prompt.entries)


def _text(entry: Entry) -> str:
    match entry:
        case AssistantEntry(text=text):
            return text or ""
        case SystemEntry(content) | UserEntry(content):
            return text_of(content)
        case ToolEntry(content=content):
            return text_of(content)


def _seconds(text: str) -> float:
    number = text.strip().removesuffix("s").strip()
    return float(number) if re.fullmatch(r"\d+(\.\d+)?", number) else 0.0


def _failure(kind: FailureKind) -> Failure:
    return Failure(kind, f"The scripted model was told to fail: {kind.value}.")


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
