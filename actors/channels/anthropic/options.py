"""The rest of a request: how to draw the answer, its format, and on whose account, pure.

A visible table says what is refused: what a client could not do without, so that an answer would mislead
it. Whatever else has no place in the API is dropped by name. Source: platform.claude.com, API reference,
"Create a Message"; "Structured outputs"; "Service tiers".
"""

import math
from collections.abc import Mapping

from greenroom.actors.channels.anthropic.content import Block
from greenroom.actors.channels.anthropic.fields import Fields, refused
from greenroom.actors.channels.anthropic.models import Traits
from greenroom.actors.channels.anthropic.schema import enforceable
from greenroom.actors.channels.anthropic.thinking import Thinking
from greenroom.actors.channels.loose import fields
from greenroom.actors.entries import Sampling
from greenroom.actors.failure import TurnFailed

JSON_OBJECT = "Answer with one JSON object and nothing else: no text around it, no code fence."
"""What the model is told for `response_format` "json_object", which the API does not know."""

_REFUSED: tuple[tuple[str, tuple[object, ...], str], ...] = (
    ("modalities", ([], ["text"]), "unsupported_value"),
    ("web_search_options", (), "unsupported_parameter"),
)
"""Fields that the API has nothing for, the values that ask for nothing, and the code of the refusal."""

_TIERS = {
    "auto": "auto",
    "priority": "auto",
    "default": "standard_only",
    "standard_only": "standard_only",
}
"""OpenAI's tiers and the API's own; "auto" there is priority where that is paid for."""

_LEAST_TOP_P = 0.95
"""What a model that thinks takes at least."""


def refuse_impossible(sampling: Sampling, request: Fields) -> None:
    """Raise `TurnFailed` for the first field that asks for what the API has nothing for."""
    if sampling.choices != 1:
        raise _unsupported("n", "unsupported_value")
    if sampling.top_logprobs is not None:
        raise _unsupported("logprobs", "unsupported_parameter")
    for name, harmless, code in _REFUSED:
        value = request.take(name)
        if value is not None and value not in harmless:
            raise _unsupported(name, code)


def sampling_of(sampling: Sampling, request: Fields, traits: Traits, thinking: Thinking) -> Block:
    """Return how to draw the answer; raises `TurnFailed` for a `top_k` that is no number."""
    if sampling.seed is not None:
        request.drop("seed")
    # A penalty of 0 asks for nothing.
    if sampling.frequency_penalty:
        request.drop("frequency_penalty")
    if sampling.presence_penalty:
        request.drop("presence_penalty")
    wire: Block = {
        "temperature": _within(sampling.temperature),
        "top_p": _within(sampling.top_p),
        "top_k": _top_k(request),
    }
    for name, value in wire.items():
        if value is not None and not _takes(traits, thinking, wire, name):
            request.drop(name)
            wire[name] = None
    stops = [stop for stop in sampling.stop if stop.strip()]
    if len(stops) < len(sampling.stop):
        request.drop("stop")
    wire["stop_sequences"] = stops or None
    return _given(wire)


def _takes(traits: Traits, thinking: Thinking, wire: Mapping[str, object], name: str) -> bool:
    """Whether the model takes the sampling parameter `name` beside the others in `wire`."""
    if not traits.sampling:
        return False
    if name == "top_p" and traits.one_sampler and wire["temperature"] is not None:
        return False
    if not thinking.asked:
        return True
    value = wire[name]
    match name:
        case "temperature":
            return value == 1
        case "top_p":
            return isinstance(value, float) and value >= _LEAST_TOP_P
        case _:
            return False


def format_of(request: Fields) -> tuple[Block | None, str | None]:
    """Return the answer's format, or what the model is told instead; raises `TurnFailed`."""
    wanted = fields(request.take("response_format"))
    match wanted.get("type", "text"):
        case "text":
            return None, None
        case "json_object":
            return None, JSON_OBJECT
        case "json_schema":
            schema = fields(fields(wanted.get("json_schema")).get("schema"))
            if not schema:
                return None, JSON_OBJECT
            return {"type": "json_schema", "schema": enforceable(schema)}, None
        case _:
            why = "`response_format` must be text, json_object or json_schema."
            raise refused("response_format", why)


def account_of(request: Fields) -> Block:
    """Return on whose account the call is, and what else the API knows by the same name."""
    ids = {name: request.take(name) for name in ("safety_identifier", "user")}
    names = [name for name, value in ids.items() if isinstance(value, str) and value]
    for name in set(ids) - set(names[:1]):
        if ids[name] is not None:
            request.drop(name)
    tier = request.take("service_tier")
    wire_tier = _TIERS.get(tier) if isinstance(tier, str) else None
    if tier is not None and wire_tier is None:
        request.drop("service_tier")
    return _given(
        {
            "metadata": {"user_id": ids[names[0]]} if names else None,
            "service_tier": wire_tier,
            "cache_control": fields(request.take("cache_control")) or None,
        }
    )


def _unsupported(name: str, code: str) -> TurnFailed:
    return refused(name, f"The Anthropic Messages API does not support `{name}`.", code)


def _within(value: float | None) -> float | None:
    """Return a value cut to what the API takes, 0 to 1."""
    return None if value is None or math.isnan(value) else min(1.0, max(0.0, float(value)))


def _top_k(request: Fields) -> int | None:
    value = request.take("top_k")
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise refused("top_k", "`top_k` must be a whole number.", "invalid_type")


def _given(wire: Block) -> Block:
    return {name: value for name, value in wire.items() if value is not None}
