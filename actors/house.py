"""The house: every agent and provider of one system, and the one door through which turns come in.

HTTP requests and the command line both enter here, so that selection, limits and sessions are the same.
"""

import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import msgspec
import trio

from greenroom.actors.agent import Agent, AgentStatus, Describe, Rooms
from greenroom.actors.answers import Answers
from greenroom.actors.archive import Archive
from greenroom.actors.at_work import AtWork
from greenroom.actors.calling import Upstreams
from greenroom.actors.channels.channel import Channel
from greenroom.actors.channels.embedding import Embedding
from greenroom.actors.channels.http_channel import HttpChannel
from greenroom.actors.channels.scripted import ScriptedChannel
from greenroom.actors.embedding import Vectors, embed
from greenroom.actors.entries import UserEntry
from greenroom.actors.errands.agenda import Agenda
from greenroom.actors.errands.runner import Look, Runner, RunnerMessage
from greenroom.actors.errands.tools import Doors, own_tools
from greenroom.actors.errands.words import Wake
from greenroom.actors.failure import TurnFailed
from greenroom.actors.kit import NO_KIT, Kit
from greenroom.actors.provider import DescribeProvider, Provider, ProviderMessage, ProviderStatus
from greenroom.actors.selection import Selection, Selector, Wish
from greenroom.actors.settings import HouseSettings, ProviderSettings
from greenroom.actors.stores.records import SessionName, StoredTurn
from greenroom.actors.stores.store import Store
from greenroom.actors.surroundings import Surroundings
from greenroom.actors.tools.tool import ToolHost
from greenroom.actors.turn import (
    ELSEWHERE,
    OnDisconnect,
    Route,
    Sender,
    Submit,
    TurnEvent,
    TurnRequest,
)
from greenroom.actors.turns import Turns
from greenroom.runtime import (
    Backoff,
    Counts,
    OpenStream,
    Permanent,
    Ref,
    ReplyStream,
    RuntimeFault,
    System,
)

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

ALWAYS = Permanent(restarts=10, seconds=60.0, backoff=Backoff(first=0.1, most=30.0))
"""With these waits there is no eleventh restart within a minute: a house never gives up on a part."""

Connect = Callable[[ProviderSettings], Channel]


def connect_channel(settings: ProviderSettings) -> Channel:
    """Return the channel that a provider's settings ask for."""
    match settings.api:
        case "scripted":
            return ScriptedChannel()
        case "openai-completions" | "anthropic-messages" | "ollama":
            return HttpChannel(settings)


def _with_hosts(kit: Kit, hosts: Sequence[ToolHost]) -> Kit:
    return msgspec.structs.replace(kit, hosts=(*kit.hosts, *hosts)) if hosts else kit


def new_id() -> str:
    """Return a turn's id: 24 hexadecimal digits, never the same twice."""
    return secrets.token_hex(12)


class Way(msgspec.Struct, frozen=True):
    """A turn, and where it might go."""

    selection: Selection
    turn: TurnRequest


class Taken(msgspec.Struct, frozen=True):
    """A turn that a session has taken: which way it went, the first event of its stream, and the rest."""

    way: Way
    first: TurnEvent
    events: ReplyStream[TurnEvent]


