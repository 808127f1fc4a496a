"""Sessions over HTTP: listed, read, exported and changed, by whoever has the secret."""

import json
from typing import Any
from urllib.parse import quote

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.http.conftest import Answer, Site, chat, chunks_of, text_of
from tests.stores import a_store

IN_VIRTUAL_TIME = True

ROOT = "/v1/sessions"


async def say(site: Site, key: str, text: str = "[say Yes.]", **headers: str) -> Answer:
    answer = await site.post(chat(text), headers={"x-openclaw-session-key": key, **headers})
    assert answer.status == 200
    return answer


async def get(site: Site, key: str, rest: str = "", query: str = "") -> Any:
    path = f"{ROOT}/{quote(key, safe='')}{rest}"
    answer = await site.get(path, query=query)
    assert answer.status == 200, answer.body
    return answer.json()


async def test_sessions_are_for_callers_with_the_secret() -> None:
    async with Site() as site:
        for path in (ROOT, f"{ROOT}/k", f"{ROOT}/k/transcript"):
            assert (await site.get(path, token=None)).status == 401


async def test_they_are_listed_page_by_page_the_last_active_first(
    autojump_clock: MockClock,
) -> None:
    async with Site() as site:
        for key in ("a", "b", "c", "other"):
            await say(site, key)
            await trio.sleep(1)
        await say(site, "a")
        first = (await site.get(ROOT, query="limit=2")).json()
        assert [s["key"] for s in first["data"]] == ["a", "other"]
        assert first["has_more"]
        second = (await site.get(ROOT, query=f"limit=2&after={first['next']}")).json()
        assert [s["key"] for s in second["data"]] == ["c", "b"]
        narrowed = (await site.get(ROOT, query="prefix=oth&agent=main")).json()
        assert [s["key"] for s in narrowed["data"]] == ["other"]
        assert (await site.get(ROOT, query="agent=beta")).json()["data"] == []


async def test_stateless_turns_are_in_no_list() -> None:
    async with Site() as site:
        await site.post(chat())
        assert (await site.get(ROOT)).json()["data"] == []


async def test_one_tells_its_counts_and_where_it_was_forked() -> None:
    async with Site() as site:
        await say(site, "k")
        await say(site, "f", **{"x-greenroom-fork-from": "k"})
        session = await get(site, "k")
        fork = await get(site, "f")
    assert session["object"] == "session"
    assert (session["agent"], session["turns"], session["entries"]) == ("main", 1, 2)
    assert session["forked_from"] is None
    assert fork["forked_from"] == {"agent": "main", "key": "k", "seq": session["head"]}
    assert (fork["turns"], fork["entries"]) == (1, 4)


async def test_a_transcript_is_what_was_said_page_by_page() -> None:
    async with Site() as site:
        await say(site, "k", "[say One.]")
        await say(site, "k", "[say Two.]")
        whole = await get(site, "k", "/transcript")
        messages = [entry["message"] for entry in whole["data"]]
        assert messages == [
            {"role": "user", "content": "[say One.]"},
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": "[say Two.]"},
            {"role": "assistant", "content": "Two."},
        ]
        page = await get(site, "k", "/transcript", "limit=3")
        assert page["data"] == whole["data"][:3]
        rest = await get(site, "k", "/transcript", f"after={page['next']}")
        assert (rest["data"], rest["has_more"]) == (whole["data"][3:], False)


async def test_what_was_cut_is_shown_to_who_asks_for_it() -> None:
    async with Site() as site:
        await say(site, "k", "[say One.]")
        edited = [
            {"role": "user", "content": "[say One.]"},
            {"role": "assistant", "content": "Another."},
            {"role": "user", "content": "[say Two.]"},
        ]
        await site.post(
            {"model": "openclaw", "messages": edited}, headers={"x-openclaw-session-key": "k"}
        )
        shown = (await get(site, "k", "/transcript"))["data"]
        all_ = (await get(site, "k", "/transcript", "cut=true"))["data"]
    assert [e["message"]["content"] for e in shown] == [
        "[say One.]", "Another.", "[say Two.]", "Two.",
    ]  # fmt: skip
    assert [e["message"]["content"] for e in all_ if e["cut"] is not None] == ["One."]


@pytest.mark.parametrize("key", ["a/b", "agent:beta:x", "ключ %2F", "a?b#c", "..", "transcript"])
async def test_a_key_is_one_segment_whatever_is_in_it(key: str) -> None:
    async with Site() as site:
        await say(site, key) if key.isascii() else await say(site, quote(key))
        shown = await get(site, key if key.isascii() else quote(key))
    assert shown["agent"] == ("beta" if "beta" in key else "main")


async def test_a_running_turn_is_cancelled(autojump_clock: MockClock) -> None:
    async with Site() as site, trio.open_nursery() as nursery:
        call = site.call(
            chat("[say a b c][slow 5]", stream=True), headers={"x-openclaw-session-key": "k"}
        )
        nursery.start_soon(call.run)
        await trio.sleep(6)
        answer = await site.post(b"", path=f"{ROOT}/k/cancel")
        assert answer.json()["cancelled"] is True
        await call.over.wait()
        *chunks, error = chunks_of(call.body)
        assert text_of(chunks) == "a b"
        assert error["error"]["code"] == "turn_ended"
        again = await site.post(b"", path=f"{ROOT}/k/cancel")
        assert again.json()["cancelled"] is False
        transcript = await get(site, "k", "/transcript")
    assert transcript["data"][1]["message"]["interrupted"] is True


