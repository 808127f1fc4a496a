"""One configured agent: the parent of its sessions, each activated by its first message."""

from typing import TYPE_CHECKING

import msgspec

from greenroom.actors.session import Providers, Session, SessionMessage
from greenroom.actors.settings import AgentSettings, SessionLimits
from greenroom.runtime import Actor, Directory, Request


class AgentStatus(msgspec.Struct, frozen=True):
    """An agent at this moment."""

    id: str
    model: str
    live_sessions: int


class Describe(Request[AgentStatus], frozen=True):
    """Ask an agent how it is."""


if TYPE_CHECKING:
    Sessions = Directory[str, SessionMessage]


class Agent(Actor[Describe]):
    """Hosts `sessions`, by session key, and `passing` ones, which last one turn.

    Each has its own bound, so that the one kind never shuts out the other.
    """

    def __init__(
        self, settings: AgentSettings, limits: SessionLimits, providers: Providers
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._providers = providers
        self.sessions: Sessions = Directory(self._session, limit=limits.live_sessions)
        self.passing: Sessions = Directory(self._session, limit=limits.live_sessions)

    async def on_start(self) -> None:
        self.host(self.sessions)
        self.host(self.passing)

    async def receive(self, message: Describe) -> AgentStatus:
        settings = self._settings
        return AgentStatus(settings.id, settings.model, self.sessions.live + self.passing.live)

    def _session(self, key: str) -> Session:
        return Session(key, self._settings, self._limits, self._providers)
