"""The ASGI application: the hot path in front, Quart's routes behind it, gate and log around both."""

import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

import msgspec
import trio
from quart import Response, request
from quart_trio import QuartTrio

from greenroom.actors.house import House
from greenroom.http import sessions
from greenroom.http.access import access_log, record_of
from greenroom.http.auth import Authenticator, presented
from greenroom.http.completions import PATH, Completions
from greenroom.http.config import Gateway
from greenroom.http.credential import Credential
from greenroom.http.embeddings import PATH as EMBEDDINGS
from greenroom.http.embeddings import Embeddings
from greenroom.http.errands import add_errands
from greenroom.http.errors import INVALID_REQUEST, ApiError
from greenroom.http.exchange import JSON_TYPE, TEXT_TYPE, App, Event, Head, Receive, Scope, Send
from greenroom.http.mcp_server import PATH as MCP_PATH
from greenroom.http.mcp_server import McpEndpoint
from greenroom.http.metrics import CONTENT_TYPE, Metrics, Snapshot
from greenroom.http.models import Catalogue
from greenroom.http.responses import responses_apps
from greenroom.http.server.gate import gate
from greenroom.http.server.hosts import Hosts
from greenroom.http.server.origins import Origins
from greenroom.http.sessions import Sessions
from greenroom.http.stored import Stored
from greenroom.http.ws.endpoint import WebSockets

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger
    from werkzeug.exceptions import HTTPException

    from greenroom.http.openapi.described import Described

_JSON = JSON_TYPE[1].decode()
_TEXT = TEXT_TYPE[1].decode()
_STATUS_SECONDS = 1.0

Route = Callable[..., Awaitable[Response]]


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
    quart = _quart(house, authenticator, log, metrics)
    completions = Completions(house, gateway, authenticator, log)
    web_sockets = WebSockets(
        house, gateway, authenticator, log, metrics, trio.Event() if stop is None else stop
    )
    routes = cast("App", quart)
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


class _Routes(QuartTrio):
    def log_exception(self, *_: Any, **__: Any) -> None:
        """Leave it to the handler of status 500, which has our log."""


def _quart(
    house: House, authenticator: Authenticator, log: "FilteringBoundLogger", metrics: Metrics
) -> QuartTrio:
    app = _Routes(__name__, static_folder=None, template_folder=None)
    # A body is read by no route here; what a client sends all the same is bounded.
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.config["RESPONSE_TIMEOUT"] = None
    catalogue = Catalogue(house, int(time.time()))

    def authenticated(route: Route) -> Route:
        @wraps(route)
        async def checked(**arguments: str) -> Response:
            try:
                await authenticator.check(_head())
                return await route(**arguments)
            except ApiError as error:
                return _error(error)

        return checked

    @app.get("/health")
    @app.get("/healthz")
    async def health() -> Response:
        return _json(b'{"ok":true,"status":"live"}')

    @app.get("/ready")
    @app.get("/readyz")
    async def ready() -> Response:
        agents = None
        with trio.move_on_after(_STATUS_SECONDS):
            agents = await house.status()
        status = 503 if agents is None else 200
        body: dict[str, object] = {"ready": agents is not None}
        if presented(_head()) is None:
            # A probe without a secret guesses none: it must not lock its address out.
            return _json(msgspec.json.encode(body), status)
        try:
            await authenticator.check(_head())
        except ApiError:
            return _json(msgspec.json.encode(body), status)
        return _json(msgspec.json.encode(body | {"agents": agents}), status)

    @app.get("/metrics")
    @authenticated
    async def show_metrics() -> Response:
        snapshot = Snapshot(actors=house.actor_counts())
        with trio.move_on_after(_STATUS_SECONDS):
            agents, providers = await house.status(), await house.provider_status()
            snapshot = Snapshot(agents, providers, house.actor_counts())
        return Response(metrics.render(snapshot), content_type=CONTENT_TYPE)

    @app.get("/v1/models")
    @authenticated
    async def list_models() -> Response:
        return _json(msgspec.json.encode(catalogue.list()))

    @app.get("/v1/models/<path:model>")
    @authenticated
    async def retrieve_model(model: str) -> Response:
        return _json(msgspec.json.encode(catalogue.find(model)))

    add_errands(app, house, authenticated, _json)

    @app.get("/openapi.json")
    async def show_document() -> Response:
        return _json((await _described()).as_json)

    @app.get("/docs")
    async def show_page() -> Response:
        described = await _described()
        response = Response(described.as_page, content_type="text/html; charset=utf-8")
        response.headers["content-security-policy"] = described.policy
        return response

    _answer_errors(app, log)
    return app


async def _described() -> "Described":
    """Return the API's description, which takes 40 ms and 1 MB once somebody asks for it."""
    return await trio.to_thread.run_sync(_describe)


def _describe() -> "Described":
    from greenroom.http.openapi.described import described  # noqa: PLC0415 - see `_described`

    return described()


def _answer_errors(app: QuartTrio, log: "FilteringBoundLogger") -> None:
    @app.errorhandler(404)
    async def not_found(_: "HTTPException") -> Response:
        if request.path.startswith("/v1/"):
            message = f"Unknown request URL: {request.method} {request.path}."
            return _error(ApiError(404, INVALID_REQUEST, message, code="unknown_url"))
        return Response("Not Found", 404, content_type=_TEXT)

    @app.errorhandler(405)
    async def not_allowed(error: "HTTPException") -> Response:
        response = Response("Method Not Allowed", 405, content_type=_TEXT)
        for name, value in error.get_headers():
            if name.lower() == "allow":
                response.headers["Allow"] = value
        return response

    @app.errorhandler(413)
    async def too_large(_: "HTTPException") -> Response:
        return _error(ApiError(413, INVALID_REQUEST, "Payload too large", code="payload_too_large"))

    @app.errorhandler(500)
    async def failed(error: "HTTPException") -> Response:
        record = record_of(cast("Scope", request.scope))
        cause = getattr(error, "original_exception", None) or error
        log.error("http.failed", request_id=record.request_id, exc_info=cause)
        return _error(ApiError(500, "api_error", "internal error", code="internal_error"))


def _head() -> Head:
    return Head(cast("Scope", request.scope))


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, content_type=_JSON)


def _error(error: ApiError) -> Response:
    record_of(cast("Scope", request.scope)).error = error.body.code or error.body.type
    response = _json(error.encode(), error.status)
    response.headers.update(error.headers)
    return response


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
