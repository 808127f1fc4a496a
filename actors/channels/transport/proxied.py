"""The transport by way of an HTTP proxy, for which it has the `httpx2` client.

That client needs care in three places: a response that is not closed keeps its place in the pool, the
generators below one that is not read to its end are left unfinished, and a TLS handshake that is
cancelled keeps its socket.

A task of its own reads each answer. It gives way only when the network has nothing more, so what one
network read brought is taken together, however many HTTP chunks it came in.
"""

import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any

import httpx2
import trio

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.transport.address import address_of
from greenroom.actors.channels.transport.foreign import (
    NO_ANSWER,
    NO_CONNECTION,
    SILENCE,
    broken,
    late,
    unaskable,
    unreachable,
)
from greenroom.actors.channels.transport.inflow import Inflow
from greenroom.actors.channels.transport.tls import shared_context
from greenroom.actors.channels.transport.transport import (
    HEADERS,
    IDLE_TIME,
    MOST_IDLE,
    HttpResponse,
)
from greenroom.actors.channels.wording import sentence
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.settings import TimeLimits

_CLEANUP_TIME = 1.0
"""Seconds that closing may take; it waits for nothing but other tasks' turns."""
_POOL = httpx2.Limits(
    max_connections=None, max_keepalive_connections=MOST_IDLE, keepalive_expiry=IDLE_TIME
)


class _Response(HttpResponse):
    """An answer whose body comes by way of another task."""

    def __init__(self, status: int, headers: Mapping[str, str], body: Inflow) -> None:
        super().__init__(status, headers)
        self._body = body

    async def read(self) -> bytes:
        return await self._body.take()


class Proxied:
    """A `Transport` by way of the proxies that the environment names, where it names one.

    `provider` is the upstream's id, for messages. The environment (`HTTPS_PROXY`, `NO_PROXY`, …) is
    read here, once.
    """

    def __init__(self, provider: str, limits: TimeLimits) -> None:
        self._provider = provider
        self._limits = limits
        self._client = httpx2.AsyncClient(
            verify=shared_context(),
            limits=_POOL,
            timeout=None,
            headers=HEADERS,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            auth=httpx2.Auth(),  # none, not even the one that a URL names
        )

    def open(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpResponse]:
        return _Exchange(self._client, self._provider, self._limits, request)

    async def aclose(self) -> None:
        with trio.move_on_after(_CLEANUP_TIME, shield=True):
            await self._client.aclose()


class _Exchange(AbstractAsyncContextManager[HttpResponse]):
    """One request and its answer.

    The nursery lasts as long as the context. It never sees the errors of the context's body, which
    leave as they are, ungrouped.
    """

    def __init__(
        self, client: httpx2.AsyncClient, provider: str, limits: TimeLimits, request: HttpRequest
    ) -> None:
        self._client = client
        self._provider = provider
        self._limits = limits
        self._request = request
        self._nurseries = trio.open_nursery()
        self._patience = _Patience()
        self._body = Inflow()
        self._answered = False
        self._socket: trio.abc.AsyncResource | None = None

    async def __aenter__(self) -> HttpResponse:
        self._nursery = await self._nurseries.__aenter__()
        try:
            response: HttpResponse = await self._nursery.start(self._run)
        except BaseException:
            await self._leave()
            raise
        return response

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._leave()

    async def _leave(self) -> None:
        self._nursery.cancel_scope.cancel()
        await self._nurseries.__aexit__(None, None, None)

    async def _run(self, *, task_status: trio.TaskStatus[HttpResponse]) -> None:
        """Send and read; failures go to who enters the context, later ones to who reads."""
        failure: TurnFailed | None = None
        try:
            with self._patience.scope:
                await self._read(task_status)
            if self._patience.scope.cancelled_caught:
                failure = late(self._provider, self._patience.what, self._patience.limit)
        except httpx2.HTTPError as error:
            failure = _failure_of(self._provider, error, answered=self._answered)
        if failure is not None and not self._answered:
            raise failure
        self._body.end(failure)

    async def _read(self, task_status: trio.TaskStatus[HttpResponse]) -> None:
        response = await self._send()
        chunks = response.aiter_raw()
        try:
            self._patience.expect(SILENCE, self._limits.silence)
            self._answered = True
            head = _Response(response.status_code, dict(response.headers), self._body)
            task_status.started(head)
            async for chunk in chunks:
                self._body.put(chunk)
                if self._body.full:
                    self._patience.pause()
                    await self._body.room()
                self._patience.renew()
        finally:
            await _release(response, chunks)

    async def _send(self) -> httpx2.Response:
        asked = self._request
        try:
            address_of(asked.url)  # which refuses what would end in other errors below
            request = self._client.build_request(
                "POST",
                asked.url,
                headers=[(name.encode(), value.encode()) for name, value in asked.headers.items()],
                content=asked.body,
                extensions={"trace": self._trace},
            )
        except ValueError:
            raise unaskable(self._provider) from None
        self._patience.expect(NO_CONNECTION, self._limits.connect)
        try:
            return await self._client.send(request, stream=True)
        except BaseException:
            if self._socket is not None:
                with trio.move_on_after(_CLEANUP_TIME, shield=True):
                    await self._socket.aclose()
            raise

    async def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Hear from the client how far the request is (httpx2, "Extensions", `trace`)."""
        if event == "connection.connect_tcp.complete":
            self._socket = info["return_value"]
        elif event == "http11.send_request_headers.started":
            self._patience.expect(NO_ANSWER, self._limits.first_byte)


class _Patience:
    """How long to wait for the next thing: a cancel scope whose deadline follows what is expected."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.limit = math.inf
        self.what = ""
        self._renewed = -math.inf

    def expect(self, what: str, limit: float) -> None:
        """Wait from now on for `limit` seconds; `what` is the complaint, with a place for them."""
        self.what = what
        self.limit = limit
        self._renewed = -math.inf
        self.renew()

    def renew(self) -> None:
        """Start anew; moving a deadline is dear, so it may come a hundredth of the limit late."""
        now = trio.current_time()
        if now > self._renewed + self.limit / 100:
            self._renewed = now
            self.scope.deadline = now + self.limit * 1.01

    def pause(self) -> None:
        self._renewed = -math.inf
        self.scope.deadline = math.inf


def _failure_of(provider: str, error: httpx2.HTTPError, *, answered: bool) -> TurnFailed:
    """Return what an error of the client means; `answered` tells that the head of an answer had come."""
    match error:
        case httpx2.TimeoutException():
            kind, what = FailureKind.UPSTREAM_TIMEOUT, "did not answer in time"
        case httpx2.ProxyError():
            kind, what = FailureKind.UPSTREAM_ERROR, "could not be reached through the proxy"
        case httpx2.ConnectError():
            return unreachable(provider, error)
        case httpx2.LocalProtocolError() | httpx2.UnsupportedProtocol():
            return unaskable(provider)
        case _:
            return broken(provider, error, answered=answered)
    failed = TurnFailed.of(kind, sentence(provider, what))
    failed.__cause__ = error
    return failed


async def _release(response: httpx2.Response, chunks: AsyncGenerator[bytes]) -> None:
    """Give the connection back, or close it if the body was not read to its end.

    The generators that `httpx2` stacks under `chunks` finish only where the stack runs to its end,
    which it does with an error once the socket is closed.
    """
    with trio.move_on_after(_CLEANUP_TIME, shield=True):
        with suppress(httpx2.HTTPError):
            await response.aclose()
        with suppress(httpx2.HTTPError, httpx2.StreamError):
            async for _ in chunks:
                pass
