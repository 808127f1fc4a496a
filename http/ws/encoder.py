"""From a turn's events to frames: the chunks that HTTP would stream, each numbered; pure.

A turn has the same frames with the same numbers whenever it is told, so a client whose connection was
cut goes on behind the last one that it has.
"""

from typing import Literal

import msgspec

from greenroom.actors.channels.channel import Finish
from greenroom.actors.turn import TurnAccepted, TurnEnded, TurnStarted
from greenroom.http.deltas import finish_of, usage_of
from greenroom.http.errors import ApiError
from greenroom.http.translate import ChunkEncoder
from greenroom.http.ws.frames import Failed, TurnDone, TurnEventFrame, encode


class FrameEncoder(ChunkEncoder):
    """Encodes one turn for the request `id_`; `take` returns what there is to be sent."""

    def __init__(self, id_: str, starting_after: int = 0) -> None:
        super().__init__(include_usage=False, starting_after=starting_after)
        self._one_by_one = True
        self._request = id_
        self._turn = ""
        self._started: TurnStarted | None = None
        self._frames: list[bytes] = []

    def accept(self, accepted: TurnAccepted) -> bytes:
        """Learn which turn it is."""
        self._turn = accepted.turn
        return b""

    def start(self, started: TurnStarted) -> bytes:
        """Learn who answers."""
        self._turn, self._started = started.turn, started
        return super().start(started)

    def end(self, ended: TurnEnded) -> bytes:
        """Encode a good end."""
        self._tell(self._first, Finish(ended.reason))
        served = None if self._started is None else self._started.served
        done = TurnDone(
            finish_reason=finish_of(ended.reason, legacy=False),
            usage=usage_of(ended.usage),
            cost=ended.cost,
            provider=None if served is None else served.route.provider,
            model=None if served is None else str(served.route),
            attempt=None if served is None else served.attempt,
        )
        self._add("chat.done", done)
        return b""

    def fail_with(self, error: ApiError) -> None:
        """Encode a bad end."""
        self._add("chat.failed", Failed(error.body, error.status))

    def take(self) -> list[bytes]:
        """Return the frames that were encoded since the last time."""
        frames, self._frames = self._frames, []
        return frames

    def _event(self, data: bytes) -> bytes:
        self._add("chat.chunk", msgspec.Raw(data))
        return b""

    def _add(
        self,
        event: Literal["chat.chunk", "chat.done", "chat.failed"],
        payload: msgspec.Raw | TurnDone | Failed,
    ) -> None:
        self._events += 1
        if self._events > self._starting_after:
            frame = TurnEventFrame(
                event=event,
                id=self._request,
                turn=self._turn,
                seq=self._events,
                payload=payload,
            )
            self._frames.append(encode(frame))
