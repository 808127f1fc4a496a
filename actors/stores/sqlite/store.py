"""`SqliteStore`: the verbs of a store, each handed to whoever writes or reads.

It knows which verb writes and which reads, and nothing of tables, threads or files.
"""

import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec
import trio

from greenroom.actors.entries import SummaryEntry, TranscriptEntry
from greenroom.actors.stores.answered import TurnPage, TurnQuery
from greenroom.actors.stores.records import (
    AcceptedTurn,
    Fence,
    Fork,
    Kept,
    Page,
    Query,
    Retention,
    SessionInfo,
    SessionName,
    SessionState,
    StoredEntry,
    StoredTurn,
    TurnEnd,
)
from greenroom.actors.stores.sqlite import (
    appends,
    files,
    finding,
    forgetting,
    listing,
    moving,
    opening,
    portable,
    reads,
)
from greenroom.actors.stores.sqlite.errands import SqliteErrands
from greenroom.actors.stores.sqlite.readers import HereReader, Readers, ThreadReaders
from greenroom.actors.stores.sqlite.transactions import Transactions, Watch
from greenroom.actors.stores.sqlite.writer import HereWriter, ThreadWriter, Writer
from greenroom.actors.stores.store import StoreFailed


class Limits(msgspec.Struct, frozen=True):
    """Bounds of a store in a file.

    `batch` operations are committed together at most, and `waiting` may be on their way. Of `readers`
    each has a connection. `busy` is how many seconds another process's lock is waited for, `closing` how
    many an end may take before what waits fails, and as long again before it is given up. The file has
    `pages` (of 4 KiB) at most; None is as many as the disk has.
    """

    batch: int = 256
    waiting: int = 1024
    readers: int = 4
    busy: float = 5.0
    closing: float = 10.0
    pages: int | None = None


_LIMITS = Limits()


