"""What agents may do: their instructions, tools, limits, and whom they may ask."""

from pathlib import Path

from greenroom.actors.entries import Sampling
from greenroom.actors.settings import AgentSettings, Bounds
from greenroom.actors.tools.toolbox import ToolPolicy
from greenroom.http.config import schema
from greenroom.http.config.find import expand
from greenroom.http.config.findings import Findings
from greenroom.http.config.nodes import KeyPath

MOST_BYTES = 1024 * 1024
"""Of a file of instructions."""


class Places:
    """Where files that the configuration names are: relative ones in the folder of the file `source`."""

    def __init__(self, source: Path | None, home: Path) -> None:
        self._folder = Path() if source is None else source.parent
        self._home = home

    def text_of(self, name: str, path: KeyPath, findings: Findings) -> str | None:
        """Return a file's text; None, with a problem, if it has none."""
        if "\0" in name:
            findings.problem(path, "is no path: it has a character that none has")
            return None
        file = self._folder / expand(name, self._home)
        try:
            with file.open("rb") as opened:
                data = opened.read(MOST_BYTES + 1)
            if len(data) > MOST_BYTES:
                findings.problem(path, f"{file} is larger than {MOST_BYTES} bytes")
                return None
            return data.decode("utf-8").strip()
        except OSError as error:
            findings.problem(path, f"{file} cannot be read: {error.strerror or error}")
        except UnicodeDecodeError:
            findings.problem(path, f"{file} is no UTF-8 text")
        return None


def instructions_of(
    agent: schema.Agent | schema.AgentDefaults,
    path: KeyPath,
    places: Places,
    findings: Findings,
    default: str | None = None,
) -> str | None:
    """Return what a model is told first: the agent's text, or its file's, or the defaults'."""
    if agent.instructions_file is None:
        return default if agent.instructions is None else agent.instructions
    at = (*path, "instructionsFile")
    if agent.instructions is not None:
        findings.problem(at, "instructions is there, too; leave one of the two out")
    return places.text_of(agent.instructions_file, at, findings)


def policy_of(tools: schema.Tools) -> ToolPolicy:
    """Return which tools an agent has."""
    return ToolPolicy(tools.allow, tools.deny, tools.approve)


def bounds_of(limits: schema.TurnLimits) -> Bounds:
    """Return how far a turn may go."""
    return Bounds(limits.steps, limits.tokens, limits.cost)


def sampling_of(sampling: schema.SamplingSection) -> Sampling:
    """Return what a request that says nothing else has."""
    return Sampling(
        temperature=sampling.temperature, top_p=sampling.top_p, max_tokens=sampling.max_tokens
    )


def check_asked(
    agents: tuple[AgentSettings, ...], paths: dict[str, KeyPath], findings: Findings
) -> None:
    """Find those that an agent may ask, but that are not there, or are itself."""
    known = [agent.id for agent in agents]
    for agent in agents:
        for index, asked in enumerate(agent.asks):
            if asked not in known or asked == agent.id:
                path = (*paths.get(agent.id, ("agents", "defaults")), "asks", index)
                others = ", ".join(other for other in known if other != agent.id) or "none"
                findings.problem(path, f"no agent to ask; there are: {others}")
