"""Rules of a stream's silences, whichever server has the connection, and of pieces that have to wait."""

from collections.abc import Awaitable

import pytest
import trio
from msgspec.structs import replace

from greenroom.actors.channels.channel import FinishReason, TextDelta, Usage
from greenroom.actors.selection import Selection
from greenroom.actors.turn import Progress, Route, Served, TurnEnded, TurnEvent, TurnStarted
from greenroom.http.access import Record
from greenroom.http.answering import KEEP_ALIVE, Answering, Going
from greenroom.http.exchange import OWN_SERVER, Event, Exchange
from greenroom.http.translate import ChunkEncoder
from greenroom.runtime import ReplyStream
from tests.conftest import Lines
from tests.http.conftest import GATEWAY, PATH, scope_of

IN_VIRTUAL_TIME = True

ROUTE = Route("scripted", "demo")
STARTED = TurnStarted("1", Served(ROUTE, 1), "openclaw", 7)
ENDED = TurnEnded(FinishReason.STOP, Usage(3, 5))
SILENCE = 5.0


class Line:
    """A client, and the server before it; while it is `slow` a piece takes so many seconds."""

    left = False

    def __init__(self, *, own: bool) -> None:
        self.slow = 0.0
        self.pieces: list[tuple[float, float, bytes]] = []
        """When each piece was sent, when that was done, and what it is."""
        scope = scope_of("POST", PATH, {})
        if own:
            scope["extensions"] = {OWN_SERVER: self}
        self.exchange = Exchange(scope, self._receive, self._send)

    def cancel_when_left(self) -> None: ...

    def take_body(self) -> bytes | None:
        return b""

    def put(self, piece: bytes) -> Awaitable[None] | None:
        if self.slow:
            return self._take(piece)
        self.pieces.append((trio.current_time(), trio.current_time(), piece))
        return None

    async def _receive(self) -> Event:
        return {"type": "http.disconnect"}

    async def _send(self, event: Event) -> None:
        if event["type"] == "http.response.body":
            await self._take(event["body"])

    async def _take(self, piece: bytes) -> None:
        began = trio.current_time()
        await trio.sleep(self.slow)
        self.pieces.append((began, trio.current_time(), piece))

    def comments(self) -> list[float]:
        return [began for began, _, piece in self.pieces if piece == KEEP_ALIVE]


async def streamed(line: Line, events: list[tuple[float, TurnEvent]]) -> None:
    """Answer with events, each at its time."""
    stream = ReplyStream[TurnEvent](16)

    async def play() -> None:
        for at, event in events:
            await trio.sleep_until(at)
            stream.port.send_nowait(event)
        stream.port.close(ENDED)

    limits = replace(GATEWAY.limits, heartbeat=SILENCE)
    going = Going(Selection("main", "k", True, ROUTE), "1", stream, Record("r"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(play)
        await Answering(limits, Lines().log).stream(
            line.exchange, going, ChunkEncoder(include_usage=False)
        )


def word(at: float) -> tuple[float, TurnEvent]:
    return at, Progress((TextDelta(f"{at:g}"),))


@pytest.mark.parametrize("own", [True, False])
async def test_a_comment_follows_each_silence_and_nothing_else(own: bool) -> None:
    line = Line(own=own)
    await streamed(line, [(0, STARTED), word(1), word(4), word(8), word(12.5), word(30), word(31)])
    assert line.comments() == [17.5, 22.5, 27.5]
    assert line.pieces[-1][2].endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("own", [True, False])
async def test_what_goes_out_as_a_silence_ends_goes_out_once(own: bool) -> None:
    line = Line(own=own)
    await streamed(line, [(0, STARTED), word(0), word(5), word(10), word(15)])
    said = b"".join(piece for _, _, piece in line.pieces)
    assert [said.count(b'"content":"%d"' % at) for at in (0, 5, 10, 15)] == [1, 1, 1, 1]


@pytest.mark.parametrize("own", [True, False])
async def test_a_silence_that_ends_while_a_piece_waits_cuts_nothing(own: bool) -> None:
    line = Line(own=own)
    line.slow = 7.0
    await streamed(line, [(0, STARTED), word(4), word(8), word(40)])
    assert all(done - began == 7 for began, done, _ in line.pieces)
    said = b"".join(piece for _, _, piece in line.pieces)
    assert [said.count(b'"content":"%d"' % at) for at in (4, 8, 40)] == [1, 1, 1]
    # The next silence begins when the client has what was before it.
    ends = [0.0, *(done for _, done, _ in line.pieces)]
    assert all(at - SILENCE in ends for at in line.comments())
    assert line.comments()