class House:
    """What a configuration's agents and providers are while they run."""

    def __init__(
        self,
        settings: HouseSettings,
        rooms: Mapping[str, Rooms],
        refs: tuple[Ref[Describe], ...],
        providers: tuple[Ref[ProviderMessage], ...],
        upstreams: Upstreams,
        store: Store,
        agenda: Agenda,
        clock: Callable[[], float],
        counts: Callable[[], Counts] = Counts,
        at_work: AtWork | None = None,
    ) -> None:
        self._rooms = rooms
        self._refs = refs
        self._providers = providers
        self._upstreams = upstreams
        self.actor_counts = counts
        self._at_work = at_work or AtWork()
        self.archive = Archive(store, rooms)
        self.answers = Answers(store, self.archive)
        self.turns = Turns(store, rooms)
        self.agenda = agenda
        self._clock = clock
        self._runner: Ref[RunnerMessage] | None = None
        self._selector = Selector(settings)
        self.default_agent = settings.default_agent
        self.models = self._selector.models

    @classmethod
    async def open(
        cls,
        system: System,
        settings: HouseSettings,
        store: Store,
        connect: Connect = connect_channel,
        *,
        clock: Callable[[], float] = time.time,
    ) -> "House":
        """Start the providers, then the agents, in `system`; each comes back after a crash.

        `store` has to outlive the system; `clock` tells the time of day in Unix seconds.
        """
        random = Random()  # noqa: S311 - spreads what is tried again, hides nothing
        providers: dict[str, Ref[ProviderMessage]] = {}
        for provider in settings.providers:
            create = partial(Provider, provider, connect, random)
            name = f"provider:{provider.id}"
            providers[provider.id] = await system.supervise(create, name, ALWAYS)
        upstreams = Upstreams(providers, settings.patience, random)
        windows = {
            Route(provider.id, model.id): model.context_window
            for provider in settings.providers
            for model in provider.models
            if model.context_window is not None
        }
        agenda = Agenda(store.errands, clock)
        place = Doors()
        inner = {
            agent.id: _with_hosts(
                settings.kits.get(agent.id, NO_KIT), own_tools(agent, agenda, place, clock)
            )
            for agent in settings.agents
        }
        surroundings = Surroundings(upstreams, store, clock, windows, inner, agenda)
        rooms: dict[str, Rooms] = {}
        refs: list[Ref[Describe]] = []
        for agent in settings.agents:
            rooms[agent.id] = Rooms(agent, settings.sessions, surroundings)
            host = partial(Agent, agent, rooms[agent.id])
            refs.append(await system.supervise(host, f"agent:{agent.id}", ALWAYS))
        house = cls(
            settings,
            rooms,
            tuple(refs),
            tuple(providers.values()),
            upstreams,
            store,
            agenda,
            clock,
            system.counts,
            surroundings.at_work,
        )
        place.open(house)
        runner = partial(Runner, store.errands, house, clock)
        house.run_errands(await system.supervise(runner, "errands", ALWAYS))
        return house

    @property
    def agent_ids(self) -> tuple[str, ...]:
        """The agents' ids, in the configuration's order."""
        return tuple(self._rooms)

    def is_agent(self, model: str) -> bool:
        """Say whether a model field names an agent, in any of its forms."""
        return self._selector.is_agent(model)

    def agent_in(self, model: str) -> str | None:
        """Return the agent that a model field names, if it does; raises `TurnFailed`."""
        return self._selector.agent_in(model)

    def select(self, wish: Wish) -> Selection:
        """Resolve who answers, in which session, with which model.

        Raises:
            TurnFailed: INVALID_REQUEST or NOT_FOUND, naming what is wrong.
        """
        return self._selector.select(wish)

    def session(self, key: str, agent: str | None) -> SessionName:
        """Return the session that a key means; raises `TurnFailed` (INVALID_REQUEST)."""
        return self._selector.session(key, agent)

    async def status(self) -> tuple[AgentStatus, ...]:
        """Ask every agent how it is; the caller sets the deadline."""
        return tuple([await ref.ask(Describe()) for ref in self._refs])

    async def provider_status(self) -> tuple[ProviderStatus, ...]:
        """Ask every provider how it is; the caller sets the deadline."""
        return tuple([await ref.ask(DescribeProvider()) for ref in self._providers])

    async def calm(self) -> None:
        """Wait until no turn runs or waits, with a client or without; the caller sets the deadline."""
        await self._at_work.calm()

    async def close(self, grace: float) -> None:
        """Stop the agents, their sessions and runs; who has not ended in `grace` seconds is cancelled.

        The providers are up meanwhile, so that no run takes their end for its upstream's.
        """
        if self._runner is not None:
            self._runner.kill()
        for ref in self._refs:
            ref.stop()
        with trio.move_on_after(grace):
            for ref in self._refs:
                await ref.stopped()
        for ref in self._refs:
            ref.kill()
        for ref in self._refs:
            await ref.stopped()

    def submit(self, selection: Selection, turn: TurnRequest) -> OpenStream[TurnEvent]:
        """Ask a session for a turn: `async with house.submit(…) as events`.

        Entering raises `DirectoryFull` if the agent has its bound of sessions alive.
        """
        rooms = self._rooms[selection.agent]
        if selection.ephemeral:
            key = rooms.recent.session_of(turn.sender, selection.session)
            return rooms.passing.address(key).stream(Submit(turn))
        return rooms.sessions.address(selection.session).stream(Submit(turn))

    async def embed(
        self, selection: Selection, wanted: Embedding, log: "FilteringBoundLogger"
    ) -> Vectors:
        """Have the selected model embed; raises `TurnFailed`."""
        return await embed(self._upstreams, selection.route, wanted, log)

    # Turns that come from inside

    def run_errands(self, runner: Ref[RunnerMessage]) -> None:
        """Have `runner` told whenever an errand may be due."""

        def look() -> None:
            with suppress(RuntimeFault):  # it looks by itself when it starts
                runner.tell(Look())

        self._runner = runner
        self.agenda.on_change = look

    async def wake(
        self, session: SessionName, turn: str, wake: Wake, *, goes_on: bool = True
    ) -> None:
        """Have a session take a turn of that id, and wait for its end; it `goes_on` if nobody waits.

        Raises:
            TurnFailed, RuntimeFault: it has not taken it, or has failed.
        """
        selection = self._selector.own(session)
        request = TurnRequest(
            id=turn,
            route=selection.route,
            entries=(UserEntry(wake.text, inner=True),),
            fallbacks=selection.fallbacks,
            model=f"agent:{session.agent}",
            created=int(self._clock()),
            sender=Sender(on_disconnect=OnDisconnect.CONTINUE if goes_on else OnDisconnect.CANCEL),
            appends=True,
            chain=wake.chain,
            calls=wake.calls,
            results=wake.results,
        )
        async with self.submit(selection, request) as events:
            async for _ in events:
                pass

    async def ended(self, session: SessionName, turn: str) -> StoredTurn | None:
        """Return a turn once it has ended, None if the session has none of this id."""
        return await self.turns.ended(session, turn)

    def ways(self, ways: Sequence[Way]) -> tuple[Way, ...]:
        """Return where a turn is to be tried that gets a session of its own by the last of `ways`.

        A request that an SDK sends again goes first where it went before.
        """
        *others, last = ways
        known = self._rooms[last.selection.agent].firsts.find(last.turn.sender)
        if known is None or last.turn.follows != "":
            return tuple(ways)
        before = msgspec.structs.replace(last.selection, session=known)
        return (*others, Way(before, last.turn), last)

    @asynccontextmanager
    async def submit_first(self, ways: Sequence[Way]) -> AsyncGenerator[Taken]:
        """Ask one session after the other for an announced turn, until one of them takes it.

        Raises what `submit` does, and what the streams do: but a turn that was to follow another, in a
        session that has gone on meanwhile, goes the next way.
        """
        for number, way in enumerate(ways, 1):
            async with self.submit(way.selection, way.turn) as events:
                try:
                    first = await anext(events)
                except TurnFailed as refused:
                    if refused.failure.code != ELSEWHERE or number == len(ways):
                        raise
                    continue
                if not way.selection.ephemeral and way.turn.follows == "":
                    firsts = self._rooms[way.selection.agent].firsts
                    firsts.keep(way.turn.sender, way.selection.session)
                yield Taken(way, first, events)
                return
