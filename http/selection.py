"""Who answers, in which session, with which model: what the `model` field and the headers say.

The header names an agent before the model field does, and both before the default. A model field
that is an agent's form means that agent's own model; any other string names the model itself.
"""

import hashlib
import re
import secrets

import msgspec

from greenroom.actors.failure import TurnFailed
from greenroom.actors.house import House
from greenroom.actors.turn import Route
from greenroom.http.errors import ApiError, invalid, of_failure
from greenroom.http.exchange import Exchange

_AGENT_FORM = re.compile(r"(?:openclaw(?:[:/](?P<id>.*))?|agent:(?P<alias>.*))", re.IGNORECASE)
_AGENT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.IGNORECASE)
_KEY_OF_AGENT = re.compile(r"agent:(?P<agent>[^:]+):(?P<rest>.+)", re.IGNORECASE)
_RESERVED = ("subagent:", "cron:", "acp:")
_MAX_KEY_LENGTH = 512


class Selection(msgspec.Struct, frozen=True):
    """Where a turn goes; an `ephemeral` session is this turn's alone."""

    agent: str
    session: str
    ephemeral: bool
    route: Route


def select(exchange: Exchange, house: House, model: str, user: str | None) -> Selection:
    """Resolve a request's agent, session and model, in this order.

    `user` is the request's, None if it derives no session.

    Raises:
        ApiError: 400 or 404, naming what is wrong.
    """
    by_header = exchange.header(b"x-openclaw-agent-id") or exchange.header(b"x-openclaw-agent")
    by_model, is_agent_form = _agent_of_model(model)
    named = by_header or by_model
    key = exchange.header(b"x-openclaw-session-key")
    if key is not None:
        named = _agent_of_key(key, named, house)
    try:
        agent = house.agent(named or house.default_agent)
    except TurnFailed as unknown:
        error = of_failure(unknown.failure)
        field = "x-openclaw-agent-id" if by_header else "model"
        raise invalid(error.body.message, field, code=error.body.code) from None
    override = exchange.header(b"x-openclaw-model")
    try:
        route = house.router.resolve(override or (agent.model if is_agent_form else model))
    except TurnFailed as unknown:
        raise of_failure(unknown.failure) from None
    if key is not None:
        return Selection(agent.id, key, ephemeral=False, route=route)
    if user is not None:
        return Selection(agent.id, _key_of_user(agent.id, user), ephemeral=False, route=route)
    session = f"agent:{agent.id}:openai:{secrets.token_hex(16)}"
    return Selection(agent.id, session, ephemeral=True, route=route)


def _key_of_user(agent: str, user: str) -> str:
    """Return the key that a user derives; a long user counts by its hash, as keys are short."""
    key = f"agent:{agent}:openai-user:{user}"
    if len(key) <= _MAX_KEY_LENGTH:
        return key
    return f"agent:{agent}:openai-user:sha256:{hashlib.sha256(user.encode()).hexdigest()}"


def _agent_of_model(model: str) -> tuple[str | None, bool]:
    """Return the agent that a model field names, if it does, and whether it has an agent's form."""
    form = _AGENT_FORM.fullmatch(model)
    if form is None:
        return None, False
    name = form["id"] if form["id"] is not None else form["alias"]
    if name is None or name.lower() == "default":
        return None, True
    if _AGENT_ID.fullmatch(name) is None:
        raise invalid(
            f"Invalid `model`. '{model}' names no agent: use 'openclaw', 'openclaw:<agent>' or "
            "'agent:<agent>', or a model's own id.",
            "model",
            code="invalid_value",
        )
    return name, True


def _agent_of_key(key: str, named: str | None, house: House) -> str | None:
    """Check a session key; one that names an agent of ours selects it."""
    if len(key) > _MAX_KEY_LENGTH or not key.isprintable():
        raise _bad_key(f"must be at most {_MAX_KEY_LENGTH} printable characters")
    found = _KEY_OF_AGENT.fullmatch(key)
    rest = key if found is None else found["rest"]
    if rest.lower().startswith(_RESERVED) or key.lower().startswith(_RESERVED):
        raise _bad_key("cannot use reserved internal session namespaces")
    if found is None or found["agent"].lower() not in house.agent_ids:
        return named
    if named is not None and named.lower() != found["agent"].lower():
        raise _bad_key(f"belongs to agent '{found['agent']}', but the request names '{named}'")
    return found["agent"]


def _bad_key(what: str) -> ApiError:
    return invalid(
        f"`x-openclaw-session-key` {what}.", "x-openclaw-session-key", code="invalid_value"
    )