async def test_one_that_is_reset_begins_anew_and_one_that_is_deleted_is_gone() -> None:
    async with Site() as site:
        await say(site, "k")
        reset = await site.post(b"", path=f"{ROOT}/k/reset")
        assert (reset.status, reset.json()["entries"]) == (200, 0)
        assert (await get(site, "k", "/transcript"))["data"] == []
        deleted = await site.post(b"", method="DELETE", path=f"{ROOT}/k")
        assert (deleted.status, deleted.json()["deleted"]) == (200, True)
        gone = await site.get(f"{ROOT}/k")
        assert (gone.status, gone.error()["code"]) == (404, "session_not_found")
        await say(site, "k")
        assert (await get(site, "k"))["turns"] == 1


async def test_a_busy_one_is_neither_reset_nor_deleted(autojump_clock: MockClock) -> None:
    async with Site() as site, trio.open_nursery() as nursery:
        await say(site, "k")
        call = site.call(chat("[wait 9]"), headers={"x-openclaw-session-key": "k"})
        nursery.start_soon(call.run)
        await wait_all_tasks_blocked()
        for answer in (
            await site.post(b"", path=f"{ROOT}/k/reset"),
            await site.post(b"", method="DELETE", path=f"{ROOT}/k"),
        ):
            assert (answer.status, answer.error()["code"]) == (409, "session_busy")
            assert answer.headers["x-should-retry"] == "false"


async def test_an_export_makes_the_same_session_elsewhere() -> None:
    async with Site() as site:
        await say(site, "k", "[say One.]")
        await say(site, "k", "[say Two.]")
        exported = await site.get(f"{ROOT}/k/export")
        assert exported.headers["content-type"] == "application/jsonl; charset=utf-8"
        assert all(json.loads(line) for line in exported.body.splitlines())
        before = await get(site, "k", "/transcript")
        twice = await site.post(exported.body, path=ROOT)
        assert (twice.status, twice.error()["code"]) == (400, "invalid_export")
        made = await site.post(exported.body, path=ROOT, query="key=copy")
        assert (made.status, made.json()["key"]) == (201, "copy")
        assert await get(site, "copy", "/transcript") == before
        await say(site, "copy", "[say Three.]")
    async with Site() as other:
        assert (await other.post(exported.body, path=ROOT)).status == 201
        assert await get(other, "k", "/transcript") == before


@pytest.mark.parametrize("body", [b"", b"no JSON", b'{"type":"session"}', b"\xff\n"])
async def test_what_is_no_export_is_refused_and_makes_nothing(body: bytes) -> None:
    async with Site() as site:
        answer = await site.post(body, path=ROOT)
        assert (answer.status, answer.error()["code"]) == (400, "invalid_export")
        assert (await site.get(ROOT)).json()["data"] == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", ROOT, 405),
        ("POST", f"{ROOT}/k", 405),
        ("GET", f"{ROOT}/k/cancel", 405),
        ("GET", f"{ROOT}/k/nothing", 404),
        ("GET", f"{ROOT}/k/transcript/more", 404),
        ("GET", "/v1/sessionsx", 404),
    ],
)
async def test_what_there_is_not_is_told(method: str, path: str, status: int) -> None:
    async with Site() as site:
        await say(site, "k")
        answer = await site.post(b"", method=method, path=path)
    assert answer.status == status
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("path", "query", "param"),
    [
        (ROOT, "limit=0", "limit"),
        (ROOT, "limit=x", "limit"),
        (ROOT, "after=x", "after"),
        (ROOT, "active_since=yesterday", "active_since"),
        (f"{ROOT}/k/transcript", "limit=1001", "limit"),
        (f"{ROOT}/k/transcript", "after=-1", "after"),
        (f"{ROOT}/k/transcript", "cut=maybe", "cut"),
    ],
)
async def test_a_parameter_that_cannot_be_is_named(path: str, query: str, param: str) -> None:
    async with Site() as site:
        await say(site, "k")
        answer = await site.get(path, query=query)
    assert (answer.status, answer.error()["param"]) == (400, param)


async def test_one_of_an_agent_that_is_gone_can_be_read_exported_and_deleted() -> None:
    store = a_store()
    async with Site(store=store) as site:
        await say(site, "k")
        exported = (await site.get(f"{ROOT}/k/export")).body
    theirs = exported.replace(b'"agent":"main"', b'"agent":"gone"', 1)
    async with Site(store=store) as site:
        assert (await site.post(theirs, path=ROOT)).status == 201
        for path in (f"{ROOT}/k", f"{ROOT}/k/transcript", f"{ROOT}/k/export"):
            assert (await site.get(path, query="agent=gone")).status == 200
        reset = await site.post(b"", path=f"{ROOT}/k/reset", query="agent=gone")
        assert (reset.status, reset.error()["code"]) == (409, "agent_not_found")
        gone = await site.post(b"", method="DELETE", path=f"{ROOT}/k", query="agent=gone")
        assert gone.status == 200
        assert (await site.get(f"{ROOT}/k", query="agent=gone")).status == 404
        assert (await site.get(f"{ROOT}/k")).status == 200


async def test_what_a_request_pins_is_told_in_the_transcript() -> None:
    async with Site() as site:
        await say(site, "k", "[say Yes.]", **{"x-greenroom-pin": "true"})
        shown = (await get(site, "k", "/transcript"))["data"]
    assert shown[0]["message"]["pinned"] is True
