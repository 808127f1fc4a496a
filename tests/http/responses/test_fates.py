"""Rules of the table of fields in docs/responses.md: it has every field, and says what becomes of it."""

import json
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from msgspec.structs import replace
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)

from greenroom.actors.entries import Sampling
from greenroom.actors.turn import Sender
from greenroom.http.errors import ApiError
from greenroom.http.responses.asked import Asked
from greenroom.http.responses.read import Order, read_order
from tests.http.conftest import Site, exchange_of
from tests.http.responses.conftest import CONVERSATIONS, LOOK, SERVING, create

IN_VIRTUAL_TIME = True

PAGE = Path(__file__).parents[3] / "docs" / "responses.md"
FORMAT = {"type": "json_schema", "name": "s", "schema": {"type": "object"}}

SAMPLES: dict[str, tuple[dict[str, Any], Any]] = {
    "access_programs": ({}, {"cyber": "standard"}),
    "background": ({}, True),
    "background_options": ({}, {"completion_window": "2h"}),
    "context_management": ({}, [{"type": "compaction"}]),
    "conversation": ({}, "CONVERSATION"),
    "image": ({}, {"context_compression": "enabled"}),
    "include": ({}, ["reasoning.encrypted_content"]),
    "input": ({}, [{"role": "user", "content": "Other"}]),
    "instructions": ({}, "Be kind."),
    "max_output_tokens": ({}, 9),
    "max_tool_calls": ({}, 9),
    "metadata": ({}, {"a": "b"}),
    "model": ({}, "spare/org/m"),
    "moderation": ({}, {"model": "omni"}),
    "parallel_tool_calls": ({"tools": [LOOK]}, False),
    "previous_response_id": ({}, "RESPONSE"),
    "prompt": ({}, {"id": "p"}),
    "prompt_cache_key": ({}, "k"),
    "prompt_cache_options": ({}, {"mode": "explicit"}),
    "prompt_cache_retention": ({}, "24h"),
    "reasoning": ({}, {"effort": "high"}),
    "safety_identifier": ({}, "s"),
    "service_tier": ({}, "priority"),
    "store": ({}, False),
    "stream": ({}, True),
    "stream_options": ({"stream": True}, {"include_obfuscation": False}),
    "temperature": ({}, 0.5),
    "text": ({}, {"format": FORMAT}),
    "tool_choice": ({"tools": [LOOK]}, "required"),
    "tools": ({}, [LOOK]),
    "top_logprobs": ({}, 3),
    "top_p": ({}, 0.5),
    "truncation": ({}, "disabled"),
    "user": ({}, "u"),
    "anything else": ({}, {"of": "another server"}),
}
"""What each field is tried with, beside what it needs."""


def table() -> dict[str, str]:
    """The fates of the page's table, by field."""
    _, found, rest = PAGE.read_text(encoding="utf-8").partition("| field | fate | |\n")
    assert found, "docs/responses.md has lost its table of fields"
    rows: dict[str, str] = {}
    for line in rest.splitlines()[1:]:
        if not line.startswith("|"):
            break
        field, fate, *_ = (cell.strip() for cell in line.strip("|").split("|"))
        rows[field.strip("`")] = fate
    return rows


TABLE = table()


async def order_of(site: Site, fields: dict[str, Any]) -> Order:
    body = {"model": "openclaw", "input": "Hi"} | fields
    return await read_order(
        json.dumps(body).encode(), exchange_of({}), site.house, max_depth=64, session_from_user=True
    )


def sent(order: Order) -> object:
    """What a provider gets to see of a request."""
    turn = order.ways[-1].turn
    return (turn.entries, turn.tools, turn.tool_choice, turn.parallel_tool_calls, turn.sampling,
            turn.extra)  # fmt: skip


