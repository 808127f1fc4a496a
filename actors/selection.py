"""Who answers, in which session, with which model: what a caller's names and keys mean.

A named agent comes before the one that the model field names, and both before the default. A model field
that is an agent's form means that agent's own model; any other string names the model itself. A session
key selects its session whatever else is given, and its agent where it has one's form.
"""

import hashlib
import re
import secrets

import msgspec

from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.routing import RoutableModel, Router
from greenroom.actors.settings import AgentSettings, HouseSettings
from greenroom.actors.stores.records import SessionName
from greenroom.actors.turn import Route

_AGENT_FORM = re.compile(r"(?:openclaw(?:[:/](?P<id>.*))?|agent:(?P<alias>.*))", re.IGNORECASE)
_AGENT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.IGNORECASE)
_KEY_OF_AGENT = re.compile(r"agent:(?P<agent>[^:]+):(?P<rest>.+)", re.IGNORECASE)
_KEY_OF_ONE = re.compile(r"agent:[^:]+:(?:once|stored):[0-9a-f]+")
_RESERVED = ("subagent:", "cron:", "acp:")
_MAX_KEY_LENGTH = 512


class Wish(msgspec.Struct, frozen=True):
    """What a caller names.

    `model` is what an OpenAI client puts there; `agent`, `session_key` and `override` (of the model)
    are None where the caller leaves them open; `user` is given only where it shall derive a session.
    Without a session, `once`, which is a digest of the caller's own name of the request, makes one, and
    so does `stored`, the wish that the answer be kept. `own` is the name of a session that is to be the
    request's own, and to stay.
    """

    model: str
    agent: str | None = None
    session_key: str | None = None
    override: str | None = None
    user: str | None = None
    once: str | None = None
    own: str | None = None
    stored: bool = False


class Selection(msgspec.Struct, frozen=True):
    """Where a turn goes; an `ephemeral` session is this turn's alone.

    `fallbacks` are those of the agent's own model; a model that the caller names has none. What is asked
    `once` has a session so that it is known again, and no other use. What `is_own` goes to the
    agent's own model.
    """

    agent: str
    session: str
    ephemeral: bool
    route: Route
    fallbacks: tuple[Route, ...] = ()
    once: bool = False
    is_own: bool = False


