"""A response's events as bytes, and a whole response as one object: what an exchange writes."""

import msgspec

from greenroom.actors.channels.channel import Deltas
from greenroom.actors.failure import Failure
from greenroom.actors.turn import TurnAccepted, TurnEnded, TurnStarted
from greenroom.http.errors import ApiError
from greenroom.http.responses.asked import Asked
from greenroom.http.responses.event_objects import Event, StreamError
from greenroom.http.responses.log import Log

_encoder = msgspec.json.Encoder()


class EventEncoder:
    """Encodes one streamed response, from behind the event of the number `starting_after` on.

    With `event_ids`, each event has its number as its id, too.
    """

    def __init__(
        self, asked: Asked, *, starting_after: int | None = None, event_ids: bool = False
    ) -> None:
        self._log = Log(asked)
        self._first = 0 if starting_after is None else starting_after + 1
        self._event_ids = event_ids

    def accept(self, accepted: TurnAccepted) -> bytes:
        """Encode that there is a response."""
        return self._frames(self._log.accept(accepted))

    def start(self, started: TurnStarted) -> bytes:
        """Encode that the model is at work."""
        return self._frames(self._log.start(started))

    def progress(self, deltas: Deltas) -> bytes:
        """Encode what the model says."""
        return self._frames(self._log.progress(deltas))

    def end(self, ended: TurnEnded) -> bytes:
        """Encode that it has ended."""
        return self._frames(self._log.end(ended))

    def fail(self, failure: Failure) -> bytes:
        """Encode that it has failed, or was cancelled."""
        return self._frames(self._log.fail(failure))

    def give_up(self, error: ApiError) -> bytes:
        """Encode that this stream has failed; that is no part of the response's log."""
        body = error.body
        failed = StreamError(
            sequence_number=self._log.next_number,
            code=body.code or body.type,
            message=body.message,
            param=body.param,
        )
        return self._frame(failed)

    def _frames(self, events: list[Event]) -> bytes:
        return b"".join(
            [self._frame(event) for event in events if event.sequence_number >= self._first]
        )

    def _frame(self, event: Event) -> bytes:
        kind = str(event.__struct_config__.tag).encode()
        id_ = b"id: %d\n" % event.sequence_number if self._event_ids else b""
        return b"%sevent: %s\ndata: %s\n\n" % (id_, kind, _encoder.encode(event))


class ResponseBuilder:
    """Builds one whole response; `accept` comes first."""

    def __init__(self, asked: Asked) -> None:
        self._log = Log(asked)

    def accept(self, accepted: TurnAccepted) -> None:
        """Learn which response it is."""
        self._log.accept(accepted)

    def progress(self, deltas: Deltas) -> None:
        """Add what the model says."""
        self._log.progress(deltas)

    def end(self, _: TurnStarted, ended: TurnEnded) -> bytes:
        """Encode the response."""
        self._log.end(ended)
        return _encoder.encode(self._log.response)

    def begun(self) -> bytes:
        """Encode the response as it is before the model has begun."""
        return _encoder.encode(self._log.response)
