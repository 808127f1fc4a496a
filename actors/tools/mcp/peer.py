"""The other end of a connection, as an actor sees it: no word of the SDK, nor of how it is reached."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from greenroom.actors.tools.mcp.settings import McpServer


class Listed(msgspec.Struct, frozen=True):
    """A tool as its server lists it; `schema` is its input's JSON Schema."""

    name: str
    description: str
    schema: bytes


class PeerGone(Exception):  # noqa: N818 - a state of the other end, like the kernel's NotAccepted
    """The connection has ended, or is of no use any more; the text says why."""


class Peer(Protocol):
    """An MCP server that has been greeted."""

    @property
    def is_gone(self) -> bool:
        """Whether the connection has ended."""
        ...

    async def tools(self) -> Sequence[Listed]:
        """Ask what it has; raises `PeerGone`."""
        ...

    async def call(self, tool: str, arguments: dict[str, Any], key: str) -> str:
        """Have a tool called and return its result as text; cancelling tells the server.

        `key` is what no other call is called. Raises `ToolFailed`, or `PeerGone` if it ended meanwhile.
        """
        ...

    async def changed(self) -> None:
        """Wait until there is a reason to ask again what it has; raises `PeerGone` at its end."""
        ...


class Connection(Protocol):
    """How a server is reached: entering greets it, leaving ends it.

    The older handshake is tried first if it is `plain`.
    """

    def __call__(
        self, settings: McpServer, *, plain: bool, said: Callable[[str], None]
    ) -> AbstractAsyncContextManager[Peer]:
        """Return the connection; `said` is told what else the server says: its errors, its refusals."""
        ...
