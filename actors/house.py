"""The house: every agent and provider of one system, and the one door through which turns come in.

HTTP requests and the command line both enter here, so that routing, limits and sessions are the same.
"""

import secrets
from collections.abc import Callable

from greenroom.actors.agent import Agent, AgentStatus, Describe
from greenroom.actors.channels.channel import Channel
from greenroom.actors.channels.http_channel import HttpChannel
from greenroom.actors.channels.scripted import ScriptedChannel
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.provider import Lease, LeaseEnded, Provider
from greenroom.actors.routing import Router
from greenroom.actors.session import SessionMessage
from greenroom.actors.settings import AgentSettings, HouseSettings, ProviderSettings
from greenroom.actors.turn import Submit, TurnEvent, TurnRequest
from greenroom.runtime import Directory, DirectoryFull, Ref, System
from greenroom.runtime.ref import OpenStream


def connect(settings: ProviderSettings) -> Channel:
    """Return the channel that a provider's settings ask for."""
    match settings.api:
        case "scripted":
            return ScriptedChannel()
        case "openai-completions":
            return HttpChannel(settings)


def new_id() -> str:
    """Return a turn's id: 24 hexadecimal digits, never the same twice."""
    return secrets.token_hex(12)


class House:
    """What a configuration's agents and providers are while they run."""

    def __init__(
        self,
        settings: HouseSettings,
        agents: dict[str, tuple[AgentSettings, Ref[Describe]]],
        sessions: dict[str, Directory[str, SessionMessage]],
    ) -> None:
        self._settings = settings
        self._agents = agents
        self._sessions = sessions
        self.router = Router(settings.providers)

    @classmethod
    async def open(
        cls,
        system: System,
        settings: HouseSettings,
        connect: Callable[[ProviderSettings], Channel] = connect,
    ) -> "House":
        """Start the providers, then the agents, in `system`."""
        providers: dict[str, Ref[Lease | LeaseEnded]] = {}
        for provider in settings.providers:
            actor = Provider(provider, connect)
            providers[provider.id] = await system.spawn(actor, f"provider:{provider.id}")
        agents: dict[str, tuple[AgentSettings, Ref[Describe]]] = {}
        sessions: dict[str, Directory[str, SessionMessage]] = {}
        for agent in settings.agents:
            host = Agent(agent, settings.sessions, providers)
            agents[agent.id] = agent, await system.spawn(host, f"agent:{agent.id}")
            sessions[agent.id] = host.sessions
        return cls(settings, agents, sessions)

    @property
    def default_agent(self) -> str:
        """The id of the agent that a request without one means."""
        return self._settings.default_agent

    @property
    def agent_ids(self) -> tuple[str, ...]:
        """The agents' ids, in the configuration's order."""
        return tuple(self._agents)

    def agent(self, agent_id: str) -> AgentSettings:
        """Return an agent's settings; ids are case-insensitive.

        Raises:
            TurnFailed: INVALID_REQUEST, if there is no such agent.
        """
        found = self._agents.get(agent_id.lower())
        if found is None:
            raise TurnFailed.of(
                FailureKind.INVALID_REQUEST,
                f"Unknown agent '{agent_id}'. Known agents: {', '.join(self._agents)}.",
                code="agent_not_found",
            )
        return found[0]

    async def status(self) -> tuple[AgentStatus, ...]:
        """Ask every agent how it is; the caller sets the deadline."""
        return tuple([await ref.ask(Describe()) for _, ref in self._agents.values()])

    def submit(self, agent_id: str, session_key: str, turn: TurnRequest) -> OpenStream[TurnEvent]:
        """Ask a session for a turn: `async with house.submit(…) as events`.

        Entering raises `DirectoryFull` if the agent has its bound of sessions alive.
        """
        return self._sessions[agent_id].address(session_key).stream(Submit(turn))


__all__ = ["DirectoryFull", "House", "connect", "new_id"]
