"""One configured agent: the parent of its sessions, each activated by its first message."""

import msgspec

from greenroom.actors.recent import Firsts, FirstTries, Recent
from greenroom.actors.session import Session
from greenroom.actors.session_messages import SessionMessage
from greenroom.actors.settings import AgentSettings, SessionLimits
from greenroom.actors.surroundings import Surroundings
from greenroom.runtime import Actor, Directory, Request


class AgentStatus(msgspec.Struct, frozen=True):
    """An agent at this moment."""

    id: str
    model: str
    live_sessions: int


class Describe(Request[AgentStatus], frozen=True):
    """Ask an agent how it is."""


Sessions = Directory[str, SessionMessage]


class Rooms:
    """Where an agent's sessions are found by key: those with a key, and those that pass.

    Passing ones last one turn. Each kind has its own bound, so that the one never shuts out the other.
    They outlive the agent's restarts, as its ref does.
    """

    def __init__(
        self, settings: AgentSettings, limits: SessionLimits, surroundings: Surroundings
    ) -> None:
        self.recent = Recent()
        self.firsts = Firsts()
        first_tries = FirstTries()

        def lasting(key: str) -> Session:
            return Session(key, settings, limits, surroundings, first_tries)

        def passing(key: str) -> Session:
            return Session(key, settings, limits, surroundings, first_tries, self.recent)

        most = limits.live_sessions
        self.sessions: Sessions = Directory(lasting, limit=most, idle=limits.idle)
        self.passing: Sessions = Directory(passing, limit=most)


class Agent(Actor[Describe]):
    """The parent of all sessions in its rooms."""

    def __init__(self, settings: AgentSettings, rooms: Rooms) -> None:
        self._settings = settings
        self._rooms = rooms

    async def on_start(self) -> None:
        self.host(self._rooms.sessions)
        self.host(self._rooms.passing)

    async def receive(self, message: Describe) -> AgentStatus:
        settings, rooms = self._settings, self._rooms
        return AgentStatus(settings.id, settings.model, rooms.sessions.live + rooms.passing.live)
