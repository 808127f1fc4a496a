"""A tool that runs here: what a model is told of it, and what its work is told of a call."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from greenroom.actors.entries import Tool
from greenroom.actors.stores.records import SessionName


class ToolFailed(Exception):  # noqa: N818 - what a model is told, like a result
    """A tool could not do it; the text is what the model is told instead of a result."""


class Call(msgspec.Struct, frozen=True):
    """One call of a tool: in which session and turn, its `id` there, and its `arguments`, a JSON object.

    `chain` are the agents that have asked one another until it came to this turn.
    """

    session: SessionName
    turn: str
    id: str
    arguments: bytes
    chain: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What no other call is called, so that a tool can do one thing only once."""
        return f"{self.turn}.{self.id}"


Work = Callable[[Call], Awaitable[str]]
"""Does what a call asks for and returns the text of its result.

It runs in a task of its own that may be cancelled at any point. `ToolFailed` is told to the model as it
is; any other exception is logged, and the model hears only that the tool failed.
"""


class InnerTool(msgspec.Struct, frozen=True):
    """A tool that runs here. `parameters` is the JSON Schema of its arguments, an object's.

    A call may take `seconds`. One that `needs_approval` waits for a person's yes.
    """

    name: str
    description: str
    parameters: bytes
    work: Work
    seconds: float = 60.0
    needs_approval: bool = False

    def shown(self) -> Tool:
        """Return it as a prompt has it."""
        function = _Function(self.name, self.description, msgspec.Raw(self.parameters))
        return Tool(self.name, _encode(_Definition(function)))


class ToolHost(Protocol):
    """Where tools come from; what it has may change between two looks."""

    def tools(self) -> Sequence[InnerTool]:
        """Return what there is now."""
        ...


class _Function(msgspec.Struct):
    name: str
    description: str
    parameters: msgspec.Raw


class _Definition(msgspec.Struct, tag="function", tag_field="type"):
    function: _Function


_encode = msgspec.json.Encoder().encode
