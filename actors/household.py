"""What a house has of its configuration: agents, providers, names; and how the next one takes its place.

The parts of the next one are started beside those that run. Then it counts, in one step without an await;
or nothing has changed. Turns that have begun keep what they began with.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from random import Random

import msgspec
import trio

from greenroom.actors.agent import Agent, AgentMessage, LookAround, Rooms
from greenroom.actors.calling import Upstreams
from greenroom.actors.errands.going import Place
from greenroom.actors.errands.tools import own_tools
from greenroom.actors.kit import NO_KIT, Kit
from greenroom.actors.providers import ALWAYS, Connect, Providers, name_of
from greenroom.actors.selection import Selector
from greenroom.actors.settings import AgentSettings, HouseSettings
from greenroom.actors.surroundings import Surroundings
from greenroom.actors.terms import Terms, terms_of
from greenroom.actors.tools.mcp.serving import McpServers
from greenroom.actors.tools.tool import ToolHost
from greenroom.runtime import Ref, RuntimeFault, System


class Closing(Exception):  # noqa: N818 - it is no fault
    """The house is being closed; its configuration changes no more."""


class Household:
    """The parts of one house; before `begin` it has their names alone.

    `rooms` are also those of agents that are gone, as long as one of their sessions is alive.
    """

    def __init__(
        self,
        system: System,
        settings: HouseSettings,
        connect: Connect,
        surroundings: Surroundings,
        servers: McpServers,
        place: Place,
    ) -> None:
        self.settings = settings
        self.selector = Selector(settings)
        self.rooms: dict[str, Rooms] = {}
        self._system = system
        self._surroundings = surroundings
        self._servers = servers
        self._place = place
        random = Random()  # noqa: S311 - spreads what is tried again, hides nothing
        self._providers = Providers(system, connect, random, settings.patience)
        self._refs: dict[str, Ref[AgentMessage]] = {}
        self._starts = Counter[str]()
        self._one_at_a_time = trio.Lock()
        self._is_closing = False

    @property
    def upstreams(self) -> Upstreams:
        """What turns call that begin now."""
        return self._providers.current

    @property
    def refs(self) -> Mapping[str, Ref[AgentMessage]]:
        """The agents that are configured, by id."""
        return {agent.id: self._refs[agent.id] for agent in self.settings.agents}

    async def begin(self) -> None:
        """Start all parts; raises as `take` does."""
        await self._change(self.settings)

    async def take(self, settings: HouseSettings) -> None:
        """Have a configuration count for all turns that begin from now on.

        Raises:
            StartFailed: a part of it cannot be started; then nothing has changed.
            TurnFailed: an agent's model is nobody's; likewise.
            Closing, NotAccepted: the house is at its end; likewise.
        """
        async with self._one_at_a_time:
            self._check_open()
            if settings != self.settings:
                await self._change(settings)

    def close(self) -> Sequence[Ref[AgentMessage]]:
        """Change no more, and return all agents that are there."""
        self._is_closing = True
        return tuple(self._refs.values())

    async def _change(self, settings: HouseSettings) -> None:
        selector = Selector(settings)
        upstreams = await self._providers.prepare(settings)
        fresh: dict[str, Rooms] = {}
        refs: dict[str, Ref[AgentMessage]] = {}
        try:
            terms = {
                agent.id: self._terms(agent, settings, upstreams, selector)
                for agent in settings.agents
            }
            # Looked for again after each: one that was to come back may be left for good meanwhile.
            while id_ := next((i for i in terms if i not in self.rooms and i not in fresh), None):
                rooms = Rooms(terms[id_], self._surroundings)
                refs[id_] = await self._start(id_, rooms)
                fresh[id_] = rooms
            self._check_open()
        except BaseException:
            for ref in refs.values():
                ref.kill()
            self._providers.drop(upstreams)
            raise
        self._refs |= refs
        self.rooms |= fresh
        self._swap(settings, selector, upstreams, terms)

    def _check_open(self) -> None:
        if self._is_closing:
            raise Closing

    def _swap(
        self,
        settings: HouseSettings,
        selector: Selector,
        upstreams: Upstreams,
        terms: Mapping[str, Terms],
    ) -> None:
        for id_, rooms in self.rooms.items():
            before, was_open = rooms.terms.upstreams, rooms.is_open
            if id_ in terms:
                rooms.stay(terms[id_])
                if not was_open:
                    before.let_go()
            elif was_open:
                # Turns that wait in them begin on the last terms.
                before.hold()
                rooms.leave(partial(self._leave, id_))
                with suppress(RuntimeFault):  # it looks around with every message that it has
                    self._refs[id_].tell(LookAround())
        self.settings, self.selector = settings, selector
        self._providers.take(upstreams, settings)

    def _leave(self, id_: str) -> None:
        """End an agent whose last session has gone to the store, which alone has them from here on."""
        rooms = self.rooms.pop(id_)
        self._refs.pop(id_).stop()
        rooms.terms.upstreams.let_go()

    async def _start(self, id_: str, rooms: Rooms) -> Ref[AgentMessage]:
        self._starts[id_] += 1
        name = name_of("agent", id_, self._starts[id_])
        return await self._system.supervise(partial(Agent, rooms), name, ALWAYS)

    def _terms(
        self,
        agent: AgentSettings,
        settings: HouseSettings,
        upstreams: Upstreams,
        selector: Selector,
    ) -> Terms:
        surroundings, hosts = self._surroundings, self._servers.hosts
        inner = [*own_tools(agent, surroundings.agenda, self._place, surroundings.clock)]
        names = tuple(hosts) if agent.mcp is None else agent.mcp
        # A server that the configuration has by now and that does not run needs a restart.
        inner += [hosts[name] for name in names if name in hosts]
        kit = _with_hosts(settings.kits.get(agent.id, NO_KIT), inner)
        return terms_of(agent, upstreams, settings.sessions, kit, selector.routes(agent))


def _with_hosts(kit: Kit, hosts: Sequence[ToolHost]) -> Kit:
    return msgspec.structs.replace(kit, hosts=(*kit.hosts, *hosts)) if hosts else kit
