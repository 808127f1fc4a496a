"""A connection to an MCP server through the official SDK: the one place that calls it.

The SDK runs on anyio, so its task groups live in the task that enters here, and its cancelling is trio's.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, cast

import httpx2
import msgspec
import trio
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp.types import (
    CONNECTION_CLOSED,
    Implementation,
    PaginatedRequestParams,
    RequestParamsMeta,
    ServerNotification,
    ToolListChangedNotification,
)
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import ValidationError

from greenroom.actors.channels.transport.tls import shared_context
from greenroom.actors.tools.mcp.last_words import overheard
from greenroom.actors.tools.mcp.peer import Listed, Peer, PeerGone
from greenroom.actors.tools.mcp.results import told
from greenroom.actors.tools.mcp.settings import Http, McpServer, Stdio
from greenroom.actors.tools.mcp.tapped import Streams, tapped
from greenroom.actors.tools.tool import ToolFailed

MOST_TOOLS = 1000
"""Tools that are taken from one server; what it lists after them is not read."""
KEY = "greenroom/idempotency-key"
"""Under which name a call's `_meta` has its key."""
# What the SDK logs goes where a program has logging go, and not to standard error if it has none.
logging.getLogger("mcp").addHandler(logging.NullHandler())
logging.getLogger("client").addHandler(logging.NullHandler())

_CONNECT_S = 10.0
_SEND_S = 30.0
_LISTEN_AGAIN_S = 5.0
"""Seconds after which a server that has stopped telling of changes is asked to go on."""


class Connected(Protocol):
    """The type of `connected`."""

    def __call__(
        self, settings: McpServer, *, plain: bool, said: Callable[[str], None]
    ) -> AbstractAsyncContextManager[Peer]: ...


@asynccontextmanager
async def connected(
    settings: McpServer, *, plain: bool, said: Callable[[str], None]
) -> AsyncGenerator[Peer]:
    """Connect to a server and greet it; see `Connection`.

    Raises whatever the SDK and its transports do, in groups.
    """
    async with trio.open_nursery() as nursery:
        tap = _Tap()
        client = Client(
            tapped(_streams(settings, said), tap.end),
            mode="legacy" if plain else "auto",
            cache=None,
            message_handler=tap.hear,
            client_info=Implementation(name="greenroom", version="1"),
        )
        async with client:
            nursery.start_soon(tap.listen, client)
            yield SdkPeer(client, tap)
            nursery.cancel_scope.cancel()


def _streams(
    settings: McpServer, said: Callable[[str], None]
) -> AbstractAsyncContextManager[Streams]:
    match settings.transport:
        case Stdio() as stdio:
            return _child(stdio, said)
        case Http() as http:
            return _over_http(http, said, settings.max_concurrent)


@asynccontextmanager
async def _child(stdio: Stdio, said: Callable[[str], None]) -> AsyncGenerator[Streams]:
    parameters = StdioServerParameters(
        command=stdio.command,
        args=list(stdio.args),
        env={name: value.reveal() for name, value in stdio.env.items()},
        cwd=stdio.cwd,
    )
    async with overheard(said) as stderr, stdio_client(parameters, stderr) as streams:
        stderr.close()  # the child has its own copy, whose end is to be the pipe's
        yield streams


@asynccontextmanager
async def _over_http(
    http: Http, said: Callable[[str], None], most_calls: int
) -> AsyncGenerator[Streams]:
    async def note(response: httpx2.Response) -> None:
        if response.status_code >= 400 and response.request.method == "POST":
            said(f"HTTP {response.status_code} {response.reason_phrase}")  # the SDK does not say it

    client = httpx2.AsyncClient(
        headers={name: value.reveal() for name, value in http.headers.items()},
        # Answers may take as long as calls may, which their callers bound.
        timeout=httpx2.Timeout(_CONNECT_S, read=None, write=_SEND_S, pool=None),
        limits=httpx2.Limits(max_connections=most_calls + 8),
        verify=shared_context(),
        event_hooks={"response": [note]},
    )
    async with client, streamable_http_client(http.url, http_client=client) as streams:
        yield streams


class _Tap:
    """What a server says of itself: that its tools have changed, or that it has ended."""

    def __init__(self) -> None:
        self.has_ended = False
        self._news = trio.Event()

    async def hear(self, message: ServerNotification | Exception) -> None:
        if isinstance(message, ToolListChangedNotification):
            self.doubt()

    def doubt(self) -> None:
        """Have the server asked again what it has."""
        self._news.set()

    def end(self) -> None:
        """Have it known that nothing comes any more."""
        self.has_ended = True
        self._news.set()

    async def news(self) -> None:
        """Wait for a doubt; raises `PeerGone` at the end."""
        await self._news.wait()
        if self.has_ended:
            raise PeerGone("its connection ended")
        self._news = trio.Event()

    async def listen(self, client: Client) -> None:
        """Ask to be told of changes, as newer servers want it; older ones tell by themselves."""
        tools = client.server_capabilities.tools
        if client.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS or not (
            tools and tools.list_changed
        ):
            return
        while True:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self.doubt()
            except MCPError:
                self.doubt()
                return
            except SubscriptionLost:
                self.doubt()
            await trio.sleep(_LISTEN_AGAIN_S)


class SdkPeer:
    """A server that has been greeted, by way of the SDK's client."""

    def __init__(self, client: Client, tap: _Tap) -> None:
        self._client = client
        self._tap = tap

    @property
    def is_gone(self) -> bool:
        return self._tap.has_ended

    async def tools(self) -> Sequence[Listed]:
        if self._client.server_capabilities.tools is None:
            return ()
        found: list[Listed] = []
        cursor: str | None = None
        try:
            while len(found) < MOST_TOOLS:
                page = await self._client.session.list_tools(
                    params=PaginatedRequestParams(cursor=cursor)
                )
                found += [
                    Listed(
                        tool.name,
                        tool.description or tool.title or "",
                        msgspec.json.encode(tool.input_schema),
                    )
                    for tool in page.tools
                ]
                if page.next_cursor is None or page.next_cursor == cursor:
                    break
                cursor = page.next_cursor
        except MCPError as error:
            raise PeerGone(f"it did not list its tools: {error.error.message}") from None
        except ValidationError as error:
            raise PeerGone(f"it lists its tools wrongly: {_short(error)}") from None
        return found[:MOST_TOOLS]

    async def call(self, tool: str, arguments: dict[str, Any], key: str) -> str:
        try:
            meta = cast("RequestParamsMeta", {KEY: key})
            result = await self._client.call_tool(tool, arguments, meta=meta)
        except MCPError as error:
            self._tap.doubt()
            if error.code == CONNECTION_CLOSED:
                raise PeerGone(error.error.message) from None
            raise ToolFailed(error.error.message) from None
        except ValidationError as error:
            raise ToolFailed(f"the server's answer is malformed: {_short(error)}") from None
        except RuntimeError as error:
            # The SDK's: the result does not fit the tool's own schema, or asks a person something.
            raise ToolFailed(str(error)) from None
        return told(result)

    async def changed(self) -> None:
        await self._tap.news()


def _short(error: ValidationError) -> str:
    first, *others = error.errors(include_url=False, include_context=False, include_input=False)
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" + (f" and {len(others)} more" if others else "")
