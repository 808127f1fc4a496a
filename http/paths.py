"""What stands in a URL behind an endpoint's own path, and what is wrong there."""

from collections.abc import Iterable
from urllib.parse import unquote

from greenroom.http.errors import INVALID_REQUEST, ApiError
from greenroom.http.exchange import TEXT_TYPE, Exchange, Scope


async def not_allowed(exchange: Exchange, methods: Iterable[str]) -> None:
    """Answer a request whose method is not one of these."""
    allow = (b"allow", ", ".join(methods).encode())
    await exchange.respond(405, (TEXT_TYPE, allow), b"Method Not Allowed")


def unknown_url(exchange: Exchange) -> ApiError:
    """Return the refusal of a path that is none."""
    message = f"Unknown request URL: {exchange.method} {exchange.path}."
    return ApiError(404, INVALID_REQUEST, message, code="unknown_url")


def segments_of(scope: Scope, root: str) -> list[str]:
    """Return what stands behind `root`, each segment decoded by itself: a name may hold a slash."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    rest = raw.decode("latin-1").partition("?")[0].removeprefix(root).strip("/")
    return [unquote(segment) for segment in rest.split("/")] if rest else []
