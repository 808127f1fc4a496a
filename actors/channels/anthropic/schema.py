"""A JSON schema as structured outputs take it, pure.

The API holds a model to a subset of JSON Schema and refuses the rest: its objects are closed, and
bounds of numbers, lengths and counts cannot be kept (platform.claude.com, "Structured outputs", "JSON
Schema limitations"). Clients of OpenAI's API write such bounds; they are told to the model in words,
in the description of what they bound, as the vendor's own SDKs do it.
"""

from collections.abc import Mapping

import msgspec

from greenroom.actors.channels.loose import fields, items, text

_UNKEPT = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "contains",
        "minContains",
        "maxContains",
        "minProperties",
        "maxProperties",
    }
)
"""Bounds that the API refuses; of `minItems`, it takes 0 and 1."""

_SCHEMAS_BY_NAME = frozenset({"properties", "$defs", "definitions"})
_SCHEMA_LISTS = frozenset({"anyOf", "allOf", "prefixItems"})


def enforceable(schema: Mapping[str, object]) -> dict[str, object]:
    """Return a schema that allows the same as `schema`, but for bounds, and closed objects."""
    out: dict[str, object] = {}
    unkept: dict[str, object] = {}
    for key, value in schema.items():
        if key in _UNKEPT or (key == "minItems" and value not in {0, 1}):
            unkept[key] = value
        elif key in _SCHEMAS_BY_NAME:
            out[key] = {name: _deeper(inner) for name, inner in fields(value).items()}
        elif key in _SCHEMA_LISTS:
            out[key] = [_deeper(inner) for inner in items(value)]
        elif key == "oneOf":
            out["anyOf"] = [_deeper(inner) for inner in items(value)]
        elif key == "items":
            out[key] = _deeper(value)
        else:
            out[key] = value
    if out.get("type") == "object" or "properties" in out:
        out.setdefault("additionalProperties", False)
    if unkept:
        bounds = msgspec.json.encode(unkept).decode()
        said = text(out.get("description"))
        out["description"] = f"{said}\n\n{bounds}" if said else bounds
    return out


def _deeper(value: object) -> object:
    return enforceable(fields(value)) if isinstance(value, dict) else value
