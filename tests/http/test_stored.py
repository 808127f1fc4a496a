"""Stored completions: found, paged, annotated and deleted by their ids, whichever session has them."""

from typing import Any

import msgspec
import pytest

from tests.http.conftest import GATEWAY, PATH, Answer, Site, chat

KEY = {"x-openclaw-session-key": "k"}


async def ask(site: Site, text: str = "[say Yes.]", /, **fields: Any) -> dict[str, Any]:
    """Have an answer kept; return it as its client got it."""
    answer = await site.post(chat(text, store=True, **fields))
    assert answer.status == 200, answer.body
    told: dict[str, Any] = answer.json()
    return told


async def get(site: Site, rest: str = "", query: str = "") -> Any:
    answer = await site.get(PATH + rest, query=query)
    assert answer.status == 200, answer.body
    return answer.json()


async def change(site: Site, id_: str, body: object) -> Answer:
    return await site.post(body, path=f"{PATH}/{id_}")


async def test_what_is_stored_is_told_again_as_it_was() -> None:
    async with Site() as site:
        told = await ask(site, metadata={"of": "us"})
        assert await get(site, f"/{told['id']}") == told | {"metadata": {"of": "us"}}


async def test_a_stream_is_stored_as_well() -> None:
    async with Site() as site:
        answer = await site.post(chat("[say Yes.]", store=True, stream=True))
        id_ = answer.chunks()[0]["id"]
        stored = await get(site, f"/{id_}")
    assert stored["object"] == "chat.completion"
    assert stored["choices"][0]["message"]["content"] == "Yes."
    assert stored["metadata"] == {}


async def test_an_answer_of_a_session_is_stored_and_one_of_nothing_is_not() -> None:
    async with Site() as site:
        kept = (await site.post(chat(), headers=KEY)).json()
        gone = (await site.post(chat())).json()
        assert (await get(site, f"/{kept['id']}"))["id"] == kept["id"]
        assert (await site.get(f"{PATH}/{gone['id']}")).status == 404


async def test_each_that_is_stored_has_a_session_of_its_own() -> None:
    async with Site() as site:
        await ask(site, "[say One.]")
        second = await ask(site, "[say Two.]")
        messages = await get(site, f"/{second['id']}/messages")
    assert [message["content"] for message in messages["data"]] == ["[say Two.]"]


async def test_they_are_listed_page_by_page_by_model_and_by_metadata() -> None:
    async with Site() as site:
        ids = [(await ask(site, metadata={"n": str(n)}))["id"] for n in range(3)]
        other = (await ask(site, model="openclaw:beta", metadata={"n": "0"}))["id"]
        page = await get(site, query="limit=2")
        assert (page["object"], page["has_more"]) == ("list", True)
        assert [c["id"] for c in page["data"]] == ids[:2]
        assert (page["first_id"], page["last_id"]) == (ids[0], ids[1])
        rest = await get(site, query=f"limit=2&after={ids[1]}")
        assert ([c["id"] for c in rest["data"]], rest["has_more"]) == ([ids[2], other], False)
        latest = await get(site, query="order=desc&limit=1")
        assert [c["id"] for c in latest["data"]] == [other]
        of_model = await get(site, query="model=openclaw:beta")
        assert [c["id"] for c in of_model["data"]] == [other]
        noted = await get(site, query="metadata[n]=0&model=openclaw")
        assert [c["id"] for c in noted["data"]] == ids[:1]
        nothing = await get(site, query="metadata[n]=9")
    assert nothing == {
        "object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False,
    }  # fmt: skip


async def test_its_messages_are_those_that_it_was_asked_for_with() -> None:
    parts = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    sent = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": parts, "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    async with Site() as site:
        id_ = (await ask(site, messages=sent))["id"]
        whole = await get(site, f"/{id_}/messages")
        first = await get(site, f"/{id_}/messages", "limit=2")
        rest = await get(site, f"/{id_}/messages", f"after={first['last_id']}")
        turned = await get(site, f"/{id_}/messages", "order=desc&limit=1")
        unknown = await site.get(f"{PATH}/{id_}/messages", query="after=x")
    user, assistant, tool = whole["data"]
    assert user == {
        "id": f"{id_}-0",
        "role": "user",
        "content": "Look:",
        "content_parts": parts,
        "name": "Ann",
    }
    assert (assistant["role"], assistant["tool_calls"]) == ("assistant", [call])
    assert (tool["role"], tool["tool_call_id"], tool["content"]) == ("tool", "c1", "done")
    assert ([m["id"] for m in first["data"]], first["has_more"]) == ([f"{id_}-0", f"{id_}-1"], True)
    assert rest["data"] == [tool]
    assert turned["data"] == [tool]
    assert (unknown.status, unknown.error()["param"]) == (400, "after")


