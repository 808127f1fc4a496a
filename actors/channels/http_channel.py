"""The channel of an upstream that is asked over HTTP: a transport and an adapter, put together.

It knows when an answer is over, and nothing of any wire format. A further API is a row in `_ADAPTERS`
and a name in the settings.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType

import msgspec
import trio

from greenroom.actors.channels.adapter import Adapter, Decoder, HttpRequest
from greenroom.actors.channels.channel import Deltas, Notes, Reading
from greenroom.actors.channels.embedding import Embedded, Embedding, EmbeddingAdapter
from greenroom.actors.channels.ollama.adapter import OllamaAdapter
from greenroom.actors.channels.ollama.embedding import OllamaEmbeddings
from greenroom.actors.channels.openai.adapter import OpenAIAdapter
from greenroom.actors.channels.openai.embedding import OpenAIEmbeddings
from greenroom.actors.channels.rate_limits import rate_limits
from greenroom.actors.channels.transport.choice import transport_to
from greenroom.actors.channels.transport.transport import HttpResponse, Transport
from greenroom.actors.channels.wording import sentence
from greenroom.actors.entries import Prompt
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.settings import ProviderSettings


def _anthropic(settings: ProviderSettings) -> Adapter:
    # A third of a megabyte, which those need not have who have no such upstream.
    from greenroom.actors.channels.anthropic.adapter import AnthropicAdapter  # noqa: PLC0415

    return AnthropicAdapter(settings)


_ADAPTERS: dict[str, Callable[[ProviderSettings], Adapter]] = {
    "anthropic-messages": _anthropic,
    "ollama": OllamaAdapter,
    "openai-completions": OpenAIAdapter,
}

_EMBEDDINGS: dict[str, Callable[[ProviderSettings], EmbeddingAdapter]] = {
    "ollama": OllamaEmbeddings,
    "openai-completions": OpenAIEmbeddings,
}
"""The APIs that have embeddings."""

_MOST_EMBEDDED = 256 * 1024 * 1024
"""Bytes of an answer with embeddings."""

_REQUEST_IDS = ("x-request-id", "request-id")

_AFTERMATH = 2.0
"""Seconds that an upstream has for its token counts after it gave its finish reason."""


class HttpChannel:
    """A `Channel` to the upstream in `settings`, whose `api` must be one that is spoken over HTTP."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._provider = settings.id
        self._adapter = _ADAPTERS[settings.api](settings)
        embeddings = _EMBEDDINGS.get(settings.api)
        self._embeddings = None if embeddings is None else embeddings(settings)
        self._transport = transport_to(settings.base_url, settings.id, settings.limits)

    def open(self, prompt: Prompt) -> AbstractAsyncContextManager[Reading]:
        """Send `prompt`; the context is entered once the upstream has accepted it."""
        return _Call(self._transport, self._adapter, self._accepted, prompt)

    async def embed(self, wanted: Embedding) -> Embedded:
        """Return the vectors that `wanted` asks for."""
        if self._embeddings is None:
            raise TurnFailed.of(
                FailureKind.INVALID_REQUEST,
                f"The provider '{self._provider}' speaks an API that has no embeddings; name a model of "
                "another one.",
                param="model",
                code="unsupported_value",
            )
        request = self._embeddings.request(wanted)
        body = bytearray()
        async with self._transport.open(request) as response:
            notes = await self._accepted(request, response)
            while data := await response.read():
                body += data
                if len(body) > _MOST_EMBEDDED:
                    what = sentence(self._provider, f"sent more than {_MOST_EMBEDDED} bytes")
                    raise TurnFailed.of(FailureKind.UPSTREAM_ERROR, what)
        embedded = self._embeddings.read(bytes(body), wanted)
        return msgspec.structs.replace(embedded, notes=notes)

    async def _accepted(self, request: HttpRequest, response: HttpResponse) -> Notes:
        """Return what is to be known of a call that the upstream has accepted, else raise."""
        encoding = response.headers.get("content-encoding", "identity")
        if not 200 <= response.status < 300:
            raise TurnFailed(await self._failure(response, encoding))
        if encoding != "identity":
            what = sentence(self._provider, f"sent '{encoding}', which we did not accept")
            raise TurnFailed.of(FailureKind.UPSTREAM_ERROR, what)
        ids = (response.headers.get(name) for name in _REQUEST_IDS)
        limits = rate_limits(response.headers)
        return Notes(request.dropped, next(filter(None, ids), None), limits)

    async def _failure(self, response: HttpResponse, encoding: str) -> Failure:
        body = await response.read_error() if encoding == "identity" else b""
        failure = self._adapter.failure(response.status, response.headers, body)
        if failure.kind is not FailureKind.UPSTREAM_RATE_LIMITED:
            return failure
        return msgspec.structs.replace(failure, limits=rate_limits(response.headers))

    async def aclose(self) -> None:
        """Close what is open; no answer may be under way."""
        await self._transport.aclose()


class _Call(AbstractAsyncContextManager[Reading]):
    """One prompt and its answer."""

    def __init__(
        self,
        transport: Transport,
        adapter: Adapter,
        accepted: Callable[[HttpRequest, HttpResponse], Awaitable[Notes]],
        prompt: Prompt,
    ) -> None:
        self._transport = transport
        self._adapter = adapter
        self._accepted = accepted
        self._prompt = prompt
        self._exchange: AbstractAsyncContextManager[HttpResponse]

    async def __aenter__(self) -> Reading:
        request = self._adapter.request(self._prompt)
        self._exchange = self._transport.open(request)
        response = await self._exchange.__aenter__()
        try:
            notes = await self._accepted(request, response)
            response.forget_headers()
            return _Batches(response, self._adapter.decoder(self._prompt), notes)
        except BaseException as error:
            await self._exchange.__aexit__(type(error), error, error.__traceback__)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._exchange.__aexit__(kind, error, traceback)


class _Batches(Reading):
    """The deltas of one answer, a batch for each read that brought some."""

    def __init__(self, response: HttpResponse, decoder: Decoder, notes: Notes) -> None:
        self.notes = notes
        self._response = response
        self._decoder = decoder
        self._last_read_by: float | None = None
        self._failure: TurnFailed | None = None
        self._over = False

    async def __anext__(self) -> Deltas:
        while not self._over:
            data = await self._read()
            deltas = self._decoder.feed(data)
            if self._decoder.done or not data:
                deltas = self._end(deltas)
            if deltas:
                return deltas
        if self._failure is not None:
            raise self._failure
        await self._response.settle()
        raise StopAsyncIteration

    async def _read(self) -> bytes:
        """Return the next bytes, or nothing if there are none, or none that the answer needs."""
        if not self._decoder.finished:
            return await self._response.read()
        if self._last_read_by is None:
            self._last_read_by = trio.current_time() + _AFTERMATH
        with suppress(TurnFailed), trio.move_on_at(self._last_read_by):
            return await self._response.read()
        return b""

    def _end(self, deltas: Deltas) -> Deltas:
        """Return `deltas` and the last ones; a failure waits until the former were taken."""
        self._over = True
        try:
            return deltas + self._decoder.end()
        except TurnFailed as failure:
            self._failure = failure
            return deltas