class Selector:
    """Resolves wishes against one configuration."""

    def __init__(self, settings: HouseSettings) -> None:
        self._agents = {agent.id: agent for agent in settings.agents}
        self._default = settings.default_agent
        self._router = Router(settings.providers, settings.names)

    @property
    def models(self) -> tuple[RoutableModel, ...]:
        """The models that a wish can name, in the configuration's order."""
        return self._router.models

    def select(self, wish: Wish) -> Selection:
        """Resolve agent, session and model, in this order.

        Raises:
            TurnFailed: INVALID_REQUEST or NOT_FOUND, naming what is wrong.
        """
        by_model, is_agent_form = self._agent_of_model(wish.model)
        named = wish.agent or by_model
        key = wish.session_key
        if key is not None:
            named = self._agent_of_key(key, named)
        agent = self._agent(named, "model" if wish.agent is None else "x-openclaw-agent-id")
        own = agent.model if is_agent_form else wish.model
        route = self._router.resolve(wish.override or own)
        fallbacks: tuple[Route, ...] = ()
        is_own = is_agent_form and wish.override is None
        if is_own:
            fallbacks = tuple(self._router.resolve(name) for name in agent.fallbacks)
        ephemeral = once = False
        if key is not None:
            session = key
        elif wish.user is not None:
            session = _user_key(agent.id, wish.user)
        elif wish.own is not None:
            session = f"agent:{agent.id}:resp:{wish.own}"
        elif wish.once is not None:
            session, once = f"agent:{agent.id}:once:{wish.once}", True
        elif wish.stored:
            session = f"agent:{agent.id}:stored:{secrets.token_hex(16)}"
        else:
            session, ephemeral = f"agent:{agent.id}:openai:{secrets.token_hex(16)}", True
        return Selection(agent.id, session, ephemeral, route, fallbacks, once, is_own)

    def own(self, session: SessionName) -> Selection:
        """Return where a turn goes that comes from inside: to the agent's own model."""
        agent = self._agent(session.agent, "agent")
        first, *others = self.routes(agent)
        return Selection(
            agent.id,
            session.key,
            ephemeral=False,
            route=first,
            fallbacks=tuple(others),
            is_own=True,
        )

    def routes(self, agent: AgentSettings) -> tuple[Route, ...]:
        """Return where an agent's own model is, then its fallbacks; raises `TurnFailed` (NOT_FOUND)."""
        return tuple(self._router.resolve(name) for name in (agent.model, *agent.fallbacks))

    def session(self, key: str, agent: str | None) -> SessionName:
        """Return the session that a key means: of the named agent, of the key's own, or of the default.

        Raises:
            TurnFailed: INVALID_REQUEST, naming what is wrong.
        """
        named = self._agent_of_key(key, agent)
        return SessionName(self._agent(named, "agent").id, key)

    def agent_in(self, model: str) -> str | None:
        """Return the agent that a model field names, None if it leaves that open.

        Raises:
            TurnFailed: INVALID_REQUEST: it has an agent's form, and names none that could be.
        """
        named, _ = self._agent_of_model(model)
        return None if named is None else named.lower()

    def stored(self, key: str, agent: str | None) -> SessionName:
        """Return the stored session that a key means, whosever it is: also one of an agent that is gone.

        Raises:
            TurnFailed: INVALID_REQUEST, the key can be no session's.
        """
        if len(key) > _MAX_KEY_LENGTH or not key.isprintable():
            raise _bad_key(f"must be at most {_MAX_KEY_LENGTH} printable characters")
        found = _KEY_OF_AGENT.fullmatch(key)
        named = agent or (found["agent"] if found is not None else self._default)
        return SessionName(named.lower(), key)

    def check(self, agent: str) -> None:
        """Raise `TurnFailed` (INVALID_REQUEST) if there is no such agent."""
        self._agent(agent, "agent")

    def is_agent(self, model: str) -> bool:
        """Say whether a model field names an agent of ours, in any of its forms."""
        try:
            named, is_agent_form = self._agent_of_model(model)
            self._agent(named, "model")
        except TurnFailed:
            return False
        return is_agent_form

    def _agent(self, named: str | None, param: str) -> AgentSettings:
        found = self._agents.get((named or self._default).lower())
        if found is None:
            raise TurnFailed.of(
                FailureKind.INVALID_REQUEST,
                f"Unknown agent '{named}'. Known agents: {', '.join(self._agents)}.",
                param=param,
                code="agent_not_found",
            )
        return found

    def _agent_of_model(self, model: str) -> tuple[str | None, bool]:
        """Return the agent that a model field names, if it does, and whether it has an agent's form."""
        form = _AGENT_FORM.fullmatch(model)
        if form is None:
            return None, False
        name = form["id"] if form["id"] is not None else form["alias"]
        if name is None or (name.lower() == "default" and "default" not in self._agents):
            return None, True
        if _AGENT_ID.fullmatch(name) is None:
            raise TurnFailed.of(
                FailureKind.INVALID_REQUEST,
                f"Invalid `model`. '{model}' names no agent: use 'openclaw', 'openclaw:<agent>' or "
                "'agent:<agent>', or a model's own id.",
                param="model",
                code="invalid_value",
            )
        return name, True

    def _agent_of_key(self, key: str, named: str | None) -> str | None:
        """Check a session key; one that has an agent of ours in it selects that one."""
        if len(key) > _MAX_KEY_LENGTH or not key.isprintable():
            raise _bad_key(f"must be at most {_MAX_KEY_LENGTH} printable characters")
        found = _KEY_OF_AGENT.fullmatch(key)
        rest = key if found is None else found["rest"]
        if rest.lower().startswith(_RESERVED) or key.lower().startswith(_RESERVED):
            raise _bad_key("cannot use reserved internal session namespaces")
        if found is None or found["agent"].lower() not in self._agents:
            return named
        if named is not None and named.lower() != found["agent"].lower():
            raise _bad_key(f"belongs to agent '{found['agent']}', but the request names '{named}'")
        return found["agent"]


def is_of_one_request(key: str) -> bool:
    """Say whether a session was made for one request, because that was to be kept."""
    return _KEY_OF_ONE.fullmatch(key) is not None


def main_session(agent: str) -> str:
    """Return the key of an agent's own session, which a terminal talks to."""
    return f"agent:{agent.lower()}:main"


def _user_key(agent: str, user: str) -> str:
    key = f"agent:{agent}:openai-user:{user}"
    if len(key) <= _MAX_KEY_LENGTH:
        return key
    return f"agent:{agent}:openai-user:sha256:{hashlib.sha256(user.encode()).hexdigest()}"


def _bad_key(what: str) -> TurnFailed:
    return TurnFailed.of(
        FailureKind.INVALID_REQUEST,
        f"`x-openclaw-session-key` {what}.",
        param="x-openclaw-session-key",
        code="invalid_value",
    )
