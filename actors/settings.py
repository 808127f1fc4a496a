"""The resolved settings of agents and providers: what the configuration means, checked and complete."""

from typing import Literal

import msgspec

from greenroom.actors.draft import Shortening
from greenroom.actors.entries import Sampling
from greenroom.actors.kit import Kit
from greenroom.actors.lifetime import Lifetime
from greenroom.actors.stores.records import Retention
from greenroom.actors.tools.toolbox import ToolPolicy


class Secret:
    """A string that shows itself only when asked: neither `repr` nor a log line has it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


class TimeLimits(msgspec.Struct, frozen=True):
    """How long to wait for an upstream, each in seconds."""

    connect: float = 10.0
    first_byte: float = 60.0
    silence: float = 120.0


class Cost(msgspec.Struct, frozen=True):
    """A model's prices: money per million tokens, in whatever currency the configuration thinks."""

    input: float = 0.0
    output: float = 0.0
    cache_read: float = 0.0
    cache_write: float = 0.0


class Cooldown(msgspec.Struct, frozen=True):
    """When a failing upstream rests: after so many `failures` in a row, for `seconds`; with 0 never.

    Each further rest is twice as long, `most` seconds at most; an upstream's own wish to be left alone
    counts up to that, too.
    """

    failures: int = 5
    seconds: float = 15.0
    most: float = 300.0


class Retry(msgspec.Struct, frozen=True):
    """How often a call is made again that failed before its first word, and after how many seconds.

    The n-th waits `first * 2 ** (n - 1)`, or as long as the upstream asks. Who asks for more than
    `most` seconds is not waited for.
    """

    times: int = 2
    first: float = 0.5
    most: float = 8.0


class ModelSettings(msgspec.Struct, frozen=True):
    """A model that a provider is known to have; sizes in tokens."""

    id: str
    name: str | None = None
    reasoning: bool = False
    input: tuple[str, ...] = ("text",)
    context_window: int | None = None
    max_tokens: int | None = None
    cost: Cost | None = None


class ProviderSettings(msgspec.Struct, frozen=True):
    """One upstream.

    `base_url` ends where the vendor's SDK expects it; it is empty for "scripted", which has none.
    `max_concurrent` bounds the model calls under way at once, `max_waiting` those that wait.
    """

    id: str
    api: Literal["openai-completions", "anthropic-messages", "ollama", "scripted"]
    base_url: str = ""
    api_key: Secret | None = None
    headers: dict[str, str] = {}
    models: tuple[ModelSettings, ...] = ()
    limits: TimeLimits = TimeLimits()
    max_concurrent: int = 512
    max_waiting: int = 1024
    retry: Retry = Retry()
    cooldown: Cooldown = Cooldown()


class Bounds(msgspec.Struct, frozen=True):
    """How far a turn may go before it ends with what it has: in model calls, tokens, and money."""

    steps: int = 32
    tokens: int | None = None
    cost: float | None = None


class AgentSettings(msgspec.Struct, frozen=True):
    """One agent: `model` is "<provider>/<model>", `fallbacks` those to go on with where it fails.

    `time_limit` bounds a run, in seconds, and can be infinite. `sampling` is that of a request that says
    nothing else. An approval that nobody decides in
    `approval_expires` seconds is a no. One that `reminds` has the tools to wake its own sessions, and it
    may ask the agents in `asks`, waiting for each `ask_seconds` at most.
    """

    id: str
    model: str
    name: str | None = None
    instructions: str | None = None
    time_limit: float = 600.0
    fallbacks: tuple[str, ...] = ()
    shortening: Shortening = Shortening()
    bounds: Bounds = Bounds()
    tools: ToolPolicy = ToolPolicy()
    sampling: Sampling = Sampling()
    approval_expires: float = 86_400.0
    reminds: bool = False
    asks: tuple[str, ...] = ()
    ask_seconds: float = 300.0


class SessionLimits(msgspec.Struct, frozen=True):
    """Bounds of sessions: turns waiting in one, sessions alive of one agent, and how long they stay.

    A session goes to the store after `idle` seconds without a turn; `lifetime` says when it forgets.
    """

    waiting_turns: int = 128
    live_sessions: int = 20_000
    idle: float = 60.0
    lifetime: Lifetime = Lifetime()


class Names(msgspec.Struct, frozen=True):
    """What a model's bare name means.

    `aliases` go to "<provider>/<model>"; `patterns`, with `*` for anything, in order, to a provider or
    to one model of it.
    """

    aliases: dict[str, str] = {}
    patterns: tuple[tuple[str, str], ...] = ()


class HouseSettings(msgspec.Struct, frozen=True):
    """Everything the actors need to know; agent ids are lower case, the default agent is one of them.

    `patience` is how many seconds a turn may wait for its first word, all attempts together. `kits` are
    what agents have beside their settings, by their ids. `agent_defaults` are for agents that come
    later; unless it `names_agents`, the only one is there because there has to be one.
    """

    agents: tuple[AgentSettings, ...]
    default_agent: str
    providers: tuple[ProviderSettings, ...]
    sessions: SessionLimits = SessionLimits()
    retention: Retention = Retention()
    names: Names = Names()
    patience: float = 90.0
    kits: dict[str, Kit] = {}
    agent_defaults: AgentSettings = AgentSettings("main", "")
    names_agents: bool = True
