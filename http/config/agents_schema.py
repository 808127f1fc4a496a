"""The shape of `agents` and `mcp`: who acts, and where the tools come from; see `schema`."""

from typing import Annotated

import msgspec

from greenroom.actors.draft import Shortening
from greenroom.actors.settings import AgentSettings, Secret
from greenroom.actors.tools.mcp.settings import McpServer, Stdio
from greenroom.http.config import ignored
from greenroom.http.config.sections import (
    Count,
    Name,
    Price,
    Seconds,
    SecondsOrForever,
    Section,
    Share,
)

_SHORTENING = Shortening()
_MCP = McpServer(name="", transport=Stdio(""))
_AGENT = AgentSettings(id="", model="")


class ModelChoice(Section, frozen=True):
    """A model, and those to go on with where it fails."""

    primary: str | None = None
    fallbacks: tuple[str, ...] | None = None


class Window(Section, frozen=True):
    """`agents.defaults.window`: how prompts are made shorter; shares of a model's window."""

    compact_at: Share = _SHORTENING.at
    keep: Share = _SHORTENING.keep
    max_tool_result: Share = _SHORTENING.result
    summary_seconds: Seconds = _SHORTENING.seconds
    summary_tokens: Count = _SHORTENING.tokens


class Tools(Section, frozen=True):
    """`agents.*.tools`: which tools an agent has, by patterns of their names."""

    ignores = ignored.TOOLS
    allow: tuple[Name, ...] = _AGENT.tools.allow
    deny: tuple[Name, ...] = ()
    approve: tuple[Name, ...] = ()


class TurnLimits(Section, frozen=True):
    """`agents.*.limits`: how far one turn may go."""

    steps: Count = _AGENT.bounds.steps
    tokens: Count | None = None
    cost: Price | None = None


class SamplingSection(Section, frozen=True):
    """`agents.*.sampling`: what a request that says nothing else has."""

    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    max_tokens: Count | None = None


class AgentDefaults(Section, frozen=True):
    """`agents.defaults`; a time of 0 is no limit."""

    ignores = ignored.AGENT_DEFAULTS
    model: str | ModelChoice | None = None
    instructions: str | None = None
    instructions_file: Name | None = None
    timeout_seconds: SecondsOrForever = _AGENT.time_limit
    window: Window = Window()
    tools: Tools = Tools()
    limits: TurnLimits = TurnLimits()
    sampling: SamplingSection = SamplingSection()
    approval_hours: Annotated[float, msgspec.Meta(gt=0)] = _AGENT.approval_expires / 3600
    asks: tuple[Name, ...] = ()
    ask_seconds: Seconds = _AGENT.ask_seconds
    reminders: bool = False
    mcp: tuple[Name, ...] | None = None


class Agent(Section, frozen=True):
    """`agents.entries.<id>`; what it does not say, the defaults say."""

    ignores = ignored.AGENT
    default: bool = False
    name: Name | None = None
    model: str | ModelChoice | None = None
    instructions: str | None = None
    instructions_file: Name | None = None
    timeout_seconds: SecondsOrForever | None = None
    tools: Tools | None = None
    limits: TurnLimits | None = None
    sampling: SamplingSection | None = None
    approval_hours: Annotated[float, msgspec.Meta(gt=0)] | None = None
    asks: tuple[Name, ...] | None = None
    ask_seconds: Seconds | None = None
    reminders: bool | None = None
    mcp: tuple[Name, ...] | None = None


class ListedAgent(Agent, frozen=True, kw_only=True):
    """`agents.list[]`, the older way to write an agent."""

    ignores = ignored.AGENT
    id: str


class Agents(Section, frozen=True):
    """`agents`."""

    ignores = ignored.AGENTS
    defaults: AgentDefaults = AgentDefaults()
    entries: dict[str, Agent] | None = None
    list: tuple[ListedAgent, ...] | None = None


class McpTools(Section, frozen=True):
    """`mcp.servers.<name>.tools`: patterns of the tools' own names."""

    allow: tuple[Name, ...] = _MCP.allow
    deny: tuple[Name, ...] = ()


class McpServerSection(Section, frozen=True):
    """`mcp.servers.<name>`: a child process (`command`), or a server over HTTP (`url`)."""

    ignores = ignored.MCP_SERVER
    command: Name | None = None
    args: tuple[str, ...] = ()
    env: dict[str, Secret] = msgspec.field(default_factory=dict)
    cwd: Name | None = None
    url: str | None = None
    headers: dict[str, Secret] = msgspec.field(default_factory=dict)
    prefix: str | None = None
    tools: McpTools = McpTools()
    call_seconds: Seconds = _MCP.call_seconds
    start_seconds: Seconds = _MCP.start_seconds
    max_concurrent: Count = _MCP.max_concurrent


class Mcp(Section, frozen=True):
    """`mcp`."""

    ignores = ignored.MCP
    servers: dict[str, McpServerSection] = msgspec.field(default_factory=dict)
