"""Answers that are kept, as objects of OpenAI's stored completions: pure.

What was streamed is told as it was, as long as it is kept for that; after it what the transcript has of
an answer, which is its text, its refusal and its calls. Source: platform.openai.com, API reference, "List
chat completions" and the pages behind it.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from greenroom.actors.channels.channel import (
    AudioDelta,
    Delta,
    Deltas,
    FinishReason,
    RefusalDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
)
from greenroom.actors.entries import AssistantEntry, ToolEntry, TranscriptEntry, text_of
from greenroom.actors.stores.answered import FoundTurn, TurnPage
from greenroom.actors.stores.records import TurnEnd
from greenroom.actors.turn import Route, Served, TurnEnded, TurnStarted
from greenroom.http import wire
from greenroom.http.completion import CompletionBuilder
from greenroom.http.session_objects import call_out, parts_out

_NOBODY = Served(Route("", ""), 1)


class CompletionList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of stored completions."""

    object: Literal["list"] = "list"
    data: tuple[wire.Completion, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a completion was asked for with; of several parts, `content` has the text."""

    id: str
    role: Literal["user", "assistant", "tool"]
    content: str | None
    content_parts: list[object] | None = None
    name: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    tool_calls: tuple[wire.ToolCallOut, ...] | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET


class MessageList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of them."""

    object: Literal["list"] = "list"
    data: tuple[StoredMessage, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


class CompletionDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted."""

    object: Literal["chat.completion.deleted"] = "chat.completion.deleted"
    id: str
    deleted: bool = True


class MetadataUpdate(msgspec.Struct, frozen=True):
    """The body of an update; null takes all metadata away."""

    metadata: dict[str, str] | None


def completion_of(found: FoundTurn) -> wire.Completion:
    """Return a stored completion."""
    accepted, end = found.turn.accepted, found.turn.end
    assert end is not None, "what was found has ended"  # noqa: S101 - an invariant
    builder = CompletionBuilder()
    builder.progress(end.deltas or _from_transcript(end))
    served = end.served or _NOBODY
    started = TurnStarted(accepted.id, served, accepted.model, accepted.created)
    ended = TurnEnded(end.reason or FinishReason.STOP, end.usage, end.cost)
    return builder.whole(started, ended, accepted.metadata)


def list_of(page: TurnPage) -> CompletionList:
    """Return a page of stored completions."""
    data = tuple(map(completion_of, page.turns))
    return CompletionList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=page.more,
    )


def messages_of(
    completion: str,
    found: FoundTurn,
    *,
    after: str | None,
    limit: int,
    latest_first: bool,
) -> MessageList | None:
    """Return a page of the messages of one; None if `after` is none of them."""
    added = found.turn.accepted.added
    messages = [_message(f"{completion}-{n}", entry) for n, entry in enumerate(added)]
    if latest_first:
        messages.reverse()
    if after is not None:
        ids = [message.id for message in messages]
        if after not in ids:
            return None
        messages = messages[ids.index(after) + 1 :]
    shown = messages[:limit]
    return MessageList(
        data=tuple(shown),
        first_id=shown[0].id if shown else None,
        last_id=shown[-1].id if shown else None,
        has_more=len(messages) > limit,
    )


def _from_transcript(end: TurnEnd) -> Deltas:
    """Return what the transcript has of an answer that is not kept for replays any more."""
    answers = [entry for entry in end.entries if isinstance(entry, AssistantEntry)]
    if not answers:
        return ()
    answer, deltas = answers[-1], list[Delta]()
    if answer.speech is not None:
        speech = answer.speech
        deltas.append(AudioDelta(speech.id, transcript=answer.text, expires=speech.expires))
    elif answer.text:
        deltas.append(TextDelta(answer.text))
    if answer.refusal:
        deltas.append(RefusalDelta(answer.refusal))
    for index, call in enumerate(answer.tool_calls):
        is_custom = call.kind == "custom"
        deltas.append(ToolCallStart(index, call.id, call.name, is_custom, call.extra))
        deltas.append(ToolCallArguments(index, call.arguments))
    return tuple(deltas)


def _message(id_: str, entry: TranscriptEntry) -> StoredMessage:
    if isinstance(entry, AssistantEntry):
        return StoredMessage(
            id=id_,
            role="assistant",
            content=entry.text,
            refusal=UNSET if entry.refusal is None else entry.refusal,
            tool_calls=tuple(map(call_out, entry.tool_calls)) or UNSET,
        )
    content = entry.content
    parts = None if isinstance(content, str) else parts_out(content)
    if isinstance(entry, ToolEntry):
        return StoredMessage(
            id=id_,
            role="tool",
            content=text_of(content),
            content_parts=parts,
            tool_call_id=entry.call_id,
        )
    return StoredMessage(
        id=id_,
        role="user",
        content=text_of(content),
        content_parts=parts,
        name=UNSET if entry.name is None else entry.name,
    )
