"""The agents: the file's, or the one that exists without any, and which of them is the default."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from greenroom.actors.draft import Shortening
from greenroom.actors.settings import AgentSettings, ProviderSettings
from greenroom.http.config import schema
from greenroom.http.config.acting import (
    Places,
    bounds_of,
    check_asked,
    instructions_of,
    policy_of,
    sampling_of,
)
from greenroom.http.config.findings import Findings
from greenroom.http.config.nodes import KeyPath
from greenroom.http.config.providers import SCRIPTED
from greenroom.http.config.references import Known, check_reference

MAIN = "main"

_AGENTS = ("agents",)
_DEFAULTS = ("agents", "defaults")
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Household(NamedTuple):
    """The agents, the id of the default one, what others would have, and whether any is named."""

    agents: tuple[AgentSettings, ...]
    default: str
    defaults: AgentSettings
    names_agents: bool


class _Entry(NamedTuple):
    id: str
    path: KeyPath
    id_path: KeyPath
    agent: schema.Agent


def resolve_agents(
    agents: schema.Agents,
    providers: tuple[ProviderSettings, ...],
    places: Places,
    findings: Findings,
) -> Household:
    """Return the agents with their models; ids come out in lower case."""
    known = {provider.id: provider for provider in providers}
    models = _models(agents.defaults.model, (*_DEFAULTS, "model"), known, findings)
    defaults = AgentSettings(
        id=MAIN,
        model=models.primary or _first_model(providers),
        fallbacks=models.fallbacks or (),
        instructions=instructions_of(agents.defaults, _DEFAULTS, places, findings),
        time_limit=agents.defaults.timeout_seconds or math.inf,
        shortening=_shortening(agents.defaults.window, findings),
        bounds=bounds_of(agents.defaults.limits),
        tools=policy_of(agents.defaults.tools),
        sampling=sampling_of(agents.defaults.sampling),
        approval_expires=agents.defaults.approval_hours * 3600,
        reminds=agents.defaults.reminders,
        asks=_lower(agents.defaults.asks),
        ask_seconds=agents.defaults.ask_seconds,
    )
    entries = tuple(_entries(agents, findings))
    _check_ids(entries, findings)
    found = tuple(_agent(entry, defaults, known, places, findings) for entry in entries)
    check_asked(found or (defaults,), _paths_of_asks(entries), findings)
    return Household(found or (defaults,), _default(entries, findings), defaults, bool(found))


def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _paths_of_asks(entries: "tuple[_Entry, ...]") -> dict[str, KeyPath]:
    """Return where the agents stand that say themselves whom they may ask."""
    return {entry.id: entry.path for entry in entries if entry.agent.asks is not None}


def _entries(agents: schema.Agents, findings: Findings) -> Iterator[_Entry]:
    if agents.entries is not None and agents.list is not None:
        findings.problem(
            (*_AGENTS, "list"), "agents.entries is there, too; move these agents into it"
        )
    for name, agent in (agents.entries or {}).items():
        path: KeyPath = (*_AGENTS, "entries", name)
        yield _Entry(name.lower(), path, path, agent)
    for index, listed in enumerate(agents.list or ()):
        path = (*_AGENTS, "list", index)
        yield _Entry(listed.id.lower(), path, (*path, "id"), listed)


def _check_ids(entries: tuple[_Entry, ...], findings: Findings) -> None:
    first: dict[str, _Entry] = {}
    for entry in entries:
        if not _ID.fullmatch(entry.id):
            findings.problem(
                entry.id_path,
                "an agent's id is 1 to 64 letters, digits, dashes and _, "
                "and begins with a letter or digit",
            )
        elif entry.id in first:
            line = findings.line(first[entry.id].id_path)
            findings.problem(entry.id_path, f"the same id as the agent on line {line}")
        first.setdefault(entry.id, entry)


def _default(entries: tuple[_Entry, ...], findings: Findings) -> str:
    marked = [entry for entry in entries if entry.agent.default]
    for entry in marked[1:]:
        line = findings.line((*marked[0].path, "default"))
        findings.problem(
            (*entry.path, "default"), f"a second default agent; the first is on line {line}"
        )
    ids = [entry.id for entry in marked or entries] or [MAIN]
    return ids[0] if marked or MAIN not in ids else MAIN


def _agent(
    entry: _Entry,
    defaults: AgentSettings,
    known: Known,
    places: Places,
    findings: Findings,
) -> AgentSettings:
    agent = entry.agent
    asks = defaults.asks if agent.asks is None else _lower(agent.asks)
    if agent.asks is None:
        asks = tuple(other for other in asks if other != entry.id)
    hours = agent.approval_hours
    time_limit = defaults.time_limit
    if agent.timeout_seconds is not None:
        time_limit = agent.timeout_seconds or math.inf
    models = _models(agent.model, (*entry.path, "model"), known, findings)
    return AgentSettings(
        id=entry.id,
        model=models.primary or defaults.model,
        fallbacks=defaults.fallbacks if models.fallbacks is None else models.fallbacks,
        name=agent.name,
        instructions=instructions_of(agent, entry.path, places, findings, defaults.instructions),
        time_limit=time_limit,
        shortening=defaults.shortening,
        bounds=defaults.bounds if agent.limits is None else bounds_of(agent.limits),
        tools=defaults.tools if agent.tools is None else policy_of(agent.tools),
        sampling=defaults.sampling if agent.sampling is None else sampling_of(agent.sampling),
        approval_expires=defaults.approval_expires if hours is None else hours * 3600,
        reminds=defaults.reminds if agent.reminders is None else agent.reminders,
        asks=asks,
        ask_seconds=agent.ask_seconds or defaults.ask_seconds,
    )


class _Models(NamedTuple):
    """What an agent's `model` says; None where it says nothing."""

    primary: str | None
    fallbacks: tuple[str, ...] | None


def _models(
    choice: str | schema.ModelChoice | None, path: KeyPath, known: Known, findings: Findings
) -> _Models:
    if isinstance(choice, schema.ModelChoice):
        if choice.primary is not None:
            check_reference(choice.primary, (*path, "primary"), known, findings)
        for index, name in enumerate(choice.fallbacks or ()):
            check_reference(name, (*path, "fallbacks", index), known, findings)
        return _Models(choice.primary, choice.fallbacks)
    if choice is not None:
        check_reference(choice, path, known, findings)
        return _Models(choice, ())
    return _Models(None, None)


def _shortening(window: schema.Window, findings: Findings) -> Shortening:
    if window.keep >= window.compact_at:
        findings.problem((*_DEFAULTS, "window", "keep"), "must be below compactAt")
    return Shortening(
        at=window.compact_at,
        keep=window.keep,
        result=window.max_tool_result,
        seconds=window.summary_seconds,
        tokens=window.summary_tokens,
    )


def _first_model(providers: tuple[ProviderSettings, ...]) -> str:
    listed = (f"{provider.id}/{model.id}" for provider in providers for model in provider.models)
    return next(listed, f"{SCRIPTED.id}/{SCRIPTED.models[0].id}")
