"""The MCP servers of one system: the door to this package."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio

from greenroom.actors.tools.mcp.peer import Connection, Peer
from greenroom.actors.tools.mcp.server import PATIENT, Connect, Server
from greenroom.actors.tools.mcp.settings import McpServer
from greenroom.actors.tools.mcp.standing import McpStatus, Standing
from greenroom.actors.tools.tool import ToolHost
from greenroom.runtime import Ref, System

if TYPE_CHECKING:
    from greenroom.actors.tools.mcp.connection import Connected


@asynccontextmanager
async def connect(
    settings: McpServer, *, plain: bool, said: Callable[[str], None]
) -> AsyncGenerator[Peer]:
    """Connect through the SDK; see `Connection`."""
    connected = await trio.to_thread.run_sync(_connected)
    async with connected(settings, plain=plain, said=said) as peer:
        yield peer


def _connected() -> "Connected":
    """Import the SDK: in a thread, for it takes a second or two."""
    from greenroom.actors.tools.mcp.connection import connected  # noqa: PLC0415 - see above

    return connected


class McpServers:
    """Some servers, by name: hosts of tools from the beginning on, which have some once they run.

    Raises:
        ValueError: two have one name.
    """

    def __init__(self, servers: Sequence[McpServer], connection: Connection = connect) -> None:
        self._standings = {settings.name: Standing(settings) for settings in servers}
        self._connection = connection
        self._refs: list[Ref[Connect]] = []
        names = [settings.name for settings in servers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two MCP servers are named {name!r}; each needs its own name")

    @property
    def hosts(self) -> Mapping[str, ToolHost]:
        """Where the tools of each come from."""
        return self._standings

    def status(self) -> tuple[McpStatus, ...]:
        """Return how each of them is."""
        return tuple(standing.status() for standing in self._standings.values())

    async def start(self, system: System) -> None:
        """Start one actor a server in `system`; it does not wait for the servers, nor fail with them."""
        for name, standing in self._standings.items():
            create = partial(Server, standing, self._connection)
            self._refs.append(await system.supervise(create, f"mcp:{name}", PATIENT))

    async def settled(self) -> None:
        """Wait until each of them has been up, or has failed to start, once; the caller sets the limit.

        Before, its tools may be missing.
        """
        for standing in self._standings.values():
            await standing.settled()

    async def close(self) -> None:
        """End them all, and wait for it: a server that does not go by itself is killed after 2 s.

        Whoever leaves it out has the system wait for all of its grace.
        """
        for ref in self._refs:
            ref.kill()
        for ref in self._refs:
            await ref.stopped()


async def open_servers(
    system: System, servers: Sequence[McpServer], connection: Connection = connect
) -> McpServers:
    """Return servers that are started in `system`; raises `ValueError` if two have one name."""
    opened = McpServers(servers, connection)
    await opened.start(system)
    return opened
