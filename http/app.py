"""The ASGI application: the hot path in front, Quart's routes behind it, gate and log around both."""

import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

import trio

from greenroom.actors.house import House
from greenroom.http import sessions
from greenroom.http.access import access_log
from greenroom.http.auth import Authenticator
from greenroom.http.completions import PATH, Completions
from greenroom.http.config import Gateway
from greenroom.http.credential import Credential
from greenroom.http.embeddings import PATH as EMBEDDINGS
from greenroom.http.embeddings import Embeddings
from greenroom.http.exchange import App, Event, Receive, Scope, Send
from greenroom.http.mcp_server import PATH as MCP_PATH
from greenroom.http.mcp_server import McpEndpoint
from greenroom.http.metrics import Metrics
from greenroom.http.responses import responses_apps
from greenroom.http.server.gate import gate
from greenroom.http.server.hosts import Hosts
from greenroom.http.server.origins import Origins
from greenroom.http.sessions import Sessions
from greenroom.http.stored import Stored
from greenroom.http.ws.endpoint import WebSockets

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_ROUTES = "greenroom.http.routes"


def create_app(
    house: House,
    gateway: Gateway,
    log: "FilteringBoundLogger",
    credential: Credential | None = None,
    stop: trio.Event | None = None,
) -> App:
    """Build the application of one house; `credential` is the gateway's own if not given.

    Connections that stay end by themselves once `stop` is set.
    """
    authenticator = Authenticator(credential or Credential(gateway.auth, log), gateway.failures)
    metrics = Metrics()
    created = int(time.time())
    completions = Completions(house, gateway, authenticator, log)
    web_sockets = WebSockets(
        house, gateway, authenticator, log, metrics, trio.Event() if stop is None else stop
    )

    def quart() -> App:
        from greenroom.http.routes import quart_routes  # noqa: PLC0415 - see `_Routes`

        return quart_routes(house, authenticator, log, metrics, created)

    routes = _Routes(quart)
    below: dict[str, App] = {
        PATH: Stored(house, gateway, authenticator, log),
        EMBEDDINGS: Embeddings(house, gateway, authenticator, log),
        sessions.ROOT: Sessions(house, gateway, authenticator, log),
        **responses_apps(house, gateway, authenticator, log),
        MCP_PATH: McpEndpoint(house, gateway, authenticator, log),
    }

    def found(path: str) -> App:
        return next(
            (app for root, app in below.items() if f"{path}/".startswith(f"{root}/")), others
        )

    async def others(scope: Scope, receive: Receive, send: Send) -> None:
        await routes(scope, *_disconnect_hidden_after_the_end(receive, send))

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] != "GET":
            await completions(scope, receive, send)
        elif scope["type"] == "http":
            await found(scope["path"])(scope, receive, send)
        elif scope["type"] == "websocket":
            await web_sockets(scope, receive, send)
        else:
            await routes(scope, receive, send)

    gated = gate(dispatch, Hosts(gateway.host, gateway.hosts), Origins(gateway.cors))
    return access_log(gated, log, metrics)


class _Routes:
    """Quart's routes, made by the first request to one of them.

    Quart takes 10 MB, and has no part in a turn. It is loaded in a thread: in the loop that would hold up
    all streams for a quarter of a second.
    """

    def __init__(self, make: Callable[[], App]) -> None:
        self._make = make
        self._made: App | None = None
        self._is_loaded = _ROUTES in sys.modules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not self._is_loaded:
            await trio.to_thread.run_sync(import_module, _ROUTES)
            self._is_loaded = True
        if self._made is None:
            self._made = self._make()
        await self._made(scope, receive, send)


def _disconnect_hidden_after_the_end(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Hide the disconnect that hypercorn reports after a whole answer.

    Quart would cancel its own task for it, in the middle of hypercorn's restarting of the idle
    timer, after which the connection would stay open for ever.
    """
    ended = False

    async def noted(event: Event) -> None:
        nonlocal ended
        if event["type"] == "http.response.body" and not event.get("more_body", False):
            ended = True
        await send(event)

    async def hidden() -> Event:
        event = await receive()
        if ended and event["type"] == "http.disconnect":
            await trio.sleep_forever()
        return event

    return hidden, noted
