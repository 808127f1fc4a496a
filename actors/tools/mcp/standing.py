"""How a server stands at the moment: what its actor writes down, and its host and its calls read.

A call runs in a task of the connection, so that whoever wants its result is let go at once, however
long it takes to tell a server that hangs. It knows nothing of how a server is reached.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import trio

from greenroom.actors.tools.mcp.naming import offered
from greenroom.actors.tools.mcp.peer import Listed, Peer, PeerGone
from greenroom.actors.tools.mcp.settings import McpServer
from greenroom.actors.tools.tool import Call, InnerTool, ToolFailed, Work

OFFERED_FOR_S = 60.0
"""How long the tools of a server that is down are still offered: as long as it may soon be back."""
WAITED_FOR_S = 10.0
"""How long a call waits for a server that is down."""


class Line:
    """A connection that stands, and the calls under way on it."""

    def __init__(self, peer: Peer, tasks: trio.Nursery, most: int) -> None:
        self._peer = peer
        self._tasks = tasks
        self._room = trio.CapacityLimiter(most)

    @property
    def is_gone(self) -> bool:
        """Whether it has ended, and nobody has said so yet."""
        return self._peer.is_gone

    @property
    def is_busy(self) -> bool:
        """Whether a call is under way."""
        return self._room.borrowed_tokens > 0

    async def call(self, tool: str, arguments: dict[str, Any], key: str) -> str:
        """Call a tool; raises `ToolFailed` or `PeerGone`."""
        outcome = _Outcome()
        self._tasks.start_soon(self._work, tool, arguments, key, outcome)
        try:
            await outcome.is_there.wait()
        finally:
            outcome.scope.cancel()
        if outcome.error is not None:
            raise outcome.error
        return outcome.text

    async def _work(
        self, tool: str, arguments: dict[str, Any], key: str, outcome: "_Outcome"
    ) -> None:
        try:
            with outcome.scope:
                async with self._room:
                    outcome.text = await self._peer.call(tool, arguments, key)
                outcome.error = None
        except Exception as error:  # noqa: BLE001 - it is the caller's
            outcome.error = error
        finally:
            outcome.is_there.set()


class _Outcome:
    __slots__ = ("error", "is_there", "scope", "text")

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.is_there = trio.Event()
        self.text = ""
        self.error: Exception | None = PeerGone("it ended")


class McpStatus(msgspec.Struct, frozen=True):
    """A server at this moment: its tools' names here, how often it came up, why it was lost last."""

    name: str
    is_up: bool
    tools: tuple[str, ...]
    starts: int
    trouble: str | None


class Standing:
    """One server's host of tools, through all of its restarts."""

    def __init__(self, settings: McpServer) -> None:
        self.settings = settings
        self.plain = False
        """Whether the older handshake is the one to try."""
        self._tools: tuple[InnerTool, ...] = ()
        self._line: Line | None = None
        self._lost_at = 0.0
        self._starts = 0
        self._trouble: str | None = None
        self._is_up = trio.Event()
        self._is_settled = trio.Event()

    def tools(self) -> Sequence[InnerTool]:
        """Return what there is now: what the server listed last, unless it has been down for long."""
        if (
            self._tools
            and self._line is None
            and trio.current_time() > self._lost_at + OFFERED_FOR_S
        ):
            return ()
        return self._tools

    def status(self) -> McpStatus:
        """Return how it is now."""
        names = tuple(tool.name for tool in self.tools())
        is_up = self._line is not None and not self._line.is_gone
        return McpStatus(self.settings.name, is_up, names, self._starts, self._trouble)

    async def settled(self) -> None:
        """Wait until the server has been up, or has failed to start, once."""
        await self._is_settled.wait()

    # What its actor tells

    def listed(self, tools: Sequence[Listed]) -> None:
        """Offer these from now on."""
        seconds = self.settings.call_seconds
        self._tools = tuple(
            InnerTool(name, tool.description, tool.schema, self._work(tool.name), seconds)
            for name, tool in offered(self.settings, tools)
        )

    def up(self, line: Line) -> None:
        """Have calls made on `line`."""
        self._line = line
        self._starts += 1
        self._is_up.set()
        self._is_settled.set()

    def down(self) -> None:
        """Have no calls made until it is up again."""
        if self._line is not None:
            self._line = None
            self._lost_at = trio.current_time()
            self._is_up = trio.Event()

    def lost(self, why: str) -> None:
        """Remember why it is down."""
        self._trouble = why
        self._is_settled.set()

    # Its calls

    def _work(self, tool: str) -> Work:
        async def work(call: Call) -> str:
            arguments: dict[str, Any] = msgspec.json.decode(call.arguments)
            line = await self._line_to_call()
            try:
                return await line.call(tool, arguments, call.key)
            except PeerGone as gone:
                raise ToolFailed(
                    f"the MCP server {self.settings.name!r} ended while it was at it ({gone}); "
                    "it may have done it or not"
                ) from None

        return work

    async def _line_to_call(self) -> Line:
        if self._line is not None and self._line.is_gone:
            self.down()
        if self._line is None:
            with trio.move_on_after(WAITED_FOR_S):
                await self._is_up.wait()
        if self._line is None:
            raise ToolFailed(
                # Why stands in the log and the status: a server's last words may hold a secret.
                f"the MCP server {self.settings.name!r} is down; it is being started again, try later"
            )
        return self._line
