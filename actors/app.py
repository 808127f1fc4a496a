"""Agents in Python: what a file has that `greenroom serve app.py` serves.

    from greenroom.actors.app import Agent, tool

    @tool
    def dice(sides: int = 6) -> int:
        \"\"\"Throw a dice.\"\"\"
        return random.randint(1, sides)

    agent = Agent(instructions="You are a dealer.", tools=[dice])

Whatever an `Agent` leaves open, the configuration's defaults say.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from greenroom.actors.entries import Sampling
from greenroom.actors.kit import Hooks, Kit
from greenroom.actors.output import Output, Schema, Typed
from greenroom.actors.settings import AgentSettings, Bounds
from greenroom.actors.tools.functions import AnyTool, Functions, FunctionTool, tool
from greenroom.actors.tools.tool import Call, ToolFailed, ToolHost
from greenroom.actors.tools.toolbox import ToolPolicy

__all__ = ["Agent", "Bounds", "Call", "Hooks", "Sampling", "ToolFailed", "ToolPolicy", "tool"]


class Agent:
    """One agent.

    Args:
        id: 1 to 64 lower-case letters, digits, dashes and `_`; clients name it "openclaw/<id>".
        model: "<provider>/<model>".
        fallbacks: Models to go on with where that one fails before its first word.
        name: Its name for people.
        instructions: What the model is told first.
        tools: Functions, made tools by `tool` or here, and other hosts of tools.
        policy: Which of its tools it may use, and which need a person's yes.
        bounds: How far one turn may go.
        seconds: How long one turn may take.
        sampling: That of requests that say nothing else.
        asks: The ids of agents that it may ask, with the tool `ask_agent`.
        reminders: Gives it tools to wake its own sessions later.
        output: The form of its answers: a type that msgspec decodes, a pydantic model, or a JSON Schema.
        hooks: Who looks on, and takes a hand.

    Raises:
        ValueError, TypeError: a function can be no tool, or the schema is none.
    """

    def __init__(
        self,
        id: str = "main",  # noqa: A002 - what it is called everywhere
        *,
        model: str | None = None,
        fallbacks: Sequence[str] | None = None,
        name: str | None = None,
        instructions: str | None = None,
        tools: Sequence[AnyTool | Callable[..., Any] | ToolHost] = (),
        policy: ToolPolicy | None = None,
        bounds: Bounds | None = None,
        seconds: float | None = None,
        sampling: Sampling | None = None,
        asks: Sequence[str] | None = None,
        reminders: bool | None = None,
        output: type[Any] | dict[str, Any] | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self.id = id
        self._said = {
            "model": model,
            "fallbacks": None if fallbacks is None else tuple(fallbacks),
            "name": name,
            "instructions": instructions,
            "tools": policy,
            "bounds": bounds,
            "time_limit": seconds,
            "sampling": sampling,
            "asks": None if asks is None else tuple(asks),
            "reminds": reminders,
        }
        self._functions = [
            one if isinstance(one, FunctionTool) else tool(one) for one in tools if callable(one)
        ]
        self._hosts = [one for one in tools if not callable(one)]
        self._output = _form(id, output)
        self._hooks = hooks

    def settings(self, defaults: AgentSettings) -> AgentSettings:
        """Return what it says, and where it says nothing, the defaults."""
        said = {field: value for field, value in self._said.items() if value is not None}
        if "model" in said and "fallbacks" not in said:
            said["fallbacks"] = ()  # those of the defaults are another model's
        return msgspec.structs.replace(defaults, id=self.id, **said)

    def kit(self) -> Kit:
        """Return what it has beside its settings."""
        functions = (Functions(self._functions),) if self._functions else ()
        return Kit((*functions, *self._hosts), self._hooks, self._output)


def _form(name: str, output: type[Any] | dict[str, Any] | None) -> Output | None:
    if output is None:
        return None
    return Schema(name, output) if isinstance(output, dict) else Typed(output)
