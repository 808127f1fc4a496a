"""A response from its acceptance to its end, for whoever waits, joins, comes late, or leaves."""

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import (
    AnnotationsDelta,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.settings import SessionLimits
from greenroom.actors.stores.records import Retention
from tests.conftest import PlayedChannel, words
from tests.http.conftest import PATH, Site, chat, house_settings
from tests.http.responses.conftest import (
    CONVERSATIONS,
    END,
    LOOK,
    ROOT,
    SERVING,
    SLOW,
    asked,
    create,
    error,
    events_of,
    get,
    kinds_of,
    said,
    told,
)
from tests.stores import Disk, a_store

IN_VIRTUAL_TIME = True

FAULT = TurnFailed.of(FailureKind.UPSTREAM_ERROR, "It broke.")


def site_of(*plays: Any, **rest: Any) -> Site:
    return Site(PlayedChannel(*plays), gateway=SERVING, **rest)


# Off, or asked for in a wrong way


async def test_it_is_served_where_it_is_switched_on_only() -> None:
    async with Site() as site:
        for path in (ROOT, CONVERSATIONS, f"{ROOT}/resp_1"):
            assert (await site.post(asked(), path=path)).status == 404


async def test_it_is_for_callers_with_the_secret() -> None:
    async with site_of() as site:
        for path in (ROOT, CONVERSATIONS):
            assert (await site.post(asked(), path=path, token=None)).status == 401
            assert (await site.get(f"{path}/x", token="wrong")).status == 401


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", ROOT, "POST"),
        ("PUT", f"{ROOT}/resp_1", "GET, DELETE"),
        ("GET", f"{ROOT}/resp_1/cancel", "POST"),
        ("POST", f"{ROOT}/resp_1/input_items", "GET"),
        ("GET", CONVERSATIONS, "POST"),
        ("PUT", f"{CONVERSATIONS}/x", "GET, POST, DELETE"),
        ("DELETE", f"{CONVERSATIONS}/x/items", "GET, POST"),
        ("POST", f"{CONVERSATIONS}/x/items/y", "GET, DELETE"),
    ],
)
async def test_another_method_is_told_which_there_are(method: str, path: str, allowed: str) -> None:
    async with site_of() as site:
        answer = await site.post({}, method=method, path=path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path",
    [
        f"{ROOT}/compact",
        f"{ROOT}/input_tokens",
        f"{ROOT}/resp_1/other",
        f"{ROOT}/resp_1/cancel/more",
        f"{CONVERSATIONS}/x/other",
        f"{CONVERSATIONS}/x/items/y/z",
    ],
)
async def test_what_is_not_served_is_unknown(path: str) -> None:
    async with site_of() as site:
        assert told(await site.post({}, path=path)) == (404, None, "unknown_url")


# Whole, or as events


async def test_every_kind_of_output_has_its_items_and_its_events() -> None:
    play = (
        (ReasoningDelta("Let me "), ReasoningDelta("see.")),
        (TextDelta("I look."),),
        (ToolCallStart(0, "c1", "look"), ToolCallArguments(0, '{"a"'), ToolCallArguments(0, ":1}")),
        (ToolCallStart(1, "c2", "run", custom=True), ToolCallArguments(1, "ls")),
        (Finish(FinishReason.TOOL_CALLS), Usage(prompt=9, completion=7, cached=4, reasoning=2)),
    )
    tools = [LOOK, {"type": "custom", "name": "run"}]
    async with site_of(play) as site:
        whole = await create(site, tools=tools)
        streamed = await site.post(asked(tools=tools, stream=True), path=ROOT)
    thought, text, call, custom = whole["output"]
    assert (thought["type"], thought["summary"]) == ("reasoning", [])
    assert thought["content"] == [{"type": "reasoning_text", "text": "Let me see."}]
    assert text["content"][0]["text"] == "I look."
    assert (call["call_id"], call["name"], call["arguments"]) == ("c1", "look", '{"a":1}')
    assert (custom["type"], custom["call_id"], custom["input"]) == ("custom_tool_call", "c2", "ls")
    assert whole["usage"] == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 16,
    }
    events = events_of(streamed.body)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == events[-1]["response"]["output"]
    assert kinds_of(streamed.body)[2:9] == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
    ]
    # The same but for ids and times.
    assert [{**item, "id": ""} for item in done] == [{**item, "id": ""} for item in whole["output"]]


