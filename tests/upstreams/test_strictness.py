"""The upstream of the tests refuses what the vendors refuse, each in the vendor's own envelope."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.upstreams.api import KEY
from tests.upstreams.cues import echo
from tests.upstreams.upstream import Upstream

Json = dict[str, Any]

HELLO = [{"role": "user", "content": "hello"}]
BEARER = {"authorization": f"Bearer {KEY}"}
ANTHROPIC = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}

OPENAI_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USE: Json = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
FUNCTION = {"type": "function", "function": {"name": "f"}}


class Vendor(NamedTuple):
    """Where a vendor's API is, and the least that it takes; `message` is where its error says why."""

    path: str
    headers: dict[str, str]
    least: Json
    message: tuple[str, ...]


VENDORS = {
    "openai": Vendor(
        "/v1/chat/completions", BEARER, {"model": "m", "messages": HELLO}, ("error", "message")
    ),
    "anthropic": Vendor(
        "/v1/messages",
        ANTHROPIC,
        {"model": "m", "max_tokens": 10, "messages": HELLO},
        ("error", "message"),
    ),
    "ollama": Vendor("/api/chat", {}, {"model": "m", "messages": HELLO}, ("error",)),
}

REFUSED: list[tuple[str, Json]] = [
    ("openai", {"messages": None}),
    ("openai", {"messages": []}),
    ("openai", {"messages": [{"role": "wizard", "content": "x"}]}),
    ("openai", {"messages": [*HELLO, {"role": "assistant", "content": None}]}),
    ("openai", {"messages": [*HELLO, {"role": "assistant", "tool_calls": [OPENAI_CALL]}]}),
    ("openai", {"messages": [*HELLO, {"role": "assistant", "tool_calls": []}]}),
    ("openai", {"messages": [*HELLO, {"role": "tool", "tool_call_id": "c1", "content": "x"}]}),
    ("openai", {"messages": [{"role": "user", "content": [{"type": "image", "data": "x"}]}]}),
    ("openai", {"temperature": 2.1}),
    ("openai", {"tools": []}),
    ("openai", {"tool_choice": "auto"}),
    ("openai", {"parallel_tool_calls": True}),
    (
        "openai",
        {"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "g"}}},
    ),
    ("openai", {"stream_options": {"include_usage": True}}),
    ("openai", {"model": "gpt-5", "max_tokens": 10}),
    ("openai", {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}),
    ("openai", {"top_k": 5}),
    ("anthropic", {"max_tokens": None}),
    ("anthropic", {"messages": []}),
    ("anthropic", {"messages": [{"role": "assistant", "content": "x"}]}),
    ("anthropic", {"messages": [{"role": "system", "content": "x"}]}),
    ("anthropic", {"messages": [{"role": "user", "content": " "}]}),
    ("anthropic", {"messages": [{"role": "user", "content": []}]}),
    ("anthropic", {"messages": [{"role": "user", "content": [USE]}]}),
    ("anthropic", {"messages": [*HELLO, {"role": "assistant", "content": [USE]}]}),
    ("anthropic", {"messages": [*HELLO, {"role": "assistant", "content": [USE]}, *HELLO]}),
    ("anthropic", {"messages": [*HELLO, {"role": "user", "content": [RESULT]}]}),
    ("anthropic", {"temperature": 1.5}),
    ("anthropic", {"tools": [{"name": "f", "input_schema": {}}]}),
    ("anthropic", {"tools": [{"name": "no spaces", "input_schema": {"type": "object"}}]}),
    ("anthropic", {"tool_choice": {"type": "auto"}}),
    ("anthropic", {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}),
    ("anthropic", {"stop_sequences": [" "]}),
    ("anthropic", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
    ("anthropic", {"max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 1000}}),
    ("anthropic", {"seed": 5}),
    ("ollama", {"model": ""}),
    ("ollama", {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}),
    ("ollama", {"messages": [{"role": "developer", "content": "x"}]}),
    (
        "ollama",
        {"messages": [{"role": "user", "content": "x", "images": ["data:image/png;base64,"]}]},
    ),
    ("ollama", {"messages": [{"role": "assistant", "tool_calls": [OPENAI_CALL]}]}),
    ("ollama", {"options": {"temperature": "hot"}}),
    ("ollama", {"think": "a lot"}),
    ("ollama", {"stream": "yes"}),
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


def post(upstream: Upstream, vendor: Vendor, changes: Json, **headers: str) -> httpx2.Response:
    body: Json = {"stream": False} | vendor.least | changes
    for name in [name for name, value in changes.items() if value is None]:
        del body[name]
    url = f"{upstream.root}{vendor.path}"
    return httpx2.post(url, json=body, headers=vendor.headers | headers, trust_env=False)


@pytest.mark.parametrize("name", VENDORS)
def test_the_least_is_answered(upstream: Upstream, name: str) -> None:
    answer = post(upstream, VENDORS[name], {})
    assert answer.status_code == 200
    assert echo("hello") in answer.text


@pytest.mark.parametrize(("name", "changes"), REFUSED, ids=str)
def test_what_the_vendor_refuses_is_refused(upstream: Upstream, name: str, changes: Json) -> None:
    answer = post(upstream, VENDORS[name], changes)
    assert answer.status_code == 400
    said: Any = answer.json()
    for key in VENDORS[name].message:
        said = said[key]
    assert isinstance(said, str)
    assert upstream.records[-1].refusal == said


def test_a_key_is_wanted_where_the_vendor_wants_one(upstream: Upstream) -> None:
    openai, anthropic, ollama = VENDORS.values()
    answer = post(upstream, openai, {}, authorization="Bearer wrong")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    answer = post(upstream, anthropic, {}, **{"x-api-key": "wrong"})
    assert (answer.status_code, answer.json()["type"]) == (401, "error")
    assert answer.json()["error"]["type"] == "authentication_error"
    assert post(upstream, ollama, {}, authorization="Bearer wrong").status_code == 200


def test_anthropic_wants_a_version(upstream: Upstream) -> None:
    answer = post(upstream, VENDORS["anthropic"], {}, **{"anthropic-version": ""})
    assert answer.status_code == 400
    assert "anthropic-version" in answer.json()["error"]["message"]


def test_thinking_has_to_come_back_as_it_went(upstream: Upstream) -> None:
    def answered(*before: Json) -> int:
        messages: list[Json] = [
            *HELLO,
            {"role": "assistant", "content": [*before, USE]},
            {"role": "user", "content": [RESULT]},
        ]
        thinking = {"type": "enabled", "budget_tokens": 1024}
        changes: Json = {
            "messages": messages,
            "thinking": thinking,
            "max_tokens": 3000,
            "tools": [TOOL],
        }
        return post(upstream, VENDORS["anthropic"], changes).status_code

    first = post(
        upstream,
        VENDORS["anthropic"],
        {
            "messages": [{"role": "user", "content": '{"think": "hm", "say": "yes"}'}],
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "max_tokens": 3000,
        },
    )
    thought = first.json()["content"][0]
    assert answered(thought) == 200
    assert answered() == 400
    assert answered(thought | {"signature": "another"}) == 400


def test_a_path_that_no_vendor_has_is_not_found(upstream: Upstream) -> None:
    assert httpx2.post(f"{upstream.root}/v1/chat", json={}, trust_env=False).status_code == 404
