"""What happens to sessions, for whoever wants to hear of it: told once it is durable, to each in order.

Nobody is waited for. A reader that falls behind is told that it has missed something, and no more.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import StrEnum

import msgspec
import trio

from greenroom.actors.stores.records import SessionName, TurnState

_MOST = 256
"""News that wait for one reader."""


class Happening(StrEnum):
    """What happened."""

    ACCEPTED = "turn.accepted"
    """A turn is in the journal, and runs; one of `/v1/responses` may still wait."""
    ENDED = "turn.ended"
    RESET = "session.reset"
    DELETED = "session.deleted"


class News(msgspec.Struct, frozen=True):
    """One happening at a time in Unix seconds, and the turn that it is of; `state` is how that ended."""

    what: Happening
    session: SessionName
    at: float
    turn: str | None = None
    state: TurnState | None = None


class Missed(Exception):  # noqa: N818 - it says what happened
    """The reader was too slow, and is told no more."""


class Reader:
    """One reader's end: an asynchronous iterator, which raises `Missed` after a gap."""

    def __init__(self, receive: trio.MemoryReceiveChannel[News]) -> None:
        self._receive = receive

    def __aiter__(self) -> "Reader":
        return self

    async def __anext__(self) -> News:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise Missed from None


class Bulletin:
    """The news of one house; `clock` tells the time of day."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._readers: dict[trio.MemorySendChannel[News], SessionName | None] = {}

    def tell(
        self,
        what: Happening,
        session: SessionName,
        turn: str | None = None,
        state: TurnState | None = None,
    ) -> None:
        """Tell the readers; never waits."""
        if not self._readers:
            return
        news = News(what, session, self._clock(), turn, state)
        for reader, wanted in tuple(self._readers.items()):
            if wanted in (None, session):
                try:
                    reader.send_nowait(news)
                except trio.WouldBlock:
                    del self._readers[reader]
                    reader.close()

    @contextmanager
    def read(self, session: SessionName | None = None) -> Generator[Reader]:
        """Hear of one session, or of all, from now on."""
        send, receive = trio.open_memory_channel[News](_MOST)
        self._readers[send] = session
        try:
            with receive:
                yield Reader(receive)
        finally:
            self._readers.pop(send, None)
            send.close()
