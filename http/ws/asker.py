"""The way back to whoever asked one request over a WebSocket: one answer, and events behind it."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from greenroom.http.access import Record
from greenroom.http.errors import ApiError, of_exception
from greenroom.http.exchange import Head
from greenroom.http.ws.frames import Res, encode, refusal
from greenroom.http.ws.ordering import in_our_words

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

Say = Callable[[bytes], Awaitable[None]]


class Asker:
    """One request's client: `head` is that of its connection, `record` what the log will say."""

    def __init__(self, id_: str, head: Head, record: Record, say: Say) -> None:
        self.id = id_
        self.head = head
        self.record = record
        self.status = 0
        self.words: Callable[[ApiError], ApiError] = partial(in_our_words, written=False)
        """How its client is told of an error."""
        self._say = say

    async def answer(self, payload: object) -> None:
        """Answer the request; waits while the client reads too slowly."""
        self.status = 200
        await self._say(encode(Res(id=self.id, ok=True, payload=payload)))

    async def refuse(self, error: ApiError) -> None:
        """Answer that it cannot be."""
        self.status = error.status
        await self._say(encode(refusal(self.id, error)))

    async def tell(self, frames: Sequence[bytes]) -> None:
        """Send events; waits as `answer` does."""
        for frame in frames:
            await self._say(frame)

    def told(self, error: Exception, log: "FilteringBoundLogger") -> ApiError:
        """Return an error as the client is told of it; ours are logged as well."""
        api_error, record = self.words(of_exception(error)), self.record
        record.error = api_error.body.code or api_error.body.type
        if api_error.status == 500:
            log.error("http.failed", request_id=record.request_id, exc_info=error)
        return api_error
