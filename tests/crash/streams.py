"""A stream as its client reads it, byte by byte: from the first event, or from where it was cut.

Comments are no events: they keep a line open, and are nowhere in what is compared.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from tests.crash.gateway import Gateway
from tests.crash.ledger import TOOL
from tests.crash.wire import Answer, post
from tests.sdk.conftest import function_tool
from tests.upstreams.cues import cue

ANSWER = cue(
    "Three words first.", call=[(TOOL, {"at": "the left"}), (TOOL, {"at": "the right side"})]
)
"""What is answered by text, by two calls, and a usage."""

WORDS = 10
"""The pieces of that answer between its opening and its end."""

EVENTS = WORDS + 4
"""Beside these the role, the finish, the usage, and the end of the stream."""


class Stream:
    """A turn with a key, asked for by one and the same request each time."""

    def __init__(self, gateway: Gateway, key: str, model: str, *, event_ids: bool) -> None:
        self._gateway = gateway
        self._body = {
            "model": f"upstream/{model}",
            "messages": [{"role": "user", "content": ANSWER}],
            "tools": [function_tool(TOOL, "at")],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        self._headers = {"idempotency-key": key, "x-openclaw-session-key": f"session-of-{key}"}
        if event_ids:
            self._headers["x-greenroom-event-ids"] = "true"

    @asynccontextmanager
    async def open(self, after: int | None = None) -> AsyncGenerator["Opened"]:
        """Ask, and leave when the context is left; `after` is the number of events that are had."""
        headers = self._headers
        if after is not None:
            headers = headers | {"x-greenroom-starting-after": f"{after}"}
        url = f"{self._gateway.url}/chat/completions"
        async with post(url, self._gateway.key, self._body, headers) as answer:
            yield Opened(answer)

    async def read(self, after: int | None = None) -> list[bytes]:
        """Return all events to the end."""
        async with self.open(after) as opened:
            assert opened.status == 200, await opened.error()
            return await opened.rest()


class Opened:
    """An answer that has begun."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self.error = answer.error
        self._answer = answer
        self._read = b""

    async def take(self, count: int) -> list[bytes]:
        """Return the next events; fewer if there are no more."""
        events: list[bytes] = []
        while len(events) < count:
            event, end, rest = self._read.partition(b"\n\n")
            if end:
                self._read = rest
                if not event.startswith(b":"):
                    events.append(event + end)
            elif piece := await self._answer.more():
                self._read += piece
            else:
                assert not self._read, "a stream ends with an event"
                break
        return events

    async def rest(self) -> list[bytes]:
        """Return the events to the end."""
        return await self.take(10**6)
