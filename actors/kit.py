"""What an agent has beside its settings: where its tools come from, hooks, the form of its answers."""

from collections.abc import Sequence

import msgspec

from greenroom.actors.entries import AssistantEntry, Prompt
from greenroom.actors.output import Output
from greenroom.actors.tools.tool import Call, ToolHost


class Hooks:
    """Looks on, and takes a hand: subclass it, and override what is wanted.

    They run within the turn, in its task, and count against its time; what one raises fails the turn,
    but for `ToolFailed` from those of tools, which is told to the model.
    """

    async def before_model(self, prompt: Prompt) -> Prompt:
        """Return what the model is shown, in place of `prompt`."""
        return prompt

    async def after_model(self, answer: AssistantEntry) -> None:
        """Look at what the model has said, and which tools it calls."""

    async def before_tool(self, name: str, call: Call) -> None:
        """Look at a call before it is made; `ToolFailed` refuses it."""

    async def after_tool(self, name: str, call: Call, result: str) -> str:
        """Return what the model is told, in place of `result`."""
        return result


class Kit(msgspec.Struct, frozen=True):
    """One agent's; without hooks nobody looks on, and without an `output` any text is an answer."""

    hosts: Sequence[ToolHost] = ()
    hooks: Hooks | None = None
    output: Output | None = None


NO_KIT = Kit()
