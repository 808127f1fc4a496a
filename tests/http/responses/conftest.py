"""What tests of responses share: a site that serves them, bodies of requests, events that are read."""

import json
from typing import Any

import msgspec

from greenroom.actors.channels.channel import Deltas, Finish, FinishReason, TextDelta, Usage
from tests.http.conftest import GATEWAY, Answer, Site

ROOT = "/v1/responses"
CONVERSATIONS = "/v1/conversations"
SERVING = msgspec.structs.replace(GATEWAY, responses=True)
LOOK: dict[str, Any] = {"type": "function", "name": "look", "parameters": {"type": "object"}}
END: Deltas = (Finish(FinishReason.STOP), Usage(prompt=3, completion=2))
SLOW: tuple[Deltas | float, ...] = ((TextDelta("One "),), 10.0, (TextDelta("two."),), END)
"""A word, ten seconds of silence, another one."""


def asked(given: Any = "Hi", /, **fields: Any) -> dict[str, Any]:
    """The body of a request."""
    return {"model": "openclaw", "input": given, **fields}


async def create(site: Site, given: Any = "Hi", /, **fields: Any) -> Any:
    """Make a response, which has to succeed."""
    answer = await site.post(asked(given, **fields), path=ROOT)
    assert answer.status == 200, answer.body
    return answer.json()


async def get(site: Site, path: str, query: str = "") -> Any:
    answer = await site.get(path, query=query)
    assert answer.status == 200, answer.body
    return answer.json()


async def error(
    site: Site, given: Any = "Hi", /, **fields: Any
) -> tuple[int, str | None, str | None]:
    """Ask for what is refused; the status, the field and the code."""
    return told(await site.post(asked(given, **fields), path=ROOT))


def told(answer: Answer) -> tuple[int, str | None, str | None]:
    """What an error says."""
    body = answer.error()
    return answer.status, body["param"], body["code"]


def events_of(body: bytes) -> list[Any]:
    """The events of a stream, each with its type as its name; comments are between them."""
    assert body.endswith(b"\n\n")
    found: list[Any] = []
    for block in body.decode().removesuffix("\n\n").split("\n\n"):
        if block == ": keep-alive":
            continue
        *names, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert names[-1] == f"event: {event['type']}"
        found.append(event)
    return found


def kinds_of(body: bytes) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events_of(body)]


def said(response: Any) -> str:
    """The text of a response's messages."""
    return "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
    )
