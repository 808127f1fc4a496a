"""A transport that tells when nothing comes any more: a session of the SDK's does not say so."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType

from mcp.client._transport import ReadStream, WriteStream
from mcp.shared.message import SessionMessage

Incoming = SessionMessage | Exception
Streams = tuple[ReadStream[Incoming], WriteStream[SessionMessage]]


@asynccontextmanager
async def tapped(
    streams: AbstractAsyncContextManager[Streams], ended: Callable[[], None]
) -> AsyncGenerator[Streams]:
    """Enter a transport; `ended` is called at the end of what comes in."""
    async with streams as (incoming, outgoing):
        yield _Tapped(incoming, ended), outgoing


class _Tapped:
    """An incoming stream, as the SDK reads it."""

    def __init__(self, incoming: ReadStream[Incoming], ended: Callable[[], None]) -> None:
        self._incoming = incoming
        self._ended = ended

    @property
    def last_context(self) -> object:
        return getattr(self._incoming, "last_context", None)

    async def receive(self) -> Incoming:
        return await self._incoming.receive()

    async def aclose(self) -> None:
        await self._incoming.aclose()

    def __aiter__(self) -> "_Tapped":
        return self

    async def __anext__(self) -> Incoming:
        try:
            return await self._incoming.__anext__()
        except BaseException:
            self._ended()
            raise

    async def __aenter__(self) -> "_Tapped":
        await self._incoming.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._incoming.__aexit__(kind, error, trace)
