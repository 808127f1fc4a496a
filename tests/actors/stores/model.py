"""A store as simple as can be, to compare engines with: lists in memory, where a fork is a copy."""

from dataclasses import dataclass, field

import msgspec

from greenroom.actors.entries import SummaryEntry
from greenroom.actors.stores.records import (
    AcceptedTurn,
    Fence,
    Fork,
    Retention,
    SessionName,
    SessionState,
    StoredEntry,
    StoredTurn,
    TurnEnd,
)
from greenroom.actors.stores.store import Fenced, SourceMissing


def stands(entry: StoredEntry) -> tuple[int, int]:
    return (entry.seq if entry.upto is None else entry.upto), entry.seq


@dataclass
class Session:
    """One session; `began` is its head before its first turn."""

    epoch: int
    head: int
    created: float
    active: float
    entries: list[StoredEntry]
    fork: Fork | None
    reset: float | None = None
    turns: dict[str, StoredTurn] = field(default_factory=dict[str, StoredTurn])
    began: int = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.head

    def claim(self, fence: Fence, at: float) -> Fence:
        if (fence.epoch, fence.head) != (self.epoch, self.head):
            raise Fenced
        self.epoch += not fence.claimed
        self.active = max(self.active, at)
        return Fence(self.epoch, self.head, claimed=True)

    def fence(self) -> Fence:
        return Fence(self.epoch, self.head, claimed=True)

    def add(self, turn: str, entry: StoredEntry) -> StoredEntry:
        self.entries.append(entry)
        return entry

    def cut(self, first: int, at: int) -> None:
        self.entries = [
            msgspec.structs.replace(entry, cut=at)
            if entry.cut is None and stands(entry)[0] >= first
            else entry
            for entry in self.entries
        ]

    def live(self) -> list[StoredEntry]:
        return sorted((entry for entry in self.entries if entry.cut is None), key=stands)

    def split(self) -> tuple[list[StoredEntry], list[StoredEntry]]:
        """What is earlier than the last summary, and what is from it on."""
        live = self.live()
        last = max((n for n, entry in enumerate(live) if entry.upto is not None), default=None)
        if last is None:
            return [], live
        return [entry for entry in live[:last] if entry.upto is None], live[last:]

    def at(self, seq: int, head: int) -> list[StoredEntry]:
        """What stood up to `seq` at `head`."""
        return [
            msgspec.structs.replace(entry, cut=None)
            for entry in self.entries
            if entry.seq <= head
            and (entry.cut is None or entry.cut > head)
            and stands(entry)[0] <= seq
        ]

    def open_turns(self) -> list[AcceptedTurn]:
        return [turn.accepted for turn in self.turns.values() if turn.end is None]


class Model:
    """All sessions. A new one's epoch is the engine's to choose, so it is told."""

    def __init__(self) -> None:
        self.sessions: dict[SessionName, Session] = {}

    def accept(
        self, name: SessionName, fence: Fence, turn: AcceptedTurn, fork: Fork | None, epoch: int
    ) -> Fence:
        if fence.epoch == 0:
            entries = [] if fork is None else self.lent(fork)
            if name in self.sessions:
                raise Fenced
            head = 0 if fork is None else fork.head
            at = turn.accepted
            session = self.sessions[name] = Session(epoch, head, at, at, entries, fork)
        else:
            session = self.owned(name, fence, turn.accepted)
        session.head += 1
        session.turns[turn.id] = StoredTurn(turn, None)
        return session.fence()

    def lent(self, fork: Fork) -> list[StoredEntry]:
        source = self.sessions.get(fork.source)
        if source is None or not source.began <= fork.head <= source.head:
            raise SourceMissing
        return source.at(fork.seq, fork.head)

    def owned(self, name: SessionName, fence: Fence, at: float = 0.0) -> Session:
        session = self.sessions.get(name)
        if session is None:
            raise Fenced
        session.claim(fence, at)
        return session

    def end(
        self, name: SessionName, fence: Fence, ends: tuple[TurnEnd, ...]
    ) -> tuple[Fence, tuple[StoredEntry, ...]]:
        session = self.owned(name, fence, max(end.ended for end in ends))
        added: list[StoredEntry] = []
        for end in ends:
            session.head += 1
            if end.cut_from is not None:
                session.cut(end.cut_from, session.head)
            for entry in end.entries:
                upto = session.head if isinstance(entry, SummaryEntry) else None
                session.head += 1
                added.append(
                    session.add(end.id, StoredEntry(session.head, end.id, entry, upto=upto))
                )
            session.turns[end.id] = StoredTurn(session.turns[end.id].accepted, end)
        return session.fence(), tuple(added)

    def compact(
        self, name: SessionName, fence: Fence, turn: str, summary: SummaryEntry, upto: int
    ) -> tuple[Fence, StoredEntry]:
        session = self.owned(name, fence)
        session.head += 1
        entry = session.add(turn, StoredEntry(session.head, turn, summary, upto=upto))
        return session.fence(), entry

    def reset(self, name: SessionName, fence: Fence, at: float) -> Fence:
        session = self.owned(name, fence, at)
        session.head += 1
        session.cut(0, session.head)
        session.reset = at
        return session.fence()

    def delete(self, name: SessionName) -> bool:
        for session in self.sessions.values():
            if session.fork is not None and session.fork.source == name:
                session.fork = None
        return self.sessions.pop(name, None) is not None

    def retain(self, retention: Retention, now: float) -> list[SessionName]:
        assert retention.max_idle is not None
        deleted = [
            name
            for name, session in sorted(self.sessions.items(), key=lambda item: item[1].active)
            if session.active < now - retention.max_idle and not session.open_turns()
        ]
        for name in deleted:
            self.delete(name)
        for session in self.sessions.values():
            for id_, turn in session.turns.items():
                end = turn.end
                if end is not None and end.deltas and end.ended < now - retention.replay:
                    silent = msgspec.structs.replace(end, deltas=())
                    session.turns[id_] = StoredTurn(turn.accepted, silent, forgotten=True)
        return deleted

    def restore(self, source: SessionName, name: SessionName, epoch: int) -> None:
        old = self.sessions[source]
        new = Session(epoch, old.head, old.created, old.active, list(old.entries), None, old.reset)
        new.began = 0
        new.turns = dict(old.turns)
        self.sessions[name] = new

    def load(self, name: SessionName) -> SessionState | None:
        session = self.sessions.get(name)
        if session is None:
            return None
        earlier, entries = session.split()
        return SessionState(
            name=name,
            fence=Fence(session.epoch, session.head),
            created=session.created,
            active=session.active,
            entries=tuple(entries),
            earlier=bool(earlier),
            open_turns=tuple(session.open_turns()),
            reset=session.reset,
            fork=session.fork,
        )
