"""Whatever a body has in it, it is a request or a 4xx that says what is wrong: never an error of ours."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PlayedChannel, run_to_an_end
from tests.http.conftest import Site
from tests.http.responses.conftest import CONVERSATIONS, LOOK, ROOT, SERVING

WHOLE: Mapping[str, Any] = {
    "model": "openclaw",
    "input": [
        {"role": "user", "content": [
            {"type": "input_text", "text": "x"},
            {"type": "input_image", "image_url": "data:image/png;base64,YQ==", "detail": "low"},
            {"type": "input_file", "file_data": "YQ==", "filename": "f"},
            {"type": "input_audio", "input_audio": {"data": "YQ==", "format": "wav"}},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}],
         "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "message", "role": "assistant", "content": [
            {"type": "output_text", "text": "I look."}, {"type": "refusal", "refusal": "No."}]},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}", "more": 1},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]},
        {"role": "user", "content": "And?"},
    ],
    "instructions": "Be kind.",
    "tools": [LOOK, {"type": "custom", "name": "run", "format": {
        "type": "grammar", "syntax": "lark", "definition": "x"}}],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [
        {"type": "function", "name": "look"}]},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "metadata": {"a": "b"},
    "include": ["reasoning.encrypted_content"],
    "stream_options": {"include_obfuscation": True},
    "stream": True,
    "user": "u",
    "temperature": 1,
}  # fmt: skip
GARBAGE: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, "", "x", "\ud800", [], [[]], [5], ["x"], {}, {"type": "x"},
    {"type": 5}, {"type": None}, {"id": {}}, [{}], [{"type": "function"}], [None],
]  # fmt: skip


GONE: Any = object()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    kind: Any = value.__class__
    keys: Any = value if kind is dict else range(len(value)) if kind is list else ()
    for key in keys:
        found += places(value[key], (*path, key))
    return found


def spoilt(path: tuple[Any, ...], by: Any) -> dict[str, Any]:
    """The whole request, with something else at one place, or nothing."""
    body: Any = json.loads(json.dumps(WHOLE))
    at = body
    for key in path[:-1]:
        at = at[key]
    if by is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = by
    result: dict[str, Any] = body
    return result


PLACES = places(WHOLE)
REFERRING: list[dict[str, Any]] = [
    {"conversation": thing} for thing in [*GARBAGE, {"id": "conv_" + "0" * 32}]
] + [
    {"input": [{"type": "item_reference", "id": thing}]} for thing in [*GARBAGE, "msg_1"]
] + [
    {"previous_response_id": thing} for thing in [*GARBAGE, "resp_1"]
]  # fmt: skip


async def check(site: Site, body: Any, path: str = ROOT) -> None:
    answer = await site.post(json.dumps(body).encode(), path=path)
    if answer.status >= 300:
        assert 400 <= answer.status < 500, (answer.status, answer.body, body)
        assert answer.error()["message"]


async def test_the_whole_request_is_one() -> None:
    async with Site(PlayedChannel(), gateway=SERVING) as site:
        assert (await site.post(json.dumps(WHOLE).encode(), path=ROOT)).status == 200


@pytest.mark.parametrize("field", WHOLE)
async def test_a_request_that_is_wrong_in_one_place(field: str) -> None:
    async with Site(PlayedChannel(), gateway=SERVING) as site:
        for path in [path for path in PLACES if path[0] == field]:
            for by in [*GARBAGE, GONE]:
                body = spoilt(path, by)
                if field != "user":
                    del body["user"]  # no session grows so
                await check(site, body)
                if field in ("input", "metadata"):
                    made = {"items": body.get("input"), "metadata": body.get("metadata")}
                    await check(site, made, CONVERSATIONS)


async def test_a_request_that_refers_to_anything() -> None:
    async with Site(PlayedChannel(), gateway=SERVING) as site:
        for fields in REFERRING:
            await check(site, {**WHOLE, **fields})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(sorted({str(p[-1]) for p in PLACES})), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=5, max_size=10))
def test_a_request_that_is_wrong_anyhow(wrong: list[tuple[tuple[Any, ...], Any]]) -> None:
    async def tried() -> None:
        async with Site(PlayedChannel(), gateway=SERVING) as site:
            for path, by in wrong:
                await check(site, spoilt(path, by))

    run_to_an_end(tried, clock=None, instruments=())
