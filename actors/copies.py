"""What a client's copy of a conversation has of ours: pure, our entries in, what it can have seen out.

Of what happens here between a question and its answer a client sees the text alone, as one message; and
of turns that nobody asked for it need not have heard at all.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from greenroom.actors.entries import (
    UNNAMED,
    AssistantEntry,
    Content,
    TextPart,
    ToolCall,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
)

BETWEEN_STEPS = "\n\n"
"""What a client sees between the texts of two answers of one turn."""


class Shown(NamedTuple):
    """An entry as a client has it; ours end before number `end`, counted from 0.

    A client need not have what is `inner`: it is of a turn that came from inside.
    """

    entry: TranscriptEntry
    end: int
    inner: bool


def shown(entries: Sequence[TranscriptEntry]) -> Iterator[Shown]:
    """Yield what a client can have of these entries."""
    said: list[str] = []
    inner = False
    for at, entry in enumerate(entries):
        match entry:
            case ToolEntry():
                if not (entry.synthetic or entry.inner):
                    yield Shown(entry, at + 1, inner)
            case UserEntry():
                said, inner = [], entry.inner
                yield Shown(entry, at + 1, inner)
            case AssistantEntry(tool_calls=calls):
                outer = tuple(call for call in calls if not call.inner)
                if entry.text:
                    said.append(entry.text)
                if calls and not outer:
                    continue
                if len(said) > 1 or len(outer) < len(calls):
                    text = _joined(said)
                    entry = msgspec.structs.replace(entry, text=text, tool_calls=outer)  # noqa: PLW2901
                said = []
                yield Shown(entry, _behind_inner_results(entries, at + 1), inner)


def needs_break(text: str) -> bool:
    """Say whether something goes between a text and that of the next step."""
    return bool(text) and not text.endswith(BETWEEN_STEPS)


def _joined(said: Sequence[str]) -> str:
    text = ""
    for more in said:
        text += (BETWEEN_STEPS if needs_break(text) else "") + more
    return text


def _behind_inner_results(entries: Sequence[TranscriptEntry], at: int) -> int:
    while at < len(entries):
        entry = entries[at]
        if not (isinstance(entry, ToolEntry) and entry.inner):
            break
        at += 1
    return at


def same(ours: TranscriptEntry, theirs: TranscriptEntry) -> bool:
    """Say whether a client's entry is our entry, however it spells it."""
    match ours, theirs:
        case UserEntry(), UserEntry():
            return ours.role == theirs.role and (
                _canonical(ours.content) == _canonical(theirs.content)
            )
        case ToolEntry(), ToolEntry():
            return theirs.call_id in {ours.call_id, UNNAMED} and (
                _canonical(ours.content) == _canonical(theirs.content)
            )
        case AssistantEntry(), AssistantEntry():
            return _same_answer(ours, theirs)
        case _:
            return False


def _same_answer(ours: AssistantEntry, theirs: AssistantEntry) -> bool:
    if theirs.speech is not None and not theirs.text:
        # Its client has the sound's name in the transcript's place.
        return ours.speech is not None and ours.speech.id == theirs.speech.id
    mine, yours = (ours.text or "").strip(), (theirs.text or "").strip()
    if ours.interrupted and not theirs.tool_calls:
        # How much of a cut answer reached its client is not known here.
        return mine.startswith(yours) or yours.startswith(mine)
    return (
        mine == yours
        and len(ours.tool_calls) == len(theirs.tool_calls)
        and all(map(_same_call, ours.tool_calls, theirs.tool_calls))
    )


def _same_call(ours: ToolCall, theirs: ToolCall) -> bool:
    if (ours.name, ours.kind) != (theirs.name, theirs.kind):
        return False
    if theirs.id not in {ours.id, UNNAMED}:
        return False
    # What a client leaves out of a call, or adds to it, makes it no other one.
    if ours.arguments == theirs.arguments:
        return True
    # Clients keep the arguments decoded and spell them anew, with other spaces and escapes.
    return ours.kind == "function" and _same_json(ours.arguments or "{}", theirs.arguments or "{}")


def _same_json(ours: str, theirs: str) -> bool:
    try:
        return bool(msgspec.json.decode(ours) == msgspec.json.decode(theirs))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False


def _canonical(content: Content) -> Content:
    match content:
        case (TextPart(text),):
            return text
        case _:
            return content
