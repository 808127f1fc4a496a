"""Conversations are sessions, and their items what was said, however it was said."""

from typing import Any
from urllib.parse import quote

import pytest
import trio

from greenroom.actors.entries import SummaryEntry
from greenroom.actors.stores.records import Fence, SessionName
from tests.conftest import PlayedChannel
from tests.http.conftest import Answer, Site, chat
from tests.http.responses.conftest import CONVERSATIONS, SERVING, SLOW, create, get, told
from tests.stores import a_store

IN_VIRTUAL_TIME = True


def site_of(*plays: Any, **rest: Any) -> Site:
    return Site(PlayedChannel(*plays), gateway=SERVING, **rest)


def message(text: str, role: str = "user") -> dict[str, str]:
    return {"role": role, "content": text}


async def make(site: Site, *items: Any, **fields: Any) -> str:
    answer = await site.post({"items": list(items), **fields}, path=CONVERSATIONS)
    assert answer.status == 200, answer.body
    id_: str = answer.json()["id"]
    return id_


async def add(site: Site, id_: str, *items: Any) -> Answer:
    return await site.post({"items": list(items)}, path=f"{CONVERSATIONS}/{id_}/items")


async def items_of(site: Site, id_: str, **query: object) -> list[Any]:
    """All items, read page by page, of which each but the last has to be full."""
    found: list[Any] = []
    after = ""
    while True:
        asked = {"order": "asc", **query} | ({"after": after} if after else {})
        text = "&".join(f"{name}={quote(str(value))}" for name, value in asked.items())
        page = await get(site, f"{CONVERSATIONS}/{id_}/items", text)
        found += page["data"]
        ids = [item["id"] for item in page["data"]]
        assert (page["first_id"], page["last_id"]) == ((ids or [None])[0], (ids or [None])[-1])
        if not page["has_more"]:
            return found
        assert len(ids) == int(str(query.get("limit", 20)))
        after = ids[-1]


def texts(items: list[Any]) -> list[str]:
    return [item["content"][0]["text"] for item in items]


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_a_long_one_is_listed_page_by_page_both_ways(limit: int) -> None:
    said = [str(number) for number in range(65)]
    async with site_of() as site:
        id_ = await make(site)
        for first in range(0, len(said), 20):
            await add(site, id_, *map(message, said[first : first + 20]))
        await create(site, "last", conversation=id_)
        upwards = await items_of(site, id_, limit=limit)
        assert texts(upwards) == [*said, "last", "Yes."]
        downwards = await items_of(site, id_, limit=limit, order="desc")
        assert downwards == upwards[::-1]


async def test_an_empty_one_has_an_empty_list() -> None:
    async with site_of() as site:
        assert await items_of(site, await make(site)) == []


async def test_an_entry_of_several_items_may_lie_on_two_pages() -> None:
    calls = [
        {"type": "function_call", "call_id": f"c{n}", "name": "look", "arguments": "{}"}
        for n in range(3)
    ]
    outputs = [
        {"type": "function_call_output", "call_id": f"c{n}", "output": "a door"} for n in range(3)
    ]
    async with site_of() as site:
        id_ = await make(site, message("a"), message("I look.", "assistant"), *calls, *outputs)
        upwards = await items_of(site, id_, limit=2)
        assert [item["type"] for item in upwards] == [
            "message", "message", *["function_call"] * 3, *["function_call_output"] * 3
        ]  # fmt: skip
        assert [item.get("call_id") for item in upwards[2:]] == ["c0", "c1", "c2"] * 2
        assert await items_of(site, id_, limit=3, order="desc") == upwards[::-1]
        for item in upwards:
            assert await get(site, f"{CONVERSATIONS}/{id_}/items/{item['id']}") == item


async def test_a_summary_is_no_item_and_changes_no_ids() -> None:
    store = a_store()
    async with site_of(store=store) as site:
        id_ = await make(site)
        await create(site, "a", conversation=id_)
        before = await items_of(site, id_)
    name = SessionName("main", id_)
    state = await store.load(name)
    assert state is not None
    [*_, last] = state.entries
    summary = SummaryEntry("They talked.")
    fence = Fence(state.fence.epoch, state.fence.head)
    await store.compact(name, fence, last.turn, summary, last.seq)
    async with site_of(store=store) as site:
        for order in ("asc", "desc"):
            after = await items_of(site, id_, order=order)
            assert sorted(after, key=str) == sorted(before, key=str)


