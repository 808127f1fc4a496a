"""The parameters of a URL's query, each checked by name."""

import math
from urllib.parse import parse_qsl

from greenroom.http.errors import invalid
from greenroom.http.exchange import Scope

Parameters = dict[str, str]


def parameters_of(scope: Scope) -> Parameters:
    """Return the parameters; of one that is there twice, the last counts."""
    query: bytes = scope.get("query_string", b"")
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def number(
    parameters: Parameters, name: str, default: float, *, least: float = 0, most: float = math.inf
) -> float:
    """Return a number within its bounds, `default` if it is not there; raises `ApiError` (400)."""
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


def whole(
    parameters: Parameters, name: str, default: int, *, least: int = 0, most: int = 2**63 - 1
) -> int:
    """Return a whole number within its bounds, `default` if it is not there; raises `ApiError` (400)."""
    text = parameters.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
        return int(text)
    bounds = f"from {least} to {most}" if most < 2**63 - 1 else f"of at least {least}"
    raise invalid(f"`{name}` must be a whole number {bounds}.", name, "invalid_value")


def flag(parameters: Parameters, name: str) -> bool:
    """Return whether a parameter is true; raises `ApiError` (400) if it is neither that nor false."""
    text = parameters.get(name, "false").lower()
    if text not in {"true", "false"}:
        raise invalid(f"`{name}` must be true or false.", name, "invalid_value")
    return text == "true"


def word(parameters: Parameters, name: str, words: tuple[str, ...]) -> str:
    """Return one of several words, the first if it is not there; raises `ApiError` (400)."""
    text = parameters.get(name, words[0])
    if text not in words:
        raise invalid(f"`{name}` must be one of {', '.join(words)}.", name, "invalid_value")
    return text


def pairs(parameters: Parameters, name: str) -> dict[str, str]:
    """Return the pairs that are written as `name[key]=value`; raises `ApiError` (400) for a half one."""
    found: dict[str, str] = {}
    for parameter, value in parameters.items():
        if parameter == name or parameter.startswith(f"{name}["):
            key = parameter[len(name) + 1 : -1]
            if not key or not parameter.endswith("]"):
                raise invalid(f"`{name}` is written as `{name}[key]=value`.", name, "invalid_value")
            found[key] = value
    return found


def values_of(scope: Scope, name: str) -> list[str]:
    """Return all values of a parameter, which some clients write with `[]` behind its name."""
    query = scope.get("query_string", b"").decode("latin-1")
    pairs = parse_qsl(query, keep_blank_values=True)
    return [value for key, value in pairs if key.split("[", 1)[0] == name]
