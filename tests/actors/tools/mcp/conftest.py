"""What tests of MCP servers share: a server that is played, and calls of tools as a turn makes them."""

import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from greenroom.actors.stores.records import SessionName
from greenroom.actors.tools.mcp.peer import Listed, Peer, PeerGone
from greenroom.actors.tools.mcp.serving import McpServers, connect, open_servers
from greenroom.actors.tools.mcp.settings import McpServer, Stdio
from greenroom.actors.tools.tool import Call, ToolFailed, ToolHost
from tests.actors.conftest import a_system

LOST = ["actor.crashed", "actor.restarting"]
"""What the log has of each time that a server is lost."""


def listed(*names: str) -> list[Listed]:
    return [Listed(name, f"To {name}.", b'{"type":"object"}') for name in names]


async def call(host: ToolHost, name: str, /, **arguments: object) -> str:
    """Call a tool within its own bounds, as a turn does; a failure's text begins with "Error"."""
    [tool] = [tool for tool in host.tools() if tool.name == name]
    given = Call(SessionName("main", "k"), "t1", "c1", msgspec.json.encode(arguments))
    with trio.move_on_after(tool.seconds):
        try:
            return await tool.work(given)
        except ToolFailed as failed:
            return f"Error: {failed}"
    return "Error: too slow"


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what another process has to do with."""
    with trio.fail_after(60):
        while not holds():  # noqa: ASYNC110 - it sets no event of ours
            await trio.sleep(0.01)


class PlayedPeer:
    """A server that does as it is told; its attributes say how it does it."""

    def __init__(self) -> None:
        self.has = listed("look")
        self.lists_in: float = 0
        self.lists = 0
        self.answers_in: float = 0
        self.calls: Counter[str] = Counter()
        self.most_at_once = 0
        self.cancelled: list[float] = []
        self.lets_go_in: float = 0
        self.is_gone = False
        self._news = trio.Event()

    def news(self) -> None:
        self._news.set()

    def end(self) -> None:
        self.is_gone = True
        self._news.set()

    async def tools(self) -> Sequence[Listed]:
        self.lists += 1
        await trio.sleep(self.lists_in)
        if self.is_gone:
            raise PeerGone("it is not there")
        return tuple(self.has)

    async def call(self, tool: str, arguments: dict[str, Any], key: str) -> str:
        self.calls["now"] += 1
        self.most_at_once = max(self.calls["now"], self.most_at_once)
        try:
            await trio.sleep(self.answers_in)
        except trio.Cancelled:
            self.cancelled.append(trio.current_time())
            with trio.CancelScope(shield=True):
                await trio.sleep(self.lets_go_in)
            raise
        finally:
            self.calls["now"] -= 1
        return f"{tool} {arguments} {key}"

    async def changed(self) -> None:
        await self._news.wait()
        if self.is_gone:
            raise PeerGone("it ended")
        self._news = trio.Event()


class Stage:
    """Where a server is played: what each start of it is like, and when there was one."""

    def __init__(self, *peers: PlayedPeer | Exception | float) -> None:
        self._peers = list(peers)
        self.starts: list[float] = []
        self.plain: list[bool] = []

    @asynccontextmanager
    async def connect(
        self, settings: McpServer, *, plain: bool, said: Callable[[str], None]
    ) -> AsyncGenerator[Peer]:
        self.starts.append(trio.current_time())
        self.plain.append(plain)
        peer = self._peers.pop(0) if len(self._peers) > 1 else self._peers[0]
        if isinstance(peer, Exception):
            said("a word about it")
            raise peer
        if isinstance(peer, PlayedPeer):
            yield peer
        else:
            await trio.sleep(peer)


@asynccontextmanager
async def running(
    *servers: McpServer, connection: Any = connect, settle: float = math.inf
) -> AsyncGenerator[McpServers]:
    """Servers in a system of their own, once they are up."""
    async with a_system() as system:
        opened = await open_servers(system, servers, connection)
        try:
            with trio.move_on_after(settle):
                await opened.settled()
            yield opened
        finally:
            with trio.CancelScope(shield=True):
                await opened.close()


def played(**settings: Any) -> McpServer:
    """The settings of a server that is played."""
    return McpServer("s", Stdio("no-such-command"), **settings)