def done(order: Order) -> object:
    """What the gateway makes of it, apart from what is new each time, and what the response echoes."""
    turns = [
        replace(way.turn, id="", created=0, request=None, sender=Sender(
            on_disconnect=way.turn.sender.on_disconnect, fork=way.turn.sender.fork
        ), entries=(), tools=(), tool_choice=None, parallel_tool_calls=None, sampling=Sampling(),
        extra={}, places=(), model="")
        for way in order.ways
    ]  # fmt: skip
    users = [way.selection.session.endswith("openai-user:u") for way in order.ways]
    return (order.stream, turns, users)


async def fate(site: Site, field: str) -> str:
    """What becomes of a field, as the code has it."""
    beside, value = SAMPLES[field]
    match value:
        case "CONVERSATION":
            value = (await site.post({}, path=CONVERSATIONS)).json()["id"]
        case "RESPONSE":
            value = (await create(site))["id"]
        case _:
            pass
    name = "x_else" if field == "anything else" else field
    without = await order_of(site, beside)
    try:
        order = await order_of(site, beside | {name: value})
    except ApiError as error:
        by_name = (error.status, error.body.param) == (400, name)
        return "refused" if by_name else "refused in another's name"
    if done(order) != done(without):
        return "honoured"
    extra = order.ways[-1].turn.extra
    if name in extra:
        assert json.loads(extra[name]) == value
        return "passed on"
    if sent(order) != sent(without):
        return "translated"
    return "kept" if told(order.asked) != told(without.asked) else "nothing"


def told(asked: Asked) -> bytes:
    return asked.encode()


def test_the_table_has_every_field_of_the_sdk_and_no_other() -> None:
    fields = set(get_type_hints(ResponseCreateParamsNonStreaming))
    fields |= set(get_type_hints(ResponseCreateParamsStreaming))
    assert set(TABLE) - {"anything else"} == fields
    assert set(TABLE) == set(SAMPLES)


@pytest.mark.parametrize("field", sorted(TABLE))
async def test_what_the_table_says_of_a_field_is_what_becomes_of_it(field: str) -> None:
    async with Site(gateway=SERVING) as site:
        assert TABLE[field] == await fate(site, field)


REFUSED: list[tuple[dict[str, Any], str | None]] = [
    ({"messages": []}, "messages"),
    ({"response_format": {"type": "text"}}, "response_format"),
    ({"max_tokens": 5}, "max_tokens"),
    ({"n": 2}, "n"),
    ({"logprobs": True}, "logprobs"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "alloy"}}, "audio"),
    ({"reasoning_effort": "low"}, "reasoning_effort"),
    ({"stream_options": {}}, "stream_options"),
    ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
    ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
    ({"text": {"style": "x"}}, "text"),
    ({"reasoning": {"context": "all_turns"}}, "reasoning.context"),
    ({"tools": [LOOK, LOOK]}, "tools[1].name"),
    ({"tools": [LOOK | {"defer_loading": True}]}, "tools[0].defer_loading"),
    ({"tools": [LOOK | {"allowed_callers": ["programmatic"]}]}, "tools[0].allowed_callers"),
    ({"tools": [{"type": "function"}]}, "tools[0].name"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tools": [LOOK], "tool_choice": {"type": "web_search"}}, "tool_choice.type"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
    ({"input": []}, "input"),
    ({"input": None}, "input"),
    ({"input": [{"role": "assistant", "content": "Yes."}]}, "input"),
    ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "n"}]}, "input[0].arguments"),
    ({"input": [{"role": "user", "content": []}]}, "input[0].content"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
     "input[0].content[0].file_id"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://h"}]}]},
     "input[0].content[0].image_url"),
    ({"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "http://h"}]}]},
     "input[0].content[0].file_url"),
    ({"input": [{"content": "x"}]}, "input[0].type"),
    ({"input": 5}, "input"),
    ({"model": " "}, None),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "param"), REFUSED)
async def test_what_cannot_be_had_is_refused_by_its_name(
    fields: dict[str, Any], param: str | None
) -> None:
    async with Site(gateway=SERVING) as site:
        with pytest.raises(ApiError) as caught:
            await order_of(site, fields)
    assert caught.value.body.param == param
