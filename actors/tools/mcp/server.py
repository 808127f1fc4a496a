"""One MCP server, as the actor that keeps a connection to it.

It lives as long as its connection: it ends with it as a crash, and its supervisor starts it again.
"""

import math
from collections.abc import Iterator

import trio

from greenroom.actors.tools.mcp.peer import Connection, Peer, PeerGone
from greenroom.actors.tools.mcp.standing import Line, Standing
from greenroom.runtime import Actor, Backoff, Message, Permanent

PATIENT = Permanent(restarts=100, seconds=600.0, backoff=Backoff(first=0.2, most=30.0))
"""With these waits there are no hundred restarts in ten minutes: a server is never given up."""

LOOK_S = 60.0
"""How often a server that says nothing is asked what it has, and so whether it is there at all."""
GAP_S = 0.5
"""What lies between two looks at least, however often a server says that its tools have changed."""
JUST_NOW_S = 1.0
"""What a server has said so long before its end may be the reason for it."""
LONGEST_WHY = 500
"""Characters of a reason that go into a log or to a model."""


class Connect(Message, frozen=True):
    """Connect, and stay connected."""


class ServerLost(Exception):  # noqa: N818 - what has happened to it
    """The connection could not be made, or has ended."""

    def __init__(self, server: str, why: str) -> None:
        super().__init__(f"MCP server {server!r}: {why}")


class Server(Actor[Connect]):
    """Keeps a server's `standing` true."""

    mailbox_size = 1

    def __init__(self, standing: Standing, connection: Connection) -> None:
        self._standing = standing
        self._settings = standing.settings
        self._connection = connection
        self._last_words = ""
        self._said_at = -math.inf

    async def on_start(self) -> None:
        self.ref.tell(Connect())

    async def receive(self, message: Connect) -> None:
        why = "its connection ended"
        has_begun = False
        starting = trio.CancelScope(deadline=trio.current_time() + self._settings.start_seconds)
        try:
            with starting:
                async with (
                    trio.open_nursery() as calls,
                    self._connection(
                        self._settings, plain=self._standing.plain, said=self._hear
                    ) as peer,
                ):
                    self._standing.listed(await peer.tools())
                    has_begun, starting.deadline = True, math.inf
                    await self._stay(Line(peer, calls, self._settings.max_concurrent), peer)
            if starting.cancelled_caught:
                why = f"it was not up after {self._settings.start_seconds:g} s"
        except Exception as error:  # noqa: BLE001 - whatever it is, the server is not there
            why = reason(error)
        if not has_begun:
            self._standing.plain = not self._standing.plain
        if trio.current_time() < self._said_at + JUST_NOW_S:
            why = f"{why}; its last words: {self._last_words}"
        self._standing.lost(why)
        raise ServerLost(self._settings.name, why)

    async def _stay(self, line: Line, peer: Peer) -> None:
        """Follow what the server has, until it is gone."""
        self._standing.up(line)
        names = [tool.name for tool in self._standing.tools()]
        self.log.info("mcp.up", server=self._settings.name, tools=names)
        try:
            while True:
                with trio.move_on_after(LOOK_S) as pause:
                    await peer.changed()
                if pause.cancelled_caught and line.is_busy:
                    continue  # one that does one thing at a time could not answer now
                await self._look(line, peer)
                await trio.sleep(GAP_S)
        finally:
            self._standing.down()

    async def _look(self, line: Line, peer: Peer) -> None:
        with trio.move_on_after(self._settings.start_seconds) as limit:
            self._standing.listed(await peer.tools())
        if limit.cancelled_caught and not line.is_busy:
            raise PeerGone(f"it did not list its tools in {self._settings.start_seconds:g} s")

    def _hear(self, line: str) -> None:
        self._last_words = line[:LONGEST_WHY]
        self._said_at = trio.current_time()
        self.log.debug("mcp.stderr", server=self._settings.name, line=self._last_words)


def reason(error: BaseException) -> str:
    """Return what an exception says, or the first one in a group of them."""
    first = next(_leaves(error))
    text = " ".join(str(first).split()) or "no reason given"
    if isinstance(first, PeerGone):
        return text[:LONGEST_WHY]
    return f"{type(first).__name__}: {text}"[:LONGEST_WHY]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error
