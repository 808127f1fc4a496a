"""Any program of appends, forks, deletions, moves and restarts: engines say what a simple model says."""

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.entries import AssistantEntry, SummaryEntry, TranscriptEntry, UserEntry
from greenroom.actors.stores.records import (
    AcceptedTurn,
    Fence,
    Fork,
    Query,
    Retention,
    SessionInfo,
    SessionName,
    StoredEntry,
    TurnEnd,
    TurnState,
)
from greenroom.actors.stores.sqlite import maintenance
from greenroom.actors.stores.store import Fenced, SourceMissing, Store
from tests.actors.stores import conftest
from tests.actors.stores.conftest import ENGINES, LASTING, Open, accepted, finished, lines_of, words
from tests.actors.stores.model import Model, stands

NAMES = (SessionName("a", "x"), SessionName("a", "y"), SessionName("b", "x"))
PATIENCE = 60
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of its own in it
"""Where a disk is in memory: the examples make some ten thousand commits."""

Which = Literal["current", "fresh", "stale", "create"]


class Step(msgspec.Struct, frozen=True):
    """One deed at a session; the numbers choose what it is done with, whatever there is then."""

    deed: str
    name: int
    fence: Which
    one: int
    two: int


STEPS = st.lists(
    st.builds(
        Step,
        deed=st.sampled_from(
            ["say"] * 6 + ["accept", "end", "end", "end"] + ["fork"] * 3
            + ["compact", "compact", "reset", "delete", "move", "retain", "restart"]
        ),
        name=st.integers(0, len(NAMES) - 1),
        fence=st.sampled_from(["current"] * 8 + ["fresh", "fresh", "stale", "create"]),
        one=st.integers(0, 40),
        two=st.integers(0, 40),
    ),
    min_size=20,
    max_size=32,
)  # fmt: skip


