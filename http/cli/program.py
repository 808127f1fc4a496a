"""A program: the file whose agents `greenroom serve app.py` serves, beside those of the configuration."""

import importlib.util
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import msgspec

from greenroom.actors.app import Agent
from greenroom.actors.settings import AgentSettings
from greenroom.http.cli.problem import Problem
from greenroom.http.config import Configuration, ConfigurationError
from greenroom.http.config import Problem as Fault

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MODULE = "greenroom_program"


def load_program(file: str) -> tuple[Agent, ...]:
    """Run a file and return the agents that it has, in its order; raises `Problem`."""
    path = Path(file)
    if not path.is_file():
        raise Problem(f"{file}: there is no such file", 2)
    module = _run(path)
    found = [value for value in vars(module).values() if isinstance(value, Agent)]
    agents = tuple(dict.fromkeys(found))
    if not agents:
        raise Problem(f"{file}: has no agent; make one with greenroom.actors.app.Agent", 2)
    for agent in agents:
        if not _ID.fullmatch(agent.id):
            what = "an agent's id is 1 to 64 lower-case letters, digits, dashes and _"
            raise Problem(f"{file}: {agent.id!r}: {what}", 2)
    ids = [agent.id for agent in agents]
    if double := next((id_ for id_ in ids if ids.count(id_) > 1), None):
        raise Problem(f"{file}: two agents have the id {double!r}", 2)
    return agents


class Program:
    """A program that was run once: its agents, and what each has beside its settings, stay what they are.

    Raises `Problem`, as `load_program` does.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._agents = load_program(file)
        self._kits = {agent.id: agent.kit() for agent in self._agents}

    def added_to(self, configuration: Configuration) -> Configuration:
        """Return the configuration with the agents of the program; raises `Problem`.

        An agent of the program takes the place of one of the same id. Where the configuration names no
        agents at all, those of the program are all there are.
        """
        house, file = configuration.house, self._file
        mine = {agent.id: agent.settings(house.agent_defaults) for agent in self._agents}
        theirs = {agent.id: agent for agent in house.agents if house.names_agents}
        known = theirs | mine
        _check_models(file, mine, configuration)
        for agent in mine.values():
            for asked in agent.asks:
                if asked not in known or asked == agent.id:
                    others = ", ".join(id_ for id_ in known if id_ != agent.id) or "none"
                    what = f"agent {agent.id!r} has no {asked!r} to ask; there are: {others}"
                    raise Problem(f"{file}: {what}", 2)
        default = house.default_agent if house.default_agent in known else next(iter(mine))
        return msgspec.structs.replace(
            configuration,
            house=msgspec.structs.replace(
                house,
                agents=tuple(known.values()),
                default_agent=default,
                kits={**house.kits, **self._kits},
            ),
        )

    def read_with(self, read: Callable[[], Configuration]) -> Configuration:
        """Read a configuration and add the program to it; raises `ConfigurationError` alone."""
        try:
            return self.added_to(read())
        except Problem as problem:
            raise ConfigurationError((Fault(None, None, "", str(problem)),)) from None


def _check_models(
    file: str, agents: dict[str, AgentSettings], configuration: Configuration
) -> None:
    providers = [provider.id for provider in configuration.house.providers]
    for agent in agents.values():
        for model in (agent.model, *agent.fallbacks):
            provider, slash, name = model.partition("/")
            if not slash or not name or provider not in providers:
                raise Problem(
                    f"{file}: agent {agent.id!r}: no provider has the model {model!r}; "
                    f"write <provider>/<model>, with one of: {', '.join(providers)}",
                    2,
                )


def _run(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise Problem(f"{path}: is no Python file", 2)
    module = importlib.util.module_from_spec(spec)
    # What it imports from its own folder is found, as if it were run by itself.
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[_MODULE] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the file's own
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f.lineno for f in reversed(frames) if Path(f.filename) == path), None)
        if isinstance(error, SyntaxError) and error.filename == str(path):
            line = error.lineno
        where = f"{path}:{line}" if line else f"{path}"
        raise Problem(f"{where}: {type(error).__name__}: {error}", 2) from None
    return module