async def test_thinking_is_a_summary_for_who_asks_for_one() -> None:
    async with site_of(((ReasoningDelta("Hm."),), (TextDelta("Yes."),), END)) as site:
        fields: dict[str, Any] = {"reasoning": {"summary": "auto"}}
        whole = await create(site, **fields)
        streamed = await site.post(asked(stream=True, **fields), path=ROOT)
    assert whole["output"][0]["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert "content" not in whole["output"][0]
    assert kinds_of(streamed.body)[3:7] == [
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
    ]


async def test_what_a_text_cites_is_told_in_the_words_of_this_api() -> None:
    cited = b'[{"type":"url_citation","url_citation":{"url":"https://h","title":"H"}},{"type":5}]'
    play = ((TextDelta("Yes."), AnnotationsDelta(cited)), END)
    async with site_of(play) as site:
        whole = await create(site)
        assert await get(site, f"{ROOT}/{whole['id']}") == whole
        streamed = await site.post(asked(stream=True), path=ROOT)
    told = [{"type": "url_citation", "url": "https://h", "title": "H"}, {"type": 5}]
    assert whole["output"][0]["content"][0]["annotations"] == told
    added = [event for event in events_of(streamed.body) if "annotation" in event]
    assert [event["annotation"] for event in added] == told
    assert [event["annotation_index"] for event in added] == [0, 1]
    assert {event["type"] for event in added} == {"response.output_text.annotation.added"}


async def test_a_refusal_is_a_part_of_its_own() -> None:
    async with site_of(((RefusalDelta("No."),), END)) as site:
        whole = await create(site)
        streamed = await site.post(asked(stream=True), path=ROOT)
    assert whole["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert kinds_of(streamed.body)[4:6] == ["refusal.delta", "refusal.done"]


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        (FinishReason.LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (FinishReason.CONTENT_FILTER, "incomplete", {"reason": "content_filter"}),
        (FinishReason.STOP, "completed", None),
    ],
)
async def test_how_an_answer_ended(reason: FinishReason, status: str, why: object) -> None:
    async with site_of(((TextDelta("Yes."),), (Finish(reason), Usage(3, 2)))) as site:
        response = await create(site)
        assert (response["status"], response["incomplete_details"]) == (status, why)
        assert (response["completed_at"] is None) is (status != "completed")
        assert response["output"][0]["status"] == status
        assert await get(site, f"{ROOT}/{response['id']}") == response


async def test_a_silent_stream_is_kept_open_by_comments() -> None:
    async with site_of((40.0, *words("Yes."))) as site:
        call = site.call(asked(stream=True), path=ROOT)
        await call.run()
    assert call.begun_at is not None
    assert b": keep-alive\n\n" in call.body
    assert kinds_of(call.body)[0] == "created"
    assert kinds_of(call.body)[-1] == "completed"


async def test_an_early_failure_is_a_status_a_late_one_the_last_event() -> None:
    async with site_of((FAULT,), ((TextDelta("One "),), FAULT)) as site:
        assert (await error(site, stream=True))[0] == 502
        answer = await site.post(asked(stream=True), path=ROOT)
        last = events_of(answer.body)[-1]
        assert last["type"] == "response.failed"
        response = last["response"]
        assert response["status"] == "failed"
        assert response["error"]["code"] == "server_error"
        assert "It broke." in response["error"]["message"]
        assert [item["status"] for item in response["output"]] == ["incomplete"]
        assert await get(site, f"{ROOT}/{response['id']}") == response


async def test_where_the_store_fails_the_stream_does_and_nothing_is_said_of_the_response() -> None:
    disk = Disk()
    async with site_of(SLOW, store=a_store(disk.watch)) as site, trio.open_nursery() as nursery:
        call = site.call(asked(stream=True), path=ROOT)
        nursery.start_soon(call.run)
        await trio.sleep(1)
        disk.is_full = True
        await call.over.wait()
    last = events_of(call.body)[-1]
    assert last["type"] == "error"
    assert (last["code"], last["param"]) == ("store_unavailable", None)
    assert last["sequence_number"] == len(events_of(call.body)) - 1


# Leaving, joining, coming late


async def test_who_leaves_ends_the_response_unless_it_is_in_the_background(
    nursery: trio.Nursery,
) -> None:
    async with site_of(SLOW) as site:
        ids: list[str] = []
        for background in (False, True):
            call = site.call(asked(stream=True, background=background), path=ROOT)
            nursery.start_soon(call.run)
            await trio.sleep(1)
            call.leave()
            await trio.sleep(1)
            ids.append(events_of(call.body)[0]["response"]["id"])
        left, stays = [await get(site, f"{ROOT}/{id_}") for id_ in ids]
        assert (left["status"], left["error"]) == ("cancelled", None)
        assert (stays["status"], said(stays)) == ("in_progress", "One ")
        await trio.sleep(20)
        assert said(await get(site, f"{ROOT}/{ids[1]}")) == "One two."


async def test_all_hear_the_same_whenever_they_come(nursery: trio.Nursery) -> None:
    async with site_of(SLOW) as site:
        first = site.call(asked(stream=True, background=True), path=ROOT)
        nursery.start_soon(first.run)
        await trio.sleep(1)
        id_ = events_of(first.body)[0]["response"]["id"]
        joined = site.call(b"", method="GET", path=f"{ROOT}/{id_}", query="stream=true")
        nursery.start_soon(joined.run)
        await wait_all_tasks_blocked()
        assert joined.body == first.body
        await first.over.wait()
        await joined.over.wait()
        late = await site.get(f"{ROOT}/{id_}", query="stream=true")
        assert first.body == joined.body == late.body
        frames = late.body.split(b"\n\n")
        for number in (0, 4, len(frames) - 2):
            rest = await site.get(f"{ROOT}/{id_}", query=f"stream=true&starting_after={number}")
            assert rest.body == b"\n\n".join(frames[number + 1 :])


async def test_a_joined_response_is_heard_behind_an_event(nursery: trio.Nursery) -> None:
    async with site_of(SLOW) as site:
        response = await create(site, background=True)
        await trio.sleep(1)
        query = "stream=true&starting_after=5"
        call = site.call(b"", method="GET", path=f"{ROOT}/{response['id']}", query=query)
        nursery.start_soon(call.run)
        await call.over.wait()
    assert events_of(call.body)[0]["sequence_number"] == 6


async def test_what_was_streamed_is_kept_for_a_while_and_the_response_longer() -> None:
    store = a_store()
    called = (Finish(FinishReason.TOOL_CALLS), Usage(3, 2))
    play = ((ReasoningDelta("Hm."), TextDelta("Yes.")), (ToolCallStart(0, "c", "look"),), called)
    async with site_of(play, store=store) as site:
        response = await create(site, tools=[LOOK])
        await store.retain(Retention(replay=0.0), response["created_at"] + 60)
        kept = await get(site, f"{ROOT}/{response['id']}")
        answer = await site.get(f"{ROOT}/{response['id']}", query="stream=true")
    assert kept == response | {"output": response["output"][1:]}
    assert told(answer) == (409, None, "replay_expired")


async def test_the_same_request_again_is_the_same_response(nursery: trio.Nursery) -> None:
    key = {"idempotency-key": "mine"}
    async with site_of(SLOW) as site:
        first = site.call(asked(stream=True), path=ROOT, headers=key)
        nursery.start_soon(first.run)
        await trio.sleep(1)
        again = await site.post(asked(stream=True), path=ROOT, headers=key)
        assert again.body == first.body
        behind = {**key, "x-greenroom-starting-after": "4"}
        rest = await site.post(asked(stream=True), path=ROOT, headers=behind)
        assert rest.body == b"\n\n".join(first.body.split(b"\n\n")[5:])
        other = await site.post(asked("Other"), path=ROOT, headers=key)
        assert told(other)[::2] == (409, "idempotency_key_reused")


async def test_one_in_the_background_that_is_asked_for_again_is_as_it_is_by_then() -> None:
    key = {"idempotency-key": "mine"}
    async with site_of(SLOW) as site:
        body = asked(background=True)
        first = (await site.post(body, path=ROOT, headers=key)).json()
        await trio.sleep(1)
        second = (await site.post(body, path=ROOT, headers=key)).json()
        await trio.sleep(20)
        third = (await site.post(body, path=ROOT, headers=key)).json()
    assert first["id"] == second["id"] == third["id"]
    assert [one["status"] for one in (first, second, third)] == [
        "queued",
        "in_progress",
        "completed",
    ]


@pytest.mark.parametrize("goes_on", [False, True])
async def test_what_an_sdk_sends_again_is_one_response(
    nursery: trio.Nursery, goes_on: bool
) -> None:
    again = {"x-stainless-retry-count": "1"}
    async with site_of(SLOW) as site:
        on = {"previous_response_id": (await create(site))["id"]} if goes_on else {}
        body = asked("Once", stream=True, **on)
        first = site.call(body, path=ROOT, headers={"x-stainless-retry-count": "0"})
        nursery.start_soon(first.run)
        await trio.sleep(1)
        joined = await site.post(body, path=ROOT, headers=again)
        late = await site.post(body, path=ROOT, headers=again)
        assert joined.body == first.body == late.body
        fresh = await site.post(body, path=ROOT)
        assert fresh.body != first.body
        turns = [one["turns"] for one in (await get(site, "/v1/sessions"))["data"]]
        assert sum(turns) == (3 if goes_on else 2)


async def test_a_response_of_another_api_is_none() -> None:
    async with site_of() as site:
        answer = await site.post(chat(), path=PATH, headers={"x-openclaw-session-key": "k"})
        turn = answer.headers["x-greenroom-turn"]
        assert told(await site.get(f"{ROOT}/resp_{turn}"))[0] == 404


# Cancelled, deleted


@pytest.mark.parametrize("waits", [False, True])
async def test_one_is_cancelled_while_it_runs_or_waits(waits: bool) -> None:
    async with site_of(SLOW) as site:
        fields: dict[str, Any] = {"background": True}
        if waits:
            fields["previous_response_id"] = (await create(site, background=True))["id"]
        response = await create(site, **fields)
        await trio.sleep(1)
        path = f"{ROOT}/{response['id']}"
        cancelled = (await site.post(b"", path=f"{path}/cancel")).json()
        assert (cancelled["status"], cancelled["error"]) == ("cancelled", None)
        assert said(cancelled) == ("" if waits else "One ")
        assert await get(site, path) == cancelled
        assert (await site.post(b"", path=f"{path}/cancel")).json() == cancelled


async def test_one_in_progress_is_not_deleted() -> None:
    async with site_of(SLOW) as site:
        response = await create(site, background=True)
        path = f"{ROOT}/{response['id']}"
        refused = await site.post(b"", method="DELETE", path=path)
        assert told(refused) == (409, "response_id", "response_in_progress")
        await trio.sleep(20)
        deleted = await site.post(b"", method="DELETE", path=path)
        assert deleted.json() == {"id": response["id"], "object": "response", "deleted": True}
        assert told(await site.get(path)) == (404, "response_id", "response_not_found")


async def test_with_the_last_response_its_session_goes() -> None:
    async with site_of() as site:
        first = await create(site)
        second = await create(site, previous_response_id=first["id"])
        for response, left in ((first, 1), (second, 0)):
            await site.post(b"", method="DELETE", path=f"{ROOT}/{response['id']}")
            assert len((await get(site, "/v1/sessions"))["data"]) == left


async def test_a_session_of_responses_stays_for_thirty_days_after_the_last() -> None:
    store, days = a_store(), 86_400.0
    async with site_of(store=store) as site:
        first = await create(site)
        made = (await site.post({}, path=CONVERSATIONS)).json()["id"]
        named = await create(site, user="ann")
        second = await create(site, previous_response_id=first["id"])
        branch = await create(site, previous_response_id=first["id"])
        begun = second["created_at"]
        await store.retain(Retention(), begun + 29 * days)
        assert await get(site, f"{ROOT}/{first['id']}") == first
        await store.retain(Retention(), begun + 31 * days)
        for response in (first, second, branch):
            assert (await site.get(f"{ROOT}/{response['id']}")).status == 404
        assert (await get(site, f"{ROOT}/{named['id']}"))["id"] == named["id"]
        assert (await get(site, f"{CONVERSATIONS}/{made}"))["id"] == made


# Going on


async def test_only_the_last_is_gone_on_from_in_its_session_and_others_fork_it() -> None:
    async with site_of() as site:
        first = await create(site)
        for _ in range(2):
            await create(site, previous_response_id=first["id"])
        sessions = (await get(site, "/v1/sessions"))["data"]
        assert sorted(session["turns"] for session in sessions) == [1, 2]
        assert sorted(session["entries"] for session in sessions) == [4, 4]


async def test_two_at_once_go_on_from_one_apart() -> None:
    async with site_of() as site:
        first = await create(site)
        found: list[Any] = []

        async def go_on() -> None:
            found.append(await create(site, previous_response_id=first["id"]))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(go_on)
            nursery.start_soon(go_on)
        for response in found:
            assert response["usage"] is not None
        listed = (await get(site, "/v1/sessions"))["data"]
        assert [session["entries"] for session in listed] == [4, 4]


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_one_goes_on_from_one_that_did_not_end_well(end: str) -> None:
    channel = PlayedChannel(words("Yes."), (FAULT,) if end == "failed" else SLOW, words("No."))
    async with Site(channel, gateway=SERVING) as site:
        first = await create(site, "a")
        second = await create(site, "b", background=True, previous_response_id=first["id"])
        await trio.sleep(1)
        if end == "cancelled":
            await site.post(b"", path=f"{ROOT}/{second['id']}/cancel")
        assert (await get(site, f"{ROOT}/{second['id']}"))["status"] == end
        third = await create(site, "c", previous_response_id=second["id"])
        assert said(third) == "No."
        texts = [getattr(entry, "content", None) or getattr(entry, "text", None)
                 for entry in channel.prompts[-1].entries]  # fmt: skip
    assert texts == (["a", "Yes.", "c"] if end == "failed" else ["a", "Yes.", "b", "One ", "c"])


async def test_what_would_fork_cannot_wait_for_one_in_progress() -> None:
    async with site_of(SLOW) as site:
        first = await create(site, background=True)
        on = {"previous_response_id": first["id"]}
        assert await error(site, store=False, **on) == (
            409, "previous_response_id", "response_in_progress"
        )  # fmt: skip
        await create(site, background=True, **on)
        assert await error(site, **on) == (409, "previous_response_id", "response_in_progress")
        made = (await site.post({}, path=CONVERSATIONS)).json()["id"]
        talked = await create(site, background=True, conversation=made)
        assert await error(site, previous_response_id=talked["id"]) == (
            409, "previous_response_id", "response_in_progress"
        )  # fmt: skip


async def test_a_session_is_named_in_one_way() -> None:
    async with site_of() as site:
        first = await create(site)
        made = (await site.post({}, path=CONVERSATIONS)).json()["id"]
        for on in ({"previous_response_id": first["id"]}, {"conversation": made}):
            for headers, param in (
                ({"x-openclaw-session-key": "k"}, "x-openclaw-session-key"),
                ({"x-openclaw-agent-id": "beta"}, "x-openclaw-agent-id"),
                ({"x-greenroom-fork-from": "k"}, "x-greenroom-fork-from"),
            ):
                answer = await site.post(asked(**on), path=ROOT, headers=headers)
                assert told(answer) == (400, param, "invalid_value")
            assert await error(site, model="openclaw:beta", **on) == (400, "model", "invalid_value")
        both = {"previous_response_id": first["id"], "conversation": made}
        assert await error(site, **both) == (
            400, "previous_response_id", "mutually_exclusive_parameters"
        )  # fmt: skip


async def test_a_session_key_names_the_session_and_its_history() -> None:
    async with Site(gateway=SERVING) as site:
        for ordinal in ("1st", "2nd"):
            answer = await site.post(
                asked("Hi"), path=ROOT, headers={"x-openclaw-session-key": "k"}
            )
            assert ordinal in said(answer.json())
        assert (await get(site, "/v1/sessions/k"))["turns"] == 2


async def test_a_full_line_is_a_status() -> None:
    settings = house_settings(SessionLimits(waiting_turns=1))
    async with site_of(SLOW, settings=settings) as site:
        made = (await site.post({}, path=CONVERSATIONS)).json()["id"]
        for _ in range(2):
            await create(site, background=True, conversation=made)
        assert (await error(site, conversation=made))[::2] == (429, "session_queue_full")


async def test_nothing_stays_of_what_is_not_stored() -> None:
    async with site_of() as site:
        response = await create(site, store=False)
        await wait_all_tasks_blocked()
        assert (await get(site, "/v1/sessions"))["data"] == []
        assert [agent.live_sessions for agent in await site.house.status()] == [0, 0]
        assert told(await site.get(f"{ROOT}/{response['id']}"))[0] == 404