class Player:
    """Does each step to a store and to the model, and compares."""

    def __init__(self, opening: Open) -> None:
        self.opening = opening
        self.stack = AsyncExitStack()
        self.model = Model()
        self.known: dict[SessionName, list[Fence]] = {name: [] for name in NAMES}
        self.clock = 1000.0
        self.turns = 0
        self.store: Store

    async def play(self, steps: list[Step]) -> None:
        self.store = await self.stack.enter_async_context(self.opening())
        try:
            for step in steps:
                self.clock += 1
                name = NAMES[step.name]
                await getattr(self, f"_{step.deed}")(step, name)
                await self.compare(name)
            await self.compare_all()
        finally:
            await self.stack.aclose()

    # Deeds

    async def _accept(self, step: Step, name: SessionName, fork: Fork | None = None) -> None:
        self.turns += 1
        said = [f"said {self.turns}.{n}" for n in range(step.one % 3)]
        turn = accepted(
            f"t{self.turns}",
            at=self.clock,
            idempotency=f"k{step.two % 3}" if step.two % 2 else None,
            added=tuple(map(UserEntry, said)),
            keep_to=step.two or None,
        )
        fence = Fence() if fork is not None else self.fence(step, name)
        await self.append(
            name,
            lambda: self.store.accept(name, fence, turn, fork=fork),
            lambda epoch: self.model.accept(name, fence, turn, fork, epoch),
        )

    async def _say(self, step: Step, name: SessionName) -> None:
        await self._accept(step, name)
        await self._end(step, name)

    async def _fork(self, step: Step, name: SessionName) -> None:
        source = NAMES[step.one % len(NAMES)]
        session = self.model.sessions.get(source)
        head = 3 if session is None else session.head - (step.two % 4 if step.two < 20 else 0)
        await self._accept(step, name, Fork(source, step.one, max(head, 0)))

    async def _end(self, step: Step, name: SessionName) -> None:
        session = self.model.sessions.get(name)
        turns = [] if session is None else session.open_turns()
        if not turns:
            return
        count = len(turns) if step.two > 30 else 1
        ends = tuple(self.end_of(turns[(step.one + n) % len(turns)], step, n) for n in range(count))
        fence = self.fence(step, name)
        await self.append(
            name,
            lambda: self.store.end(name, fence, ends),
            lambda _: self.model.end(name, fence, ends),
        )

    def end_of(self, turn: AcceptedTurn, step: Step, n: int) -> TurnEnd:
        kind = (step.one + n) % 6
        answer = AssistantEntry(f"answer to {turn.id}")
        entries: dict[int, tuple[TranscriptEntry | SummaryEntry, ...]] = {
            0: (),
            1: (answer,),
            2: (SummaryEntry(f"before {turn.id}"), *turn.added, answer),
        }
        cut = step.one + 1 if step.two % 3 == 0 else None
        end = finished(
            turn.id,
            at=self.clock,
            entries=entries.get(kind, (*turn.added, answer)),
            cut_from=cut,
            deltas=words("some", "words") if kind != 4 else (),
        )
        if kind:
            return end
        return msgspec.structs.replace(end, state=TurnState.INTERRUPTED, cut_from=None)

    async def _compact(self, step: Step, name: SessionName) -> None:
        session = self.model.sessions.get(name)
        fence = self.fence(step, name)
        if session is None or fence.head < 1:
            return
        upto = 1 + step.one % fence.head
        summary = SummaryEntry(f"up to {upto}")
        await self.append(
            name,
            lambda: self.store.compact(name, fence, "t", summary, upto),
            lambda _: self.model.compact(name, fence, "t", summary, upto),
        )

    async def _reset(self, step: Step, name: SessionName) -> None:
        fence = self.fence(step, name)
        if fence.epoch:
            await self.append(
                name,
                lambda: self.store.reset(name, fence, self.clock),
                lambda _: self.model.reset(name, fence, self.clock),
            )

    async def _delete(self, step: Step, name: SessionName) -> None:
        assert await self.store.delete(name) == self.model.delete(name)
        await self.compare_all()

    async def _move(self, step: Step, name: SessionName) -> None:
        if name not in self.model.sessions:
            return
        lines = await lines_of(self.store, name)
        target = NAMES[step.one % len(NAMES)]
        if target in self.model.sessions and target != name:
            with pytest.raises(ValueError, match="already"):
                await self.store.restore(conftest.given(lines), name=target)
            return
        if target == name:
            assert await self.store.delete(name)
        assert await self.store.restore(conftest.given(lines), name=target) == target
        state = await self.store.load(target)
        assert state is not None
        self.model.restore(name, target, state.fence.epoch)
        if target == name:
            for session in self.model.sessions.values():
                if session.fork is not None and session.fork.source == name:
                    session.fork = None
        again = await lines_of(self.store, target)
        assert again[1:] == lines[1:]
        await self.compare_all()

    async def _retain(self, step: Step, name: SessionName) -> None:
        retention = Retention(max_idle=5.0 + step.one, replay=float(step.two))
        kept = await self.store.retain(retention, self.clock)
        assert not kept.more
        assert list(kept.deleted) == self.model.retain(retention, self.clock)
        await self.compare_all()

    async def _restart(self, step: Step, name: SessionName) -> None:
        await self.stack.aclose()
        self.stack = AsyncExitStack()
        self.store = await self.stack.enter_async_context(self.opening())
        await self.compare_all()

    # How they are done

    def fence(self, step: Step, name: SessionName) -> Fence:
        session, known = self.model.sessions.get(name), self.known[name]
        if step.fence == "create" or session is None:
            return Fence()
        if step.fence == "stale" and known:
            return known[step.two % len(known)]
        return Fence(session.epoch, session.head, claimed=step.fence == "current")

    async def append(
        self,
        name: SessionName,
        do: Callable[[], Awaitable[Fence | tuple[Fence, object]]],
        expect: Callable[[int], object],
    ) -> None:
        try:
            done = await do()
        except (Fenced, SourceMissing) as refused:
            with pytest.raises(type(refused)):
                expect(0)
            return
        fence = done if isinstance(done, Fence) else done[0]
        assert done == expect(fence.epoch)
        before = self.known[name]
        assert not before or fence.epoch >= before[-1].epoch
        before.append(fence)

    # What is compared

    async def compare(self, name: SessionName) -> None:
        assert await self.store.load(name) == self.model.load(name)
        session = self.model.sessions.get(name)
        everything: tuple[StoredEntry, ...] = ()
        live: tuple[StoredEntry, ...] = ()
        if session is not None:
            everything = tuple(sorted(session.entries, key=lambda entry: entry.seq))
            live = tuple(entry for entry in everything if entry.cut is None)
        assert await self.store.transcript(name, cut=True) == everything
        assert await self.store.transcript(name) == live

    async def compare_all(self) -> None:
        infos = {info.name: info for info in (await self.store.list(Query())).sessions}
        assert infos.keys() == self.model.sessions.keys()
        assert [info.active for info in infos.values()] == sorted(
            (session.active for session in self.model.sessions.values()), reverse=True
        )
        for name in NAMES:
            await self.compare(name)
            session = self.model.sessions.get(name)
            if session is None:
                continue
            info = infos[name]
            assert info == SessionInfo(
                name=name,
                created=session.created,
                active=session.active,
                head=session.head,
                turns=len(session.turns),
                entries=len(session.live()),
                size=info.size,
                fork=session.fork,
            )
            assert await self.store.earlier(name) == tuple(session.split()[0])
            assert list(session.live()) == sorted(session.live(), key=stands)
            for id_, turn in session.turns.items():
                assert await self.store.turn(name, id_) == turn
            for key in ("k0", "k1", "k2"):
                having = [
                    turn for turn in session.turns.values() if turn.accepted.idempotency == key
                ]
                found = await self.store.find(name, key)
                assert found == (having[-1] if having else None)


@pytest.mark.parametrize("engine", ENGINES)
@given(steps=STEPS)
@settings(max_examples=200)
def test_an_engine_says_what_the_model_says(engine: str, steps: list[Step]) -> None:
    if engine not in LASTING:
        steps = [step for step in steps if step.deed != "restart"]
    with tempfile.TemporaryDirectory(dir=FAST) as folder:

        async def main() -> None:
            with trio.fail_after(PATIENCE):
                await Player(ENGINES[engine](Path(folder))).play(steps)

        trio.run(main)
        if engine == "sqlite":
            assert maintenance.check(Path(folder) / "store.db").problems == ()