async def test_ids_stay_when_what_follows_is_taken_out() -> None:
    async with site_of() as site:
        id_ = await make(site, message("A.", "assistant"), message("b"))
        first, second = await items_of(site, id_)
        path = f"{CONVERSATIONS}/{id_}/items/{second['id']}"
        assert (await site.post(b"", method="DELETE", path=path)).json()["id"] == id_
        assert await items_of(site, id_) == [first]
        assert told(await site.get(path)) == (404, "item_id", "item_not_found")


@pytest.mark.parametrize(
    "item", ["", "x", "msg_1", "msg_" + "0" * 24, "msg_" + "0" * 24 + "s3", "rs_" + "0" * 24]
)
async def test_an_item_that_is_none_is_not_found(item: str) -> None:
    async with site_of() as site:
        id_ = await make(site, message("a"))
        path = f"{CONVERSATIONS}/{id_}/items"
        if item:
            assert told(await site.get(f"{path}/{item}"))[0] == 404
            answer = await site.get(path, query=f"after={item}")
            assert told(answer) == (404, "after", "item_not_found")


async def test_a_session_of_another_api_is_no_conversation_and_one_here_is_a_session() -> None:
    async with site_of() as site:
        await site.post(chat(), headers={"x-openclaw-session-key": "k"})
        assert told(await site.get(f"{CONVERSATIONS}/k"))[0] == 404
        id_ = await make(site, message("a"), metadata={"m": "1"})
        session = await get(site, f"/v1/sessions/{id_}")
        assert (session["agent"], session["entries"]) == ("main", 1)


async def test_items_that_do_not_fit_leave_no_conversation() -> None:
    output = {"type": "function_call_output", "call_id": "c", "output": "a door"}
    async with site_of() as site:
        answer = await site.post({"items": [output]}, path=CONVERSATIONS)
        assert told(answer)[:2] == (400, "items[0].call_id")
        assert (await get(site, "/v1/sessions"))["data"] == []


async def test_a_call_may_wait_for_its_output() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "a door"}
    async with site_of() as site:
        id_ = await make(site, message("a"), call)
        assert (await add(site, id_, output)).status == 200
        assert [item["type"] for item in await items_of(site, id_)] == [
            "message", "function_call", "function_call_output"
        ]  # fmt: skip


async def test_one_with_a_response_in_progress_is_not_changed() -> None:
    async with site_of(SLOW) as site:
        id_ = await make(site)
        await create(site, background=True, conversation=id_)
        await trio.sleep(1)
        path = f"{CONVERSATIONS}/{id_}"
        answers = [
            await site.post(b"", method="DELETE", path=path),
            await add(site, id_, message("a")),
            await site.post({"metadata": {}}, path=path),
        ]
        assert [told(answer)[::2] for answer in answers] == [(409, "session_busy")] * 3
        await trio.sleep(20)
        assert (await site.post(b"", method="DELETE", path=path)).status == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"items": []}, "items"),
        ({}, "items"),
        ({"items": [{"type": "reasoning", "summary": [{"text": "Hm."}]}]}, "items"),
        ({"items": [message("x")] * 21}, "items"),
        ({"items": [{"type": "item_reference", "id": "msg_1"}]}, "items[0].id"),
        ({"items": [{"role": "user"}]}, "items[0].content"),
    ],
)
async def test_items_that_cannot_be_added_are_named(body: Any, param: str) -> None:
    async with site_of() as site:
        id_ = await make(site)
        answer = await site.post(body, path=f"{CONVERSATIONS}/{id_}/items")
        assert told(answer)[1] == param
        assert await items_of(site, id_) == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("order=up", "order"),
        ("include[]=nothing", "include[0]"),
        ("include=message.output_text.logprobs", "include[0]"),
    ],
)
async def test_parameters_that_are_none_are_named(query: str, param: str) -> None:
    async with site_of() as site:
        id_ = await make(site)
        assert told(await site.get(f"{CONVERSATIONS}/{id_}/items", query=query))[:2] == (400, param)


async def test_an_update_says_which_metadata() -> None:
    async with site_of() as site:
        id_ = await make(site, metadata={"a": "b"})
        path = f"{CONVERSATIONS}/{id_}"
        assert told(await site.post({}, path=path))[:2] == (400, "metadata")
        assert (await site.post({"metadata": None}, path=path)).json()["metadata"] == {}


async def test_a_body_may_be_left_out() -> None:
    async with site_of() as site:
        answer = await site.post(b"", path=CONVERSATIONS)
        assert (answer.status, answer.json()["metadata"]) == (200, {})
