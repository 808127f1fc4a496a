"""One configured agent: the parent of its sessions, each activated by its first message."""

from collections.abc import Callable

import msgspec
import trio

from greenroom.actors.recent import Firsts, FirstTries, Recent
from greenroom.actors.session import Session
from greenroom.actors.session_messages import SessionMessage
from greenroom.actors.surroundings import Surroundings
from greenroom.actors.terms import Terms
from greenroom.runtime import Actor, Directory, Message, Request

_BETWEEN_LOOKS_S = 1.0


class AgentStatus(msgspec.Struct, frozen=True):
    """An agent at this moment."""

    id: str
    model: str
    live_sessions: int


class Describe(Request[AgentStatus], frozen=True):
    """Ask an agent how it is."""


class LookAround(Message, frozen=True):
    """Its rooms may be left for good, and empty by now."""


AgentMessage = Describe | LookAround

Sessions = Directory[str, SessionMessage]


class Rooms:
    """Where an agent's sessions are found by key: those with a key, and those that pass.

    Passing ones last one turn. Each kind has its own bound, so that the one never shuts out the other.
    They outlive the agent's restarts, as its ref does. A turn begins on the `terms` that there are then.
    """

    def __init__(self, terms: Terms, surroundings: Surroundings) -> None:
        self.terms = terms
        self.recent = Recent()
        self.firsts = Firsts()
        self._on_empty: Callable[[], None] | None = None
        first_tries = FirstTries()

        def now() -> Terms:
            return self.terms

        def lasting(key: str) -> Session:
            return Session(key, now, surroundings, first_tries)

        def passing(key: str) -> Session:
            return Session(key, now, surroundings, first_tries, self.recent)

        limits = terms.limits
        most = limits.live_sessions
        self.sessions: Sessions = Directory(lasting, limit=most, idle=limits.idle)
        self.passing: Sessions = Directory(passing, limit=most)

    @property
    def live(self) -> int:
        """How many sessions are alive now."""
        return self.sessions.live + self.passing.live

    @property
    def is_open(self) -> bool:
        """Whether new turns may come."""
        return self._on_empty is None

    def stay(self, terms: Terms) -> None:
        """Have turns that begin from now on begin on these terms, and let new ones come."""
        self.terms = terms
        self._on_empty = None
        limits = terms.limits
        self.sessions.rebound(limit=limits.live_sessions, idle=limits.idle)
        self.passing.rebound(limit=limits.live_sessions)

    def leave(self, on_empty: Callable[[], None]) -> None:
        """Let no new turn come; `on_empty` is called once, when no session is alive any more."""
        self._on_empty = on_empty

    def look_around(self) -> bool:
        """Say whether to look again: they are to be left, and somebody is there still."""
        if self._on_empty is None:
            return False
        if self.live:
            return True
        self._on_empty()
        return False


class Agent(Actor[AgentMessage]):
    """The parent of all sessions in its rooms."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def on_start(self) -> None:
        self.host(self._rooms.sessions)
        self.host(self._rooms.passing)
        self._look_around()

    async def receive(self, message: AgentMessage) -> AgentStatus | None:
        self._look_around()
        match message:
            case Describe():
                settings = self._rooms.terms.agent
                return AgentStatus(settings.id, settings.model, self._rooms.live)
            case LookAround():
                return None

    def _look_around(self) -> None:
        if self._rooms.look_around():
            self.set_alarm(trio.current_time() + _BETWEEN_LOOKS_S, LookAround)
