"""What tests of stores share: the engines that every rule is held against, and short words.

A new engine is one more in `LASTING`; nothing in the contract's tests knows which one it has.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from greenroom.actors.channels.channel import (
    Deltas,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import (
    AssistantEntry,
    Keepsake,
    MediaPart,
    SummaryEntry,
    TextPart,
    ToolCall,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
)
from greenroom.actors.failure import Failure, FailureKind
from greenroom.actors.stores.records import (
    AcceptedTurn,
    Fence,
    Fork,
    SessionName,
    StoredEntry,
    TurnEnd,
    TurnState,
)
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.store import Store
from greenroom.actors.turn import Route, Served

NAME = SessionName("main", "agent:main:it")
OTHER = SessionName("main", "agent:main:other")


Open = Callable[[], AbstractAsyncContextManager[Store]]

LASTING: dict[str, Callable[[Path], Open]] = {
    "sqlite": lambda folder: lambda: SqliteStore.open(folder / "store.db")
}
PASSING: dict[str, Callable[[Path], Open]] = {"sqlite in memory": lambda _: SqliteStore.in_memory}
ENGINES = LASTING | PASSING
"""How each engine opens a store, from a folder of its own; what is in a lasting one is there again."""


@pytest.fixture(params=LASTING)
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """How each engine that lasts opens one and the same store, with nothing in it at first."""
    return LASTING[request.param](tmp_path)


@pytest.fixture(params=ENGINES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Each engine's store in turn, open, with nothing in it."""
    async with ENGINES[request.param](tmp_path)() as store:
        yield store


# Everything that an entry and a delta can be

RICH = (
    UserEntry(
        (TextPart("Look: \N{GREEN HEART} \0"), MediaPart("image_url", b'{"image_url": {}}\xff')),
        name="Ann",
        pinned=True,
    ),
    AssistantEntry(
        "I look.",
        (
            ToolCall("c1", "look", '{"at": "it"}', extra=b'{"k": 1}'),
            ToolCall("c2", "say", "free", "custom"),
        ),
        keepsake=Keepsake("some-api", b"\x00signed"),
    ),
    ToolEntry("c1", (TextPart("found"),)),
    ToolEntry("c2", "", synthetic=True),
    AssistantEntry(None, refusal="I will not.", interrupted=True),
)
RICH_DELTAS: Deltas = (
    ReasoningDelta("Hm."),
    TextDelta("I "),
    TextDelta("look."),
    RefusalDelta("No."),
    ToolCallStart(0, "c1", "look", extra=b"{}"),
    ToolCallArguments(0, '{"at"'),
    ToolCallStart(1, "c2", "say", custom=True),
    Keepsake("some-api", b"\x00signed"),
)


# Turns, in few letters


def accepted(id_: str = "t1", *texts: str, at: float = 1000.0, **fields: Any) -> AcceptedTurn:
    """A turn that adds what a user says in `texts`."""
    turn = AcceptedTurn(
        id=id_,
        accepted=at,
        fingerprint=id_.encode() * 4,
        idempotency=None,
        model="a-model",
        created=int(at),
        streamed=True,
        keep_to=None,
        added=tuple(UserEntry(text) for text in texts or ("Hi",)),
    )
    return msgspec.structs.replace(turn, **fields)


def finished(
    id_: str = "t1",
    *texts: str,
    at: float = 1001.0,
    said: str = "Hi",
    entries: Iterable[TranscriptEntry | SummaryEntry] | None = None,
    **fields: Any,
) -> TurnEnd:
    """Its end: what the user had `said`, then the answers in `texts`, or other `entries`."""
    answers = [AssistantEntry(text) for text in texts or ("Yes.",)]
    end = TurnEnd(
        id=id_,
        state=TurnState.FINISHED,
        ended=at,
        entries=(UserEntry(said), *answers) if entries is None else tuple(entries),
        deltas=words("Yes", "."),
        reason=FinishReason.STOP,
        usage=Usage(prompt=3, completion=2, cached=1),
        cost=0.25,
        served=Served(Route("here", "m"), 2),
    )
    return msgspec.structs.replace(end, **fields)


def failed(id_: str = "t1", *, at: float = 1001.0, state: TurnState = TurnState.FAILED) -> TurnEnd:
    """An end without an answer."""
    failure = Failure(FailureKind.UPSTREAM_ERROR, "It broke.", code="broke", retry_after=2.0)
    return TurnEnd(id_, state, at, failure=failure)


def words(*texts: str) -> Deltas:
    return tuple(TextDelta(text) for text in texts)


async def say(
    store: Store,
    name: SessionName,
    fence: Fence,
    id_: str,
    *,
    at: float = 1000.0,
    said: str = "Hi",
    fork: Fork | None = None,
    **fields: Any,
) -> tuple[Fence, tuple[StoredEntry, ...]]:
    """A whole turn."""
    fence = await store.accept(name, fence, accepted(id_, said, at=at), fork=fork)
    return await store.end(name, fence, (finished(id_, at=at, said=said, **fields),))


async def talk(
    store: Store, name: SessionName = NAME, turns: int = 1, *, at: float = 1000.0
) -> tuple[Fence, list[StoredEntry]]:
    """A new session of some turns, t1, t2, …; its fence and its entries."""
    fence, entries = Fence(), list[StoredEntry]()
    for number in range(1, turns + 1):
        fence, added = await say(store, name, fence, f"t{number}", at=at, said=f"Hi {number}")
        entries += added
    return fence, entries


def numbers(entries: Iterable[StoredEntry]) -> list[int]:
    return [entry.seq for entry in entries]


async def lines_of(store: Store, name: SessionName) -> list[bytes]:
    """A session's export."""
    async with store.export(name) as lines:
        return [line async for line in lines]


class given(AsyncIterator[bytes]):  # noqa: N801 - it reads as a word
    """Lines as `restore` takes them."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        for line in self._lines:
            return line
        raise StopAsyncIteration
