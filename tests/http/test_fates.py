"""Rules of the table of fields in docs/api.md: it has every field, and says what becomes of it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from greenroom.actors.channels.anthropic.request import encode_prompt as to_anthropic
from greenroom.actors.channels.ollama.request import encode_prompt as to_ollama
from greenroom.actors.channels.openai.fields import FIELDS
from greenroom.actors.channels.openai.request import Destination
from greenroom.actors.channels.openai.request import encode_prompt as to_openai
from greenroom.actors.draft import blank_of
from greenroom.actors.entries import Prompt
from greenroom.actors.failure import TurnFailed
from greenroom.http.checks import Order, read_order
from greenroom.http.wire import ChatRequest
from tests.http.conftest import closed_house, exchange_of

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
CHANNELS = ("openai-completions", "anthropic-messages", "ollama")
FATES = {"honoured", "passed on", "translated", "dropped", "refused"}
HOUSE = closed_house()

FUNCTION: dict[str, Any] = {"name": "f", "parameters": {"type": "object", "properties": {}}}
TOOLS: dict[str, Any] = {"tools": [{"type": "function", "function": FUNCTION}]}
SCHEMA: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "s", "schema": {"type": "object", "properties": {}}},
}

SAMPLES: dict[str, tuple[dict[str, Any], Any]] = {
    "audio": ({}, {"format": "pcm16", "voice": "alloy"}),
    "frequency_penalty": ({}, 1.0),
    "function_call": ({"functions": [FUNCTION, FUNCTION | {"name": "g"}]}, {"name": "f"}),
    "functions": ({}, [FUNCTION]),
    "logit_bias": ({}, {"50256": -100}),
    "logprobs": ({}, True),
    "max_completion_tokens": ({}, 9),
    "max_tokens": ({}, 9),
    "messages": (
        {},
        [{"role": "developer", "content": "Be brief"}, {"role": "user", "content": "Hi"}],
    ),
    "metadata": ({}, {"a": "b"}),
    "modalities": ({}, ["text", "audio"]),
    "model": ({}, "spare/org/m"),
    "moderation": ({}, {"model": "omni"}),
    "n": ({}, 2),
    "parallel_tool_calls": (TOOLS, False),
    "prediction": ({}, {"type": "content", "content": "Hello"}),
    "presence_penalty": ({}, 1.0),
    "prompt_cache_key": ({}, "k"),
    "prompt_cache_options": ({}, {"mode": "explicit"}),
    "prompt_cache_retention": ({}, "24h"),
    "reasoning_effort": ({}, "high"),
    "response_format": ({}, SCHEMA),
    "safety_identifier": ({}, "s"),
    "seed": ({}, 7),
    "service_tier": ({}, "priority"),
    "stop": ({}, ["END"]),
    "store": ({}, True),
    "stream": ({}, True),
    "stream_options": ({"stream": True}, {"include_usage": True}),
    "temperature": ({}, 0.5),
    "tool_choice": (TOOLS, "required"),
    "tools": ({}, TOOLS["tools"]),
    "top_logprobs": ({"logprobs": True}, 3),
    "top_p": ({}, 0.5),
    "user": ({}, "u"),
    "verbosity": ({}, "low"),
    "web_search_options": ({}, {"search_context_size": "low"}),
    "anything else": ({}, {"of": "another server"}),
}
"""What each field is tried with, beside what it needs."""


def table() -> dict[str, dict[str, str]]:
    """The rows of the page's table, by field."""
    text = PAGE.read_text(encoding="utf-8")
    _, found, rest = text.partition("| field | may be | " + " | ".join(f"`{c}`" for c in CHANNELS))
    assert found, "docs/api.md has lost its table of fields"
    rows = dict[str, dict[str, str]]()
    for line in rest.splitlines()[2:]:
        if not line.startswith("|"):
            break
        field, _, *fates = (cell.strip() for cell in line.strip("|").split("|"))
        rows[field.strip("`")] = dict(zip(CHANNELS, fates, strict=True))
    return rows


TABLE = table()


def order_of(fields: dict[str, Any]) -> Order:
    body = {"model": "openclaw", "messages": [{"role": "user", "content": "Hi"}]} | fields
    exchange = exchange_of({})
    data = json.dumps(body).encode()
    return read_order(data, exchange, HOUSE, max_depth=64, session_from_user=True)


def sent(order: Order, channel: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What an upstream is sent, and the names of what it is not."""
    turn = order.turn
    prompt: Prompt = msgspec.structs.replace(
        blank_of(turn), model=turn.route.model, entries=turn.entries
    )
    match channel:
        case "openai-completions":
            return json.loads(to_openai(prompt, Destination("p"))), ()
        case "anthropic-messages":
            encoded = to_anthropic(prompt, "p", {})
            return json.loads(encoded.body), encoded.dropped
        case _:
            written = to_ollama(prompt, None)
            return json.loads(written.body), written.dropped


def kept(order: Order) -> object:
    """What the gateway itself makes of a request."""
    turn = order.turn
    return (
        order.stream,
        order.include_usage,
        order.legacy,
        turn.ephemeral,
        turn.streamed,
        turn.metadata,
        order.selection.agent,
    )


def fate(field: str, channel: str) -> str:
    """What becomes of a field, as the code has it."""
    beside, value = SAMPLES[field]
    name = "x_else" if field == "anything else" else field
    without = order_of(beside)
    order = order_of(beside | {name: value})
    try:
        before, _ = sent(without, channel)
        body, dropped = sent(order, channel)
    except TurnFailed as failed:
        return "refused" if failed.failure.param in {name, *beside} else "refused in another's name"
    if name in dropped:
        return "dropped"
    if body.get(name) == value and before.get(name) != value:
        return "passed on"
    if body != before:
        return "translated"
    assert kept(order) != kept(without), f"{name} vanishes without a word"
    return "honoured"


def test_the_table_has_every_field_of_the_api_and_no_other() -> None:
    assert set(TABLE) - {"anything else"} == FIELDS
    assert set(ChatRequest.__struct_fields__) == FIELDS


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("field", sorted(TABLE))
def test_what_the_table_says_of_a_field_is_what_becomes_of_it(field: str, channel: str) -> None:
    told = TABLE[field][channel]
    assert told in FATES
    assert told == fate(field, channel)
