"""The house: every agent and provider of one system, and the one door through which turns come in.

HTTP requests and the command line both enter here, so that selection, limits and sessions are the same.
"""

import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import trio

from greenroom.actors.agent import AgentStatus, Describe, Rooms
from greenroom.actors.answers import Answers
from greenroom.actors.archive import Archive
from greenroom.actors.channels.channel import Channel
from greenroom.actors.channels.embedding import Embedding
from greenroom.actors.channels.http_channel import HttpChannel
from greenroom.actors.channels.scripted import ScriptedChannel
from greenroom.actors.embedding import Vectors, embed
from greenroom.actors.entries import UserEntry
from greenroom.actors.errands.runner import Look, Runner, RunnerMessage
from greenroom.actors.errands.tools import Doors
from greenroom.actors.errands.words import Wake
from greenroom.actors.failure import TurnFailed
from greenroom.actors.household import Household
from greenroom.actors.provider import DescribeProvider, ProviderStatus
from greenroom.actors.providers import ALWAYS, Connect
from greenroom.actors.roll_call import all_answers
from greenroom.actors.routing import RoutableModel
from greenroom.actors.selection import Selection, Selector, Wish
from greenroom.actors.settings import HouseSettings, ProviderSettings
from greenroom.actors.stores.records import SessionName, StoredTurn
from greenroom.actors.stores.store import Store
from greenroom.actors.surroundings import Surroundings
from greenroom.actors.tools.mcp.serving import McpServers
from greenroom.actors.tools.mcp.settings import McpServer
from greenroom.actors.turn import (
    ELSEWHERE,
    OnDisconnect,
    Sender,
    Submit,
    TurnEvent,
    TurnRequest,
)
from greenroom.actors.turns import Turns
from greenroom.runtime import Counts, OpenStream, Ref, ReplyStream, RuntimeFault, System

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def connect_channel(settings: ProviderSettings) -> Channel:
    """Return the channel that a provider's settings ask for."""
    match settings.api:
        case "scripted":
            return ScriptedChannel()
        case "openai-completions" | "anthropic-messages" | "ollama":
            return HttpChannel(settings)


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
        household: Household,
        surroundings: Surroundings,
        counts: Callable[[], Counts] = Counts,
    ) -> None:
        self._household = household
        self.actor_counts = counts
        self._at_work = surroundings.at_work
        self.archive = Archive(surroundings.store, household.rooms)
        self.answers = Answers(surroundings.store, self.archive)
        self.turns = Turns(surroundings.store, household.rooms)
        self.agenda = surroundings.agenda
        self.bulletin = surroundings.bulletin
        self._clock = surroundings.clock
        self.servers = McpServers(())
        self._runner: Ref[RunnerMessage] | None = None

    @classmethod
    async def open(
        cls,
        system: System,
        settings: HouseSettings,
        store: Store,
        connect: Connect = connect_channel,
        *,
        clock: Callable[[], float] = time.time,
        mcp: Sequence[McpServer] = (),
        runs_errands: bool = True,
    ) -> "House":
        """Start the providers, then the agents, in `system`; each comes back after a crash.

        `store` has to outlive the system; `clock` tells the time of day in Unix seconds. `mcp` are
        servers of tools, which may come up later. Errands are run only where it `runs_errands`.
        """
        surroundings = Surroundings(store, clock)
        place = Doors()
        servers = McpServers(mcp)
        await servers.start(system)
        household = Household(system, settings, connect, surroundings, servers, place)
        await household.begin()
        house = cls(household, surroundings, system.counts)
        house.servers = servers
        place.open(house)
        if runs_errands:
            runner = partial(Runner, store.errands, house, clock)
            house.run_errands(await system.supervise(runner, "errands", ALWAYS))
        return house

    async def take(self, settings: HouseSettings) -> None:
        """Have another configuration count for all turns that begin from now on.

        Raises:
            StartFailed, TurnFailed, Closing, NotAccepted: it cannot; and nothing has changed.
        """
        await self._household.take(settings)

    @property
    def settings(self) -> HouseSettings:
        """The configuration that counts now."""
        return self._household.settings

    @property
    def default_agent(self) -> str:
        """The id of the agent that answers whoever names none."""
        return self.settings.default_agent

    @property
    def models(self) -> tuple[RoutableModel, ...]:
        """The models that a wish can name, in the configuration's order."""
        return self._selector.models

    @property
    def agent_ids(self) -> tuple[str, ...]:
        """The agents' ids, in the configuration's order."""
        return tuple(agent.id for agent in self.settings.agents)

    @property
    def _selector(self) -> Selector:
        return self._household.selector

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

    def stored_session(self, key: str, agent: str | None) -> SessionName:
        """Return the stored session that a key means, also of an agent that is gone."""
        return self._selector.stored(key, agent)

    async def status(self) -> tuple[AgentStatus, ...]:
        """Ask every agent how it is; the caller sets the deadline."""
        return await all_answers(lambda: self._household.refs, Describe())

    async def provider_status(self) -> tuple[ProviderStatus, ...]:
        """Ask every provider how it is; the caller sets the deadline."""
        return await all_answers(lambda: self._household.upstreams.providers, DescribeProvider())

    async def calm(self) -> None:
        """Wait until no turn runs or waits, with a client or without; the caller sets the deadline."""
        await self._at_work.calm()

    async def close(self, grace: float) -> None:
        """Stop the agents, their sessions and runs; who has not ended in `grace` seconds is cancelled.

        The providers are up meanwhile, so that no run takes their end for its upstream's.
        """
        if self._runner is not None:
            self._runner.kill()
        refs = self._household.close()
        for ref in refs:
            ref.stop()
        with trio.move_on_after(grace):
            for ref in refs:
                await ref.stopped()
        for ref in refs:
            ref.kill()
        for ref in refs:
            await ref.stopped()
        await self.servers.close()

    def submit(self, selection: Selection, turn: TurnRequest) -> OpenStream[TurnEvent]:
        """Ask a session for a turn: `async with house.submit(…) as events`.

        Raises `TurnFailed` (INVALID_REQUEST) if the agent has gone since it was selected. Entering raises
        `DirectoryFull` if it has its bound of sessions alive.
        """
        rooms = self._rooms(selection)
        if selection.ephemeral:
            key = rooms.recent.session_of(turn.sender, selection.session)
            return rooms.passing.address(key).stream(Submit(turn))
        return rooms.sessions.address(selection.session).stream(Submit(turn))

    async def embed(
        self, selection: Selection, wanted: Embedding, log: "FilteringBoundLogger"
    ) -> Vectors:
        """Have the selected model embed; raises `TurnFailed`."""
        return await embed(self._household.upstreams, selection.route, wanted, log)

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
            is_own=selection.is_own,
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
        known = self._rooms(last.selection).firsts.find(last.turn.sender)
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
            # Now: its agent may be gone by the time at which the turn is taken.
            firsts = self._rooms(way.selection).firsts
            async with self.submit(way.selection, way.turn) as events:
                try:
                    first = await anext(events)
                except TurnFailed as refused:
                    if refused.failure.code != ELSEWHERE or number == len(ways):
                        raise
                    continue
                if not way.selection.ephemeral and way.turn.follows == "":
                    firsts.keep(way.turn.sender, way.selection.session)
                yield Taken(way, first, events)
                return

    def _rooms(self, selection: Selection) -> Rooms:
        self._selector.check(selection.agent)
        return self._household.rooms[selection.agent]
