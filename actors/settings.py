"""The resolved settings of agents and providers: what the configuration means, checked and complete."""

from typing import Literal

import msgspec


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
    first_byte: float = 120.0
    silence: float = 120.0


class ModelSettings(msgspec.Struct, frozen=True):
    """A model that a provider is known to have; sizes in tokens."""

    id: str
    name: str | None = None
    reasoning: bool = False
    input: tuple[str, ...] = ("text",)
    context_window: int | None = None
    max_tokens: int | None = None


class ProviderSettings(msgspec.Struct, frozen=True):
    """One upstream.

    `base_url` ends where the vendor's SDK expects it; it is empty for "scripted", which has none.
    `max_concurrent` bounds the model calls under way at once, `max_waiting` those that wait.
    """

    id: str
    api: Literal["openai-completions", "ollama", "scripted"]
    base_url: str = ""
    api_key: Secret | None = None
    headers: dict[str, str] = {}
    models: tuple[ModelSettings, ...] = ()
    limits: TimeLimits = TimeLimits()
    max_concurrent: int = 512
    max_waiting: int = 1024


class AgentSettings(msgspec.Struct, frozen=True):
    """One agent: `model` is "<provider>/<model>".

    `time_limit` bounds a run, in seconds, and can be infinite.
    """

    id: str
    model: str
    name: str | None = None
    instructions: str | None = None
    time_limit: float = 600.0


class SessionLimits(msgspec.Struct, frozen=True):
    """Bounds of sessions: turns waiting in one, and sessions alive of one agent."""

    waiting_turns: int = 128
    live_sessions: int = 20_000


class HouseSettings(msgspec.Struct, frozen=True):
    """Everything the actors need to know; agent ids are lower case, the default agent is one of them."""

    agents: tuple[AgentSettings, ...]
    default_agent: str
    providers: tuple[ProviderSettings, ...]
    sessions: SessionLimits = SessionLimits()
