"""What sessions wait for, over HTTP: listed, made, called off, and decided by a person."""

import time
from typing import Any

import msgspec
import pytest
import trio

from greenroom.actors.kit import Kit
from greenroom.actors.tools.functions import Functions, tool
from tests.http.conftest import Answer, Site, chat, house_settings

IN_VIRTUAL_TIME = True

ROOT = "/v1/errands"
KEY = {"x-openclaw-session-key": "k"}


@tool(needs_approval=True)
async def pay(amount: int) -> str:
    """Pay."""
    await trio.lowlevel.checkpoint()
    return f"paid {amount}"


def with_a_till() -> Site:
    settings = house_settings()
    kits = {settings.default_agent: Kit((Functions([pay]),))}
    return Site(settings=msgspec.structs.replace(settings, kits=kits))


async def ask(
    site: Site, method: str, path: str = "", body: object = None, query: str = ""
) -> Answer:
    return await site.post(body, method=method, path=f"{ROOT}{path}", query=query)


async def listed(site: Site, query: str = "") -> list[dict[str, Any]]:
    page = (await ask(site, "GET", query=query)).json()
    assert page["object"] == "list"
    return list(page["data"])


async def a_reminder(site: Site, **given: object) -> Answer:
    return await ask(site, "POST", body={"session": "k", "text": "Feed the cat.", **given})


async def test_an_approval_is_listed_and_decided() -> None:
    async with with_a_till() as site:
        told = await site.post(chat('[call pay {"amount": 3}]'), headers=KEY)
        [errand] = await listed(site)
        assert (
            f"[Approval {errand['id']} is needed: pay"
            in told.json()["choices"][0]["message"]["content"]
        )
        assert errand["session"] == "k"
        assert errand["what"]["kind"] == "approval"
        assert errand["what"]["tool"] == "pay"
        path = f"/{errand['id']}"
        assert (await ask(site, "GET", path)).json() == errand
        decided = await ask(site, "POST", f"{path}/decision", {"approves": True, "by": "Ada"})
        assert decided.json()["what"]["decision"]["by"] == "Ada"
        await trio.sleep(5)
        assert await listed(site) == []
        transcript = (await site.post(b"", method="GET", path="/v1/sessions/k/transcript")).json()
        said = [entry["message"]["content"] for entry in transcript["data"]]
        assert "paid 3" in said
        again = await ask(site, "POST", f"{path}/decision", {"approves": True})
    assert (again.status, again.error()["code"]) == (404, "errand_not_found")


async def test_a_reminder_is_made_listed_by_session_and_called_off() -> None:
    async with Site() as site:
        await site.post(chat("Hello"), headers=KEY)
        at = float(round(time.time()) + 1_000_000)
        made = (await a_reminder(site, at=at)).json()
        assert (made["what"], made["due_at"]) == (
            {"kind": "reminder", "text": "Feed the cat.", "cron": None}, at,
        )  # fmt: skip
        assert await listed(site, "session=k") == [made]
        assert await listed(site, "session=other") == []
        gone = await ask(site, "DELETE", f"/{made['id']}")
        assert gone.json() == {"id": made["id"], "object": "errand.deleted", "deleted": True}
        assert await listed(site) == []


async def test_they_are_listed_page_by_page() -> None:
    async with Site() as site:
        await site.post(chat("Hello"), headers=KEY)
        made = [(await a_reminder(site, cron="0 7 1 1 *")).json()["id"] for _ in range(3)]
        first = (await ask(site, "GET", query="limit=2")).json()
        rest = (await ask(site, "GET", query=f"limit=2&after={first['next']}")).json()
    assert [e["id"] for e in first["data"] + rest["data"]] == sorted(made)
    assert (first["has_more"], rest["has_more"], rest["next"]) == (True, False, None)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, None),
        ({"session": "k", "text": "x", "at": 1.0, "more": 1}, 400, None),
        ({"session": "k", "text": "x"}, 400, "at"),
        ({"session": "k", "text": "x", "cron": "daily"}, 400, "cron"),
        ({"session": "k", "text": " ", "at": 1.0}, 400, "text"),
        ({"session": "cron:x", "text": "x", "at": 1.0}, 400, "x-openclaw-session-key"),
        ({"session": "unknown", "text": "x", "at": 1.0}, 409, None),
    ],
)
async def test_what_is_no_reminder_is_refused_by_name(
    body: dict[str, object], status: int, param: str | None
) -> None:
    async with Site() as site:
        await site.post(chat("Hello"), headers=KEY)
        answer = await ask(site, "POST", body=body)
        assert await listed(site) == []
    assert (answer.status, answer.error()["param"]) == (status, param)


async def test_what_is_no_approval_cannot_be_decided() -> None:
    async with Site() as site:
        await site.post(chat("Hello"), headers=KEY)
        made = (await a_reminder(site, cron="0 7 1 1 *")).json()
        answer = await ask(site, "POST", f"/{made['id']}/decision", {"approves": True})
        wrong = await ask(site, "POST", f"/{made['id']}/decision", {"approves": "yes"})
        limit = await ask(site, "GET", query="limit=0")
    assert (answer.status, answer.error()["code"]) == (409, "errand_conflict")
    assert wrong.status == 400
    assert (limit.status, limit.error()["param"]) == (400, "limit")


async def test_a_stream_tells_what_happens_inside_where_that_is_asked_for() -> None:
    said = {**chat('[call pay {"amount": 3}]'), "stream": True}
    async with with_a_till() as site:
        plain = await site.post(said, headers=KEY)
        asked = {**KEY, "x-greenroom-events": "include"}
        told = await site.post(said, headers=asked)
        wrong = await site.post(said, headers=KEY | {"x-greenroom-events": "all"})
    assert all("greenroom" not in chunk for chunk in plain.chunks())
    inside = [chunk for chunk in told.chunks() if "greenroom" in chunk]
    assert all(chunk["choices"] == [] for chunk in inside)
    assert [chunk["greenroom"]["type"] for chunk in inside] == [
        "tool.started", "approval.needed", "tool.ended",
    ]  # fmt: skip
    assert inside[0]["greenroom"]["data"]["arguments"] == '{"amount": 3}'
    assert (wrong.status, wrong.error()["param"]) == (400, "x-greenroom-events")