async def test_its_metadata_can_be_changed_and_taken_away() -> None:
    async with Site() as site:
        id_ = (await ask(site, metadata={"a": "b"}))["id"]
        changed = await change(site, id_, {"metadata": {"c": "d"}})
        assert (changed.status, changed.json()["metadata"]) == (200, {"c": "d"})
        assert (await get(site, f"/{id_}"))["metadata"] == {"c": "d"}
        assert (await get(site, query="metadata[a]=b"))["data"] == []
        assert (await change(site, id_, {"metadata": None})).json()["metadata"] == {}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
        ({"metadata": {"a" * 65: "b"}}, "metadata"),
        ({"metadata": {"a": "b" * 513}}, "metadata.a"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ([], None),
    ],
)
async def test_metadata_that_the_api_does_not_have_are_refused(
    body: object, param: str | None
) -> None:
    async with Site() as site:
        id_ = (await ask(site))["id"]
        answer = await change(site, id_, body)
    assert (answer.status, answer.error()["param"]) == (400, param)


@pytest.mark.parametrize("query", ["metadata[]=a", "metadata=a", "metadata[a=b", "metadata[a]b=c"])
async def test_a_half_written_pair_is_refused(query: str) -> None:
    async with Site() as site:
        answer = await site.get(PATH, query=query)
    assert (answer.status, answer.error()["param"]) == (400, "metadata")


async def test_one_is_deleted_with_the_session_that_is_its_own() -> None:
    async with Site() as site:
        id_ = (await ask(site))["id"]
        gone = await site.post(b"", method="DELETE", path=f"{PATH}/{id_}")
        assert (gone.status, gone.json()) == (
            200,
            {"object": "chat.completion.deleted", "id": id_, "deleted": True},
        )
        assert (await site.get(f"{PATH}/{id_}")).status == 404
        assert (await site.get("/v1/sessions")).json()["data"] == []
        again = await site.post(b"", method="DELETE", path=f"{PATH}/{id_}")
    assert (again.status, again.error()["code"]) == (404, "completion_not_found")


async def test_a_part_of_a_session_goes_with_that_alone() -> None:
    async with Site() as site:
        id_ = (await site.post(chat(), headers=KEY)).json()["id"]
        answer = await site.post(b"", method="DELETE", path=f"{PATH}/{id_}")
        assert (answer.status, answer.error()["code"]) == (409, "completion_in_session")
        assert "'k'" in (answer.error()["message"] or "")
        assert answer.headers["x-should-retry"] == "false"
        assert (await site.get(f"{PATH}/{id_}")).status == 200


@pytest.mark.parametrize(
    "id_", ["chatcmpl-none", "none", "chatcmpl-", "resp_1", "chatcmpl-%00", "%ff", "chatcmpl-ä"]
)
async def test_what_is_not_there_is_a_404_that_names_it(id_: str) -> None:
    async with Site() as site:
        for method in ("GET", "DELETE"):
            answer = await site.post(b"", method=method, path=f"{PATH}/{id_}")
            assert (answer.status, answer.error()["code"]) == (404, "completion_not_found")
            assert answer.error()["param"] == "completion_id"
        assert (await change(site, id_, {"metadata": {}})).status == 404
        assert (await site.get(f"{PATH}/{id_}/messages")).status == 404


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=nan", "limit"),
        ("order=up", "order"),
        ("after=chatcmpl-none", "after"),
        ("after=x", "after"),
    ],
)
async def test_a_query_is_checked_by_name(query: str, param: str) -> None:
    async with Site() as site:
        answer = await site.get(PATH, query=query)
    assert (answer.status, answer.error()["param"]) == (400, param)


@pytest.mark.parametrize(
    ("method", "rest", "allowed"),
    [
        ("PUT", "", "GET, POST"),
        ("PATCH", "/chatcmpl-x", "GET, POST, DELETE"),
        ("POST", "/chatcmpl-x/messages", "GET"),
    ],
)
async def test_another_method_is_told_those_that_are_allowed(
    method: str, rest: str, allowed: str
) -> None:
    async with Site() as site:
        answer = await site.post(b"", method=method, path=PATH + rest)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("rest", ["/", "/x/", "/x/y", "/x/messages/y", "//messages"])
async def test_other_paths_below_are_not_there(rest: str) -> None:
    async with Site() as site:
        answer = await site.get(PATH + rest)
    assert (answer.status, answer.error()["code"]) == (404, "unknown_url")


async def test_they_are_for_callers_with_the_secret_and_off_with_the_endpoint() -> None:
    async with Site() as site:
        for path in (PATH, f"{PATH}/chatcmpl-x", f"{PATH}/chatcmpl-x/messages"):
            assert (await site.get(path, token=None)).status == 401
    async with Site(gateway=msgspec.structs.replace(GATEWAY, chat_completions=False)) as site:
        assert (await site.get(PATH)).status == 404
