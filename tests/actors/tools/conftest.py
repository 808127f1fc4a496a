"""What tests of tools share: tools whose work is a function of the test, and answers that call them."""

from collections.abc import Awaitable, Callable, Sequence

from greenroom.actors.channels.channel import (
    Deltas,
    Finish,
    FinishReason,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import AssistantEntry, Tool, ToolCall, ToolEntry, TranscriptEntry
from greenroom.actors.stores.records import SessionName
from greenroom.actors.stores.store import Store
from greenroom.actors.tools.tool import Call, InnerTool

Wish = tuple[str, str]
"""A call's id, and its tool's name."""

OUTER = Tool("outer", b'{"type":"function","function":{"name":"outer"}}')
"""A tool of the client's."""


def a_tool(
    name: str = "look",
    work: Callable[[Call], Awaitable[str]] | None = None,
    *,
    seconds: float = 60.0,
) -> InnerTool:
    async def found(call: Call) -> str:
        return f"found by {call.id}"

    return InnerTool(name, f"To {name}.", b'{"type":"object"}', work or found, seconds)


def calling(*wished: Wish, text: str = "", usage: Usage | None = None) -> tuple[Deltas, ...]:
    """An answer that says something, and then calls tools."""
    first: Deltas = (TextDelta(text),) if text else ()
    started: list[Deltas] = [
        (ToolCallStart(index, id_, name), ToolCallArguments(index, "{}"))
        for index, (id_, name) in enumerate(wished)
    ]
    end: Deltas = (Finish(FinishReason.TOOL_CALLS), usage or Usage(10, 5))
    return (*((first,) if first else ()), *started, end)


def inner_calls(*wished: Wish, text: str | None = None) -> AssistantEntry:
    """What a transcript has of an answer that called tools of ours."""
    made = tuple(ToolCall(id_, name, "{}", inner=name != "outer") for id_, name in wished)
    return AssistantEntry(text, made)


def inner_result(id_: str, text: str | None = None) -> ToolEntry:
    return ToolEntry(id_, text or f"found by {id_}", inner=True)


async def transcript_of(store: Store, key: str = "k") -> Sequence[TranscriptEntry]:
    """All that is kept of a session, in order."""
    kept = await store.transcript(SessionName("main", key), limit=1000)
    return [stored.entry for stored in kept]  # type: ignore[misc]
