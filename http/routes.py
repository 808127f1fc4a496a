"""Quart's routes: what a gateway answers beside its turns.

They are loaded by the first request to one of them, see `http.app`.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

import msgspec
import trio
from quart import Response, request
from quart_trio import QuartTrio

from greenroom.actors.house import House
from greenroom.http.access import record_of
from greenroom.http.auth import Authenticator, presented
from greenroom.http.errands import add_errands
from greenroom.http.errors import INVALID_REQUEST, ApiError
from greenroom.http.exchange import JSON_TYPE, TEXT_TYPE, App, Head, Scope
from greenroom.http.metrics import CONTENT_TYPE, Metrics, Snapshot
from greenroom.http.models import Catalogue

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger
    from werkzeug.exceptions import HTTPException

    from greenroom.http.openapi.described import Described

_JSON = JSON_TYPE[1].decode()
_TEXT = TEXT_TYPE[1].decode()
_STATUS_SECONDS = 1.0

Route = Callable[..., Awaitable[Response]]


class _Routes(QuartTrio):
    def log_exception(self, *_: Any, **__: Any) -> None:
        """Leave it to the handler of status 500, which has our log."""


def quart_routes(
    house: House,
    authenticator: Authenticator,
    log: "FilteringBoundLogger",
    metrics: Metrics,
    created: int,
) -> App:
    """Build the application; `created` is when its models are said to have been made, in Unix seconds."""
    app = _Routes(__name__, static_folder=None, template_folder=None)
    # A body is read by no route here; what a client sends all the same is bounded.
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.config["RESPONSE_TIMEOUT"] = None
    catalogue = Catalogue(house, created)

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
        return _json(_described().as_json)

    @app.get("/docs")
    async def show_page() -> Response:
        described = _described()
        response = Response(described.as_page, content_type="text/html; charset=utf-8")
        response.headers["content-security-policy"] = described.policy
        return response

    _answer_errors(app, log)
    return cast("App", app)


def _described() -> "Described":
    # A megabyte, and 40 ms once, for those who ask.
    from greenroom.http.openapi.described import described  # noqa: PLC0415

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
