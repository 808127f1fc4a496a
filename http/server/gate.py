"""In front of the application: who comes at the wrong time, by a wrong name, or from another site's page.

It knows no endpoint and no secret: what it refuses is refused before anybody is asked who they are.
"""

from greenroom.http.access import record_of
from greenroom.http.errors import INVALID_REQUEST, ApiError
from greenroom.http.exchange import App, Event, Exchange, Header, Receive, Scope, Send, stopping
from greenroom.http.server.common import STOPPING
from greenroom.http.server.hosts import Hosts, name_of
from greenroom.http.server.origins import Origins, is_own, preflight

_SAFE = {"GET", "HEAD", "OPTIONS"}
_OTHER_SITES = {"cross-site", "same-site"}
_LOOKED_AT = frozenset(
    {
        b"host",
        b"origin",
        b"sec-fetch-site",
        b"access-control-request-method",
        b"access-control-request-headers",
    }
)


def gate(app: App, hosts: Hosts, origins: Origins) -> App:
    """Wrap an ASGI application; a lifespan passes through."""

    async def gated(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await app(scope, receive, send)
            return
        seen = {
            name: value.decode("latin-1") for name, value in scope["headers"] if name in _LOOKED_AT
        }
        origin = seen.get(b"origin")
        own = origin is None or is_own(origin, scope["scheme"], seen.get(b"host", ""))
        listed = origin is not None and not own and origins.allow(origin)
        if origin is not None and listed:
            send = _readable(send, origins.headers(origin))
        refusal = _refusal(scope, seen, hosts, welcome=own or listed)
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
        elif origin is not None and listed and _asks_first(scope, seen):
            requested = seen.get(b"access-control-request-headers", "")
            await Exchange(scope, receive, send).respond(204, preflight(requested), b"")
        else:
            await app(scope, receive, send)

    return gated


def _refusal(
    scope: Scope, seen: dict[bytes, str], hosts: Hosts, *, welcome: bool
) -> ApiError | None:
    """Return why a request goes no further, the first of the reasons; None if there is none."""
    host = seen.get(b"host")
    if host is not None and not hosts.answer_for(host):
        return ApiError(
            421,
            INVALID_REQUEST,
            f"This gateway does not answer for the host '{name_of(host)[:100]}'. "
            "If it should, name that in gateway.http.hosts.",
            code="unknown_host",
        )
    from_a_page = seen.get(b"sec-fetch-site") in _OTHER_SITES and b"origin" not in seen
    if not welcome or (from_a_page and scope.get("method", "GET") not in _SAFE):
        return ApiError(
            403,
            INVALID_REQUEST,
            "The pages of this origin may not call this gateway. "
            "If they should, name it in gateway.http.cors.origins.",
            code="origin_not_allowed",
        )
    if STOPPING in scope:
        return stopping()
    return None


async def _refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        record_of(scope).error = error.body.code
        await Exchange(scope, receive, send).respond_error(error)
    else:
        await receive()
        await send({"type": "websocket.close"})  # a 403


def _asks_first(scope: Scope, seen: dict[bytes, str]) -> bool:
    method: str = scope.get("method", "")
    return method == "OPTIONS" and b"access-control-request-method" in seen


def _readable(send: Send, headers: list[Header]) -> Send:
    """Let the page that asked read the answer, errors included."""

    async def readable(event: Event) -> None:
        if event["type"] == "http.response.start":
            event["headers"] = [*event["headers"], *headers]
        await send(event)

    return readable
