"""Sessions and their entries as a client reads them: pure."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from greenroom.actors.entries import (
    AssistantEntry,
    Content,
    Part,
    SummaryEntry,
    TextPart,
    ToolCall,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
)
from greenroom.actors.stores.records import Page, SessionInfo, StoredEntry
from greenroom.http import wire


class ForkOut(msgspec.Struct, frozen=True):
    """Where a session was forked from."""

    agent: str
    key: str
    seq: int


class SessionOut(msgspec.Struct, frozen=True, kw_only=True):
    """A session; times are Unix seconds, `size` is in bytes."""

    object: Literal["session"] = "session"
    key: str
    agent: str
    created_at: float
    active_at: float
    head: int
    turns: int
    entries: int
    size: int
    forked_from: ForkOut | None = None


class SessionList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sessions, the last active first; `next` is the next page's `after`."""

    object: Literal["list"] = "list"
    data: tuple[SessionOut, ...]
    has_more: bool
    next: str | None


class MessageIn(msgspec.Struct, frozen=True, kw_only=True):
    """What was said, as a chat message; a summary has the role `summary`."""

    role: Literal["user", "assistant", "tool", "summary"]
    content: str | list[object] | None
    name: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    tool_calls: tuple[wire.ToolCallOut, ...] | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET
    interrupted: bool | UnsetType = UNSET
    synthetic: bool | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET


class EntryOut(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a transcript; `cut` is the number of what cut it."""

    seq: int
    turn: str
    cut: int | None
    message: MessageIn


class TranscriptOut(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a transcript; `next` is the next page's `after`."""

    object: Literal["list"] = "list"
    data: tuple[EntryOut, ...]
    has_more: bool
    next: int | None


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted."""

    object: Literal["session.deleted"] = "session.deleted"
    key: str
    agent: str
    deleted: bool = True


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a turn was ended."""

    object: Literal["session.cancelled"] = "session.cancelled"
    key: str
    agent: str
    cancelled: bool


def session_of(info: SessionInfo) -> SessionOut:
    """Return a session."""
    fork = info.fork
    return SessionOut(
        key=info.name.key,
        agent=info.name.agent,
        created_at=info.created,
        active_at=info.active,
        head=info.head,
        turns=info.turns,
        entries=info.entries,
        size=info.size,
        forked_from=None if fork is None else ForkOut(fork.source.agent, fork.source.key, fork.seq),
    )


def list_of(page: Page) -> SessionList:
    """Return a page of sessions."""
    data = tuple(map(session_of, page.sessions))
    return SessionList(data=data, has_more=page.next is not None, next=page.next)


def transcript_of(entries: tuple[StoredEntry, ...], limit: int) -> TranscriptOut:
    """Return a page of a transcript that was asked for with one entry more than `limit`."""
    shown = entries[:limit]
    more = len(entries) > limit
    return TranscriptOut(
        data=tuple(
            EntryOut(seq=e.seq, turn=e.turn, cut=e.cut, message=_message(e.entry)) for e in shown
        ),
        has_more=more,
        next=shown[-1].seq if more else None,
    )


def _message(entry: TranscriptEntry | SummaryEntry) -> MessageIn:
    match entry:
        case UserEntry(content, name, pinned):
            return MessageIn(
                role="user",
                content=_content(content),
                name=UNSET if name is None else name,
                pinned=pinned or UNSET,
            )
        case AssistantEntry(text, calls, refusal, interrupted):
            return MessageIn(
                role="assistant",
                content=text,
                refusal=UNSET if refusal is None else refusal,
                tool_calls=tuple(map(call_out, calls)) or UNSET,
                interrupted=interrupted or UNSET,
            )
        case ToolEntry(call_id, content, synthetic):
            return MessageIn(
                role="tool",
                content=_content(content),
                tool_call_id=call_id,
                synthetic=synthetic or UNSET,
            )
        case SummaryEntry(text):
            return MessageIn(role="summary", content=text)


def _content(content: Content) -> str | list[object]:
    if isinstance(content, str):
        return content
    return parts_out(content)


def parts_out(parts: Sequence[Part]) -> list[object]:
    """Return the parts of a content."""
    return [
        {"type": "text", "text": part.text} if isinstance(part, TextPart) else Raw(part.raw)
        for part in parts
    ]


def call_out(call: ToolCall) -> wire.ToolCallOut:
    """Return a tool call, whole."""
    if call.kind == "custom":
        custom = wire.CustomDelta(name=call.name, input=call.arguments)
        return wire.ToolCallOut(id=call.id, type="custom", custom=custom)
    function = wire.FunctionDelta(name=call.name, arguments=call.arguments)
    return wire.ToolCallOut(id=call.id, type="function", function=function)