class SqliteStore:
    """Sessions in one SQLite file, or in memory; `open` and `in_memory` make it."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers
        self.errands = SqliteErrands(writer, readers)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path, limits: Limits = _LIMITS, *, watch: Watch | None = None
    ) -> AsyncGenerator["SqliteStore"]:
        """Open the store in the file `path`, which is made if it is not there.

        On leaving, what was handed over is done, and the file is whole without its log. A test may have
        a `watch` on every `Point` of a write, to look, to fail it, or to end the process there.

        Raises:
            CannotOpen: the file cannot be had: another process has it, it is damaged, or the like.
            StoreFailed: on leaving, the disk does not answer.
        """
        path, claim, db = await trio.to_thread.run_sync(
            partial(opening.open_file, path, busy=limits.busy, max_pages=limits.pages)
        )
        writer = ThreadWriter(Transactions(db, watch), batch=limits.batch, room=limits.waiting)
        readers = ThreadReaders(partial(files.connect, path, busy=limits.busy), limits.readers)
        writer.start()
        try:
            yield cls(writer, readers)
        finally:
            with trio.move_on_after(2 * limits.closing, shield=True) as writing:
                await writer.close(limits.closing, db.interrupt)
            with trio.move_on_after(limits.closing, shield=True) as reading:
                await readers.close()
            if writing.cancelled_caught or reading.cancelled_caught:
                # A thread may still write once the disk answers, so the file stays claimed.
                raise StoreFailed(f"{path} cannot be closed: the disk does not answer")
            claim.release()

    @classmethod
    @asynccontextmanager
    async def in_memory(cls, *, watch: Watch | None = None) -> AsyncGenerator["SqliteStore"]:
        """Make a store that is gone when it is left; it has no thread, and takes no virtual time."""
        db = opening.open_in_memory()
        try:
            yield cls(HereWriter(Transactions(db, watch)), HereReader(db))
        finally:
            db.close()

    # Appends

    async def accept(
        self,
        name: SessionName,
        fence: Fence,
        turn: AcceptedTurn,
        *,
        fork: Fork | None = None,
        lasts: float | None = None,
    ) -> Fence:
        return await self._writer.run(
            lambda db: appends.accept(db, name, fence, turn, fork=fork, lasts=lasts)
        )

    async def step(self, name: SessionName, turn: str, entries: Sequence[TranscriptEntry]) -> None:
        await self._writer.run(lambda db: appends.step(db, name, turn, entries))

    async def end(
        self, name: SessionName, fence: Fence, ends: Sequence[TurnEnd]
    ) -> tuple[Fence, tuple[StoredEntry, ...]]:
        return await self._writer.run(lambda db: appends.end(db, name, fence, ends))

    async def compact(
        self, name: SessionName, fence: Fence, turn: str, summary: SummaryEntry, upto: int
    ) -> tuple[Fence, StoredEntry]:
        return await self._writer.run(
            lambda db: appends.compact(db, name, fence, turn, summary, upto)
        )

    async def reset(self, name: SessionName, fence: Fence, at: float) -> Fence:
        return await self._writer.run(lambda db: appends.reset(db, name, fence, at))

    async def annotate(
        self, name: SessionName, fence: Fence, attributes: bytes, at: float
    ) -> Fence:
        return await self._writer.run(lambda db: appends.annotate(db, name, fence, attributes, at))

    async def erase(self, name: SessionName, fence: Fence, seq: int) -> Fence:
        return await self._writer.run(lambda db: appends.erase(db, name, fence, seq))

    # Reads

    async def load(self, name: SessionName) -> SessionState | None:
        return await self._readers.run(lambda db: reads.load(db, name))

    async def foresee(self, fork: Fork) -> SessionState:
        return await self._readers.run(lambda db: reads.foresee(db, fork))

    async def earlier(self, of: SessionName | Fork) -> tuple[StoredEntry, ...]:
        return await self._readers.run(lambda db: reads.earlier(db, of))

    async def find(self, name: SessionName, idempotency: str) -> StoredTurn | None:
        return await self._readers.run(lambda db: reads.find(db, name, idempotency))

    async def find_again(self, name: SessionName, fingerprint: bytes) -> StoredTurn | None:
        return await self._readers.run(lambda db: reads.find_again(db, name, fingerprint))

    async def turn(self, name: SessionName, turn: str) -> StoredTurn | None:
        return await self._readers.run(lambda db: reads.turn(db, name, turn))

    async def find_turn(self, turn: str) -> tuple[SessionName, StoredTurn] | None:
        return await self._readers.run(lambda db: reads.find_turn(db, turn))

    async def turns(self, query: TurnQuery) -> TurnPage:
        return await self._readers.run(lambda db: finding.page(db, query))

    async def until(self, name: SessionName, turn: str) -> int | None:
        return await self._readers.run(lambda db: reads.until(db, name, turn))

    async def list(self, query: Query) -> Page:
        return await self._readers.run(lambda db: listing.page(db, query))

    async def info(self, name: SessionName) -> SessionInfo | None:
        return await self._readers.run(lambda db: listing.info(db, name))

    async def transcript(
        self,
        name: SessionName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
        cut: bool = False,
    ) -> tuple[StoredEntry, ...]:
        return await self._readers.run(
            lambda db: reads.transcript(db, name, after, before, limit, cut=cut)
        )

    async def label(self, name: SessionName, turn: str, metadata: Mapping[str, str]) -> bool:
        return await self._writer.run(lambda db: finding.label(db, name, turn, metadata))

    # Whole sessions

    async def delete(self, name: SessionName) -> bool:
        return await self._writer.run(lambda db: forgetting.delete(db, name), erases=bool)

    async def drop_request(self, name: SessionName, turn: str) -> int | None:
        return await self._writer.run(
            lambda db: forgetting.drop_request(db, name, turn),
            erases=lambda left: left is not None,
        )

    @asynccontextmanager
    async def export(self, name: SessionName) -> AsyncGenerator[AsyncIterator[bytes]]:
        begun = await self._readers.run(lambda db: moving.begin(db, name))
        lines = self._lines(begun)
        try:
            yield lines
        finally:
            await lines.aclose()

    async def _lines(self, begun: moving.Begun) -> AsyncGenerator[bytes]:
        yield portable.encode(begun.line)
        turns, entries, after = 0, 0, 0
        while some := await self._readers.run(partial(moving.turns, begun=begun, after=after)):
            for turn in some:
                yield portable.encode(turn)
            turns, after = turns + len(some), some[-1].seq
        after = 0
        while more := await self._readers.run(partial(moving.entries, begun=begun, after=after)):
            for entry in more:
                yield portable.encode(entry)
            entries, after = entries + len(more), more[-1].seq
        yield portable.encode(portable.EndLine(turns, entries))

    async def restore(
        self, lines: AsyncIterator[bytes], *, name: SessionName | None = None
    ) -> SessionName:
        read: list[portable.Line] = []
        number = 0
        async for line in lines:
            number += 1
            if line.strip():
                read.append(portable.decode(line, number))
        session = portable.session_of(read)
        named = SessionName(session.head.agent, session.head.key) if name is None else name
        await self._writer.run(lambda db: moving.restore(db, session, named))
        return named

    async def retain(self, retention: Retention, now: float, *, most: int = 100) -> Kept:
        deleted: list[SessionName] = []
        forgotten, is_more = 0, False
        most = max(most, 0)
        for step in _steps(retention, now):
            while True:
                left = most - len(deleted) - forgotten
                swept = await self._writer.run(partial(step, most=left), erases=_has_swept)
                deleted += swept.deleted
                forgotten += swept.forgotten
                if not swept.more or left == 0:
                    is_more = is_more or swept.more
                    break
        hollow = await self._writer.run(forgetting.give_back)
        return Kept(tuple(deleted), forgotten, is_more or hollow)


class _Step(Protocol):
    """Some of what retention asks for, `most` things at most."""

    def __call__(self, db: sqlite3.Connection, *, most: int) -> forgetting.Swept: ...


def _has_swept(swept: forgetting.Swept) -> bool:
    return bool(swept.deleted or swept.forgotten)


def _steps(retention: Retention, now: float) -> Iterator[_Step]:
    if retention.max_idle is not None:
        yield partial(forgetting.delete_idle, before=now - retention.max_idle, now=now)
    yield partial(forgetting.delete_passed, now=now)
    if retention.max_bytes is not None:
        yield partial(forgetting.delete_over, limit=retention.max_bytes, now=now)
    yield partial(forgetting.forget, before=now - retention.replay)
