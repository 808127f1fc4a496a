"""What stands in a URL behind an endpoint's own path: segments, parameters, and what is wrong there."""

import math
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote

from greenroom.http.errors import INVALID_REQUEST, ApiError, invalid
from greenroom.http.exchange import TEXT_TYPE, Exchange, Scope

Parameters = dict[str, str]


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


def parameters_of(scope: Scope) -> Parameters:
    """Return the parameters, the last one of each name."""
    return dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))


def values_of(scope: Scope, name: str) -> list[str]:
    """Return all values of a parameter, which some clients write with `[]` behind its name."""
    query = scope.get("query_string", b"").decode("latin-1")
    pairs = parse_qsl(query, keep_blank_values=True)
    return [value for key, value in pairs if key.split("[", 1)[0] == name]


def number_of(
    parameters: Parameters, name: str, default: float, *, least: float = 0, most: float = math.inf
) -> float:
    """Return a parameter that is a number within these bounds; raises `ApiError` (400)."""
    text = parameters.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most or math.isinf(value):
        bounds = f"from {least:g} to {most:g}" if most < math.inf else f"of at least {least:g}"
        raise invalid(f"`{name}` must be a number {bounds}.", name, "invalid_value")
    return value


def flag_of(parameters: Parameters, name: str) -> bool:
    """Return a parameter that is true or false, if not there the latter; raises `ApiError` (400)."""
    text = parameters.get(name, "false").lower()
    if text not in {"true", "false"}:
        raise invalid(f"`{name}` must be true or false.", name, "invalid_value")
    return text == "true"
