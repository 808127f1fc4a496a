"""The API described: the document is whole and true, and the page needs nothing from elsewhere."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, TypeGuard

import msgspec
import pytest
from jsonschema_rs import Draft202012Validator

from greenroom.actors.channels.openai.fields import FIELDS
from greenroom.http.openapi.document import document
from greenroom.http.openapi.operations import OPERATIONS, Operation
from tests.http.conftest import PATH, Answer, Site, chat

DOCUMENT = json.loads(msgspec.json.encode(document()))
SCHEMAS = DOCUMENT["components"]["schemas"]


def validator(name: str) -> Draft202012Validator:
    """What holds a value against one of the document's schemas."""
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    )


def is_object(node: object) -> TypeGuard[dict[str, object]]:
    return isinstance(node, dict)


def is_list(node: object) -> TypeGuard[list[object]]:
    return isinstance(node, list)


def references(node: object) -> Iterator[str]:
    """Every reference in a part of the document."""
    if is_object(node):
        named = node.get("$ref")
        if isinstance(named, str):
            yield named
        for value in node.values():
            yield from references(value)
    elif is_list(node):
        for value in node:
            yield from references(value)


async def ask(site: Site, operation: Operation) -> Answer:
    path = re.sub(r"\{\w+\}", "x", operation.path)
    return await site.post(b"{}", method=operation.method.upper(), path=path)


def test_every_reference_leads_somewhere_and_every_schema_is_led_to() -> None:
    found = set(references(DOCUMENT))
    streamed = {o.streams.__name__ for o in OPERATIONS if o.streams is not None}
    assert found >= {f"#/components/schemas/{name}" for name in SCHEMAS.keys() - streamed}
    assert {reference.rpartition("/")[2] for reference in found} <= SCHEMAS.keys()


def test_the_chat_request_has_every_field_and_leaves_none_of_them_open() -> None:
    properties = SCHEMAS["ChatRequest"]["properties"]
    assert properties.keys() == FIELDS
    assert [name for name, said in properties.items() if said.keys() <= {"default"}] == ["user"]


def test_ids_of_operations_are_their_own() -> None:
    ids = [o["operationId"] for methods in DOCUMENT["paths"].values() for o in methods.values()]
    assert len(set(ids)) == len(ids) == len(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.path}")
async def test_what_is_described_is_served(operation: Operation) -> None:
    async with Site() as site:
        answer = await ask(site, operation)
        stranger = await site.post(
            b"{}",
            method=operation.method.upper(),
            path=re.sub(r"\{\w+\}", "x", operation.path),
            token=None,
        )
    assert answer.status != 405
    if answer.status >= 400:
        assert answer.error()["code"] != "unknown_url"
        assert answer.status in {400, *operation.fails}
    assert (stranger.status == 401) is not operation.open


@pytest.mark.parametrize("stream", [False, True])
async def test_answers_are_as_they_are_described(stream: bool) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    body = chat('[call f {"a": 1}]', tools=tools, stream=stream)
    if stream:
        body |= {"stream_options": {"include_usage": True}}
    assert validator("ChatRequest").is_valid(body)
    async with Site() as site:
        answer = await site.post(body)
        failure = await site.post(chat(temperature=3))
    if stream:
        assert all(validator("Chunk").is_valid(chunk) for chunk in answer.chunks())
    else:
        validator("Completion").validate(answer.json())
    validator("Envelope").validate(failure.json())


BAD: list[dict[str, Any]] = [
    {"messages": []},
    {"messages": [{"role": "user"}]},
    {"messages": [{"role": "judge", "content": "x"}]},
    {"messages": [{"role": "tool", "content": "x"}]},
    {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
    {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": "x"}]}]},
    {"messages": [{"role": "user", "content": [{"type": "file", "file": []}]}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
    {"tools": [{"type": "function", "function": {"name": "a b"}}]},
    {"tools": [{"type": "function", "function": {"name": "f", "parameters": 4}}]},
    {"tools": [{"type": "custom", "function": {"name": "f"}}]},
    {"tool_choice": "some"},
    {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": ""}}},
    {"temperature": 2.5},
    {"n": 0},
    {"stop": [""]},
    {"logit_bias": {"1": 101}},
    {"modalities": ["video"]},
    {"metadata": {"a": "b" * 513}},
    {"prediction": {"type": "content"}},
]


@pytest.mark.parametrize("fields", BAD, ids=json.dumps)
async def test_what_the_document_does_not_allow_is_refused(fields: dict[str, Any]) -> None:
    body = chat(**fields)
    assert not validator("ChatRequest").is_valid(body)
    async with Site() as site:
        answer = await site.post(body, path=PATH)
    assert answer.status == 400


async def test_the_document_and_the_page_are_for_everyone() -> None:
    async with Site() as site:
        told = await site.get("/openapi.json", token=None)
        shown = await site.get("/docs", token=None)
    assert told.json() == DOCUMENT
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    policy = shown.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


async def test_the_page_has_every_operation_and_loads_nothing() -> None:
    async with Site() as site:
        text = (await site.get("/docs")).body.decode()

    links: list[str] = []
    ids: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            assert tag not in {"script", "link", "img", "iframe"}
            assert "src" not in given
            links.extend(filter(None, [given.get("href")]))
            ids.update(filter(None, [given.get("id")]))

    Reader().feed(text)
    assert all(f">{operation.path}<" in text for operation in OPERATIONS)
    assert {link.removeprefix("#") for link in links} - ids == {"openapi.json"}
    assert "url(" not in text
    assert "@import" not in text
