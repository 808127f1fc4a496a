"""A house of many lives on one store, and the clients that talk to it whatever happens.

What happens is drawn elsewhere. It keeps what each client said, and what it was told of that.
"""

from collections import defaultdict
from random import Random
from typing import Literal

import msgspec
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.agent import Agent, AgentMessage, Rooms
from greenroom.actors.answer import Answer
from greenroom.actors.calling import Upstreams
from greenroom.actors.channels.channel import Finish
from greenroom.actors.entries import AssistantEntry, TranscriptEntry
from greenroom.actors.failure import TurnFailed
from greenroom.actors.provider import Provider
from greenroom.actors.providers import ALWAYS
from greenroom.actors.session_messages import Cancel
from greenroom.actors.settings import (
    AgentSettings,
    Cooldown,
    ProviderSettings,
    Retry,
    SessionLimits,
)
from greenroom.actors.surroundings import Surroundings
from greenroom.actors.terms import terms_of
from greenroom.actors.turn import (
    OnBusy,
    OnDisconnect,
    Progress,
    Sender,
    Submit,
    TurnEnded,
    TurnEvent,
    TurnRequest,
)
from greenroom.runtime import Ref, RuntimeFault, System
from greenroom.runtime.testing import actors, crash
from tests.actors.conftest import HERE, PATIENCE_S, result, user
from tests.actors.model import Model
from tests.stores import Disk, a_store

PASSING = "p"
"""The key of turns that are each alone in a session that passes."""


class Turn(msgspec.Struct, eq=False):
    """What a client says, `asked` so often, and each whole answer that it was told."""

    name: str
    key: str
    entries: tuple[TranscriptEntry, ...]
    sender: Sender
    streamed: bool
    asked: int = 0
    told: list[AssistantEntry] = []


class House:
    """The house; between two calls of `live` nobody may say anything."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.disk = Disk()
        self.store = a_store(self.disk.watch)
        self.model = Model()
        self.turns: list[Turn] = []
        self._nursery = nursery
        self._scopes: list[trio.CancelScope] = []
        self._ids = 0
        self._said: defaultdict[str, int] = defaultdict(int)
        self._rooms: Rooms
        self._agent: Ref[AgentMessage]
        self._system: System

    async def live(self, system: System) -> None:
        """Start what a gateway starts."""
        settings = ProviderSettings(
            HERE.provider, "scripted", retry=Retry(times=0), cooldown=Cooldown(failures=0)
        )
        random = Random(1)
        provider = await system.supervise(
            lambda: Provider(settings, lambda _: self.model, random), "provider", ALWAYS
        )
        agent = AgentSettings("main", str(HERE))
        upstreams = Upstreams({HERE.provider: provider}, PATIENCE_S, random)
        terms = terms_of(agent, upstreams, SessionLimits(idle=60.0))
        rooms = self._rooms = Rooms(terms, Surroundings(self.store, trio.current_time))
        self._agent = await system.supervise(lambda: Agent(rooms), "agent", ALWAYS)
        self._system = system

    # What clients do

    async def come(
        self, key: str, kind: str, *, named: bool, streamed: bool, stays: bool, policy: OnBusy
    ) -> None:
        """Say something new; a turn that is `named` can be asked for by its key."""
        self._said[key] += 1
        name = f"{key}{self._said[key]}"
        sender = Sender(
            fingerprint=name.encode(),
            idempotency=f"key of {name}" if named and key != PASSING else None,
            on_busy=policy,
            on_disconnect=OnDisconnect.CONTINUE if named or stays else OnDisconnect.CANCEL,
        )
        await self._begin(Turn(name, key, (user(f"{name} {kind}"),), sender, streamed), sender)

    async def answer_calls(self, key: str, *, named: bool) -> None:
        """Give the results of the calls that were told last, if somebody was told any."""
        turn = self._last(key)
        if turn is None or not turn.told or not turn.told[0].tool_calls:
            return
        ids = [call.id for call in turn.told[0].tool_calls]
        name = f"results of {turn.name}"
        sender = Sender(name.encode(), f"key of {name}" if named else None)
        entries = tuple(map(result, ids))
        await self._begin(Turn(ids[-1], key, entries, sender, turn.streamed), sender)

    async def again(self, number: int, *, resumes: bool) -> None:
        """Ask for one of the latest turns again: by its name, or as SDKs do it, if it is the last."""
        if not self.turns:
            return
        turn = self.turns[-1 - number % len(self.turns)]
        if turn.sender.idempotency is not None:
            sender = msgspec.structs.replace(turn.sender, resumes=resumes)
        elif not turn.told and turn is self._last(turn.key):
            sender = msgspec.structs.replace(turn.sender, retry=True)
        else:
            return
        await self._begin(turn, sender)

    def leave(self, number: int) -> None:
        """Have one of the latest clients leave, if it is there still."""
        if self._scopes:
            self._scopes[-1 - number % len(self._scopes)].cancel()

    async def cancel(self, key: str) -> None:
        """Have somebody end the turns of a session."""

        async def ask() -> None:
            try:
                await self._rooms.sessions.address(key).ask(Cancel())
            except (TurnFailed, RuntimeFault):
                return

        self._nursery.start_soon(ask)
        await wait_all_tasks_blocked()

    async def _begin(self, turn: Turn, sender: Sender) -> None:
        if not turn.asked:
            self.turns.append(turn)
        turn.asked += 1
        self._ids += 1
        request = TurnRequest(
            f"t{self._ids}",
            HERE,
            turn.entries,
            ephemeral=turn.key == PASSING,
            streamed=turn.streamed,
            sender=sender,
        )
        self._nursery.start_soon(self._ask, turn, request)
        await wait_all_tasks_blocked()

    async def _ask(self, turn: Turn, request: TurnRequest) -> None:
        directory, key = self._rooms.sessions, turn.key
        if request.ephemeral:
            directory = self._rooms.passing
            key = self._rooms.recent.session_of(request.sender, request.id)
        events: list[TurnEvent] = []
        with trio.CancelScope() as scope:
            self._scopes.append(scope)
            try:
                async with directory.address(key).stream(Submit(request)) as stream:
                    async for event in stream:
                        events.append(event)  # noqa: PERF401 - those before a failure count, too
            except (TurnFailed, RuntimeFault):
                return
        if events and isinstance(ended := events[-1], TurnEnded):
            answer = Answer()
            for event in events:
                answer.take(event.deltas if isinstance(event, Progress) else ())
            answer.take((Finish(ended.reason),))
            turn.told.append(answer.entry())

    def _last(self, key: str) -> Turn | None:
        return next((turn for turn in reversed(self.turns) if turn.key == key), None)

    # What happens to it

    def strike(self, number: int, what: Literal["agent", "session", "run"], *, kill: bool) -> None:
        """Crash one of its actors, or kill it; agents come back only from the first."""
        depth = self._agent.path.count("/") + ("agent", "session", "run").index(what)
        refs = [
            ref
            for ref in actors(self._system)
            if ref.path.startswith(self._agent.path) and ref.path.count("/") == depth
        ]
        if refs and kill and what != "agent":
            refs[number % len(refs)].kill()
        elif refs:
            crash(refs[number % len(refs)])

    async def die(self) -> None:
        """End as a process does that is killed: nothing can be written from now on."""
        self.disk.is_full = True
        self._agent.kill()
        await self._agent.stopped()
