"""Turns over the WebSocket: what they are over HTTP, and how a connection that was cut goes on."""

from typing import Any

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from greenroom.actors.channels.channel import TextDelta, ToolCallArguments, ToolCallStart
from tests.conftest import STOP, PlayedChannel, words
from tests.http.conftest import GATEWAY, PATH, chat
from tests.http.ws.conftest import Socket, WsSite, text_of

IN_VIRTUAL_TIME = True

KEYED = {"session": "k", "idempotency_key": "once"}


async def test_a_turn_is_taken_told_and_done() -> None:
    async with WsSite() as site:
        socket = await site.open()
        taken, events = await socket.chat("[say one two]", session="k")
        turn = taken.pop("turn")
        assert taken.pop("created") > 0
        assert taken == {
            "object": "turn",
            "agent": "main",
            "session": "k",
            "model": "openclaw",
            "ahead": 0,
            "replayed": False,
        }
        assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
        assert {event["turn"] for event in events} == {turn}
        assert text_of(events) == "one two"
        done = events[-1]["payload"]
        assert (done["finish_reason"], done["provider"]) == ("stop", "scripted")
        assert done["usage"]["completion_tokens"] == 2


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    "body",
    [
        chat("[say one two three]"),
        chat('[call f {"a": 1}]', tools=[TOOL]),
        chat("[say one two] [finish length]", temperature=0.5, user="ada"),
    ],
    ids=["text", "tools", "cut"],
)
async def test_its_chunks_are_those_of_http(body: dict[str, object]) -> None:
    async with WsSite() as site:
        over_http = (await site.post(body | {"stream": True})).chunks()
        socket = await site.open()
        id_ = await socket.ask("chat.send", request=body)
        assert (await socket.hear())["ok"]
        *chunks, done = await socket.events(id_)
    assert done["event"] == "chat.done"
    without = [chunk["payload"] | {"id": "", "created": 0} for chunk in chunks]
    assert without == [chunk | {"id": "", "created": 0} for chunk in over_http]


async def test_two_clients_of_one_session_see_one_order_of_turns() -> None:
    """One over HTTP, one over the WebSocket."""
    async with WsSite() as site:
        socket = await site.open()
        headers = {"x-openclaw-session-key": "k"}
        turns: list[str] = []
        for number in range(3):
            call = site.call(chat(f"[wait 1] h{number}"), headers=headers)
            site.nursery.start_soon(call.run)
            await trio.testing.wait_all_tasks_blocked()
            id_ = await socket.ask("chat.send", text=f"w{number}", session="k")
            taken = await socket.hear()
            assert taken["payload"]["ahead"] == 1
            events = await socket.events(id_)
            answer = await call.answer()
            turns += [answer.headers["x-greenroom-turn"], taken["payload"]["turn"]]
            assert events[-1]["event"] == "chat.done"
        page = await socket.get("sessions.transcript", key="k")
        over_http = await site.get("/v1/sessions/k/transcript")
        assert page == over_http.json()
        assert [entry["turn"] for entry in page["data"]] == [t for t in turns for _ in range(2)]


async def test_one_key_is_one_turn_whichever_way_it_comes() -> None:
    async with WsSite() as site:
        body = chat("[say one two]")
        answer = await site.post(
            body, headers={"x-openclaw-session-key": "k", "idempotency-key": "once"}
        )
        socket = await site.open()
        id_ = await socket.ask("chat.send", request=body, **KEYED)
        taken = (await socket.hear())["payload"]
        assert taken["turn"] == answer.headers["x-greenroom-turn"]
        assert taken["replayed"]
        assert text_of(await socket.events(id_)) == "one two"
        status, error = await socket.refused("chat.send", text="other", **KEYED)
        assert (status, error["param"]) == (409, "params.idempotency_key")
        assert error["code"] == "idempotency_key_reused"


# Going on

PLAY = (
    (TextDelta("one"), TextDelta(" two")),
    1.0,
    (TextDelta(" three"), ToolCallStart(0, "c", "f")),
    1.0,
    (ToolCallArguments(0, '{"a":'), ToolCallArguments(0, "1}")),
    1.0,
    STOP,
)
MANY = 9
"""Events of that answer."""


async def cut_after(site: WsSite, many: int, **params: Any) -> tuple[str, list[dict[str, Any]]]:
    """Ask for a turn over a connection that is cut after `many` of its events; what came."""
    socket = await site.open()
    await socket.ask("chat.send", text="Hi", **params)
    taken = (await socket.hear())["payload"]
    heard = [await socket.hear() for _ in range(many)]
    socket.leave()
    await socket.over.wait()
    return taken["turn"], heard


async def rest_of(socket: Socket, turn: str, after: int, **params: Any) -> list[dict[str, Any]]:
    id_ = await socket.ask("chat.attach", turn=turn, starting_after=after, **params)
    taken = await socket.hear()
    assert taken["ok"], taken
    assert taken["payload"]["turn"] == turn
    return await socket.events(id_)


def without_id(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event | {"id": ""} for event in events]


@pytest.mark.parametrize("pause", [0.0, 1.5, 10.0], ids=["at once", "meanwhile", "after its end"])
async def test_a_cut_at_any_place_loses_nothing(pause: float) -> None:
    for many in range(MANY):
        async with WsSite(PlayedChannel(PLAY)) as site:
            turn, heard = await cut_after(site, many, **KEYED)
            await trio.sleep(pause)
            socket = await site.open()
            rest = await rest_of(socket, turn, many, session="k")
            whole = await rest_of(socket, turn, 0)
            assert [event["seq"] for event in whole] == list(range(1, MANY + 1))
            assert whole[-1]["event"] == "chat.done"
            assert without_id(heard) + without_id(rest) == without_id(whole)


async def test_who_has_all_of_a_turn_is_told_no_more() -> None:
    async with WsSite(PlayedChannel(PLAY)) as site:
        turn, _ = await cut_after(site, MANY, **KEYED)
        socket = await site.open()
        taken = await socket.get("chat.attach", turn=turn, starting_after=MANY)
        assert taken["replayed"] is True
        assert (await socket.get("sessions.list"))["data"]


async def test_a_key_goes_on_behind_an_event_as_well() -> None:
    async with WsSite(PlayedChannel(PLAY)) as site:
        turn, heard = await cut_after(site, 2, **KEYED)
        socket = await site.open()
        id_ = await socket.ask("chat.send", text="Hi", starting_after=2, **KEYED)
        taken = (await socket.hear())["payload"]
        assert (taken["turn"], taken["replayed"]) == (turn, True)
        rest = await socket.events(id_)
        assert [event["seq"] for event in heard + rest] == list(range(1, MANY + 1))


async def test_a_connection_that_closes_ends_its_turns_at_once() -> None:
    channel = PlayedChannel(PLAY)
    async with WsSite(channel) as site:
        begun = trio.current_time()
        turn, heard = await cut_after(site, 3, session="k")
        await channel.was_left.wait()
        assert trio.current_time() == begun
        rest = await rest_of(await site.open(), turn, 3)
        assert [event["event"] for event in rest] == ["chat.failed"]
        assert rest[0]["seq"] == len(heard) + 1
        (line,) = [line for line in site.lines.all("ws.request") if line["method"] == "chat.send"]
        assert line["error"] == "client_left"


async def test_a_turn_that_is_to_continue_does_so_without_its_client() -> None:
    async with WsSite(PlayedChannel(PLAY)) as site:
        turn, _ = await cut_after(site, 1, session="k", on_disconnect="continue")
        rest = await rest_of(await site.open(), turn, 1)
        assert rest[-1]["event"] == "chat.done"


async def test_a_turn_that_waits_is_found_with_its_session() -> None:
    async with WsSite(PlayedChannel([5.0, *words("Late.")])) as site:
        socket = await site.open()
        await socket.ask("chat.send", text="first", session="k")
        assert (await socket.hear())["ok"]
        turn, _ = await cut_after(site, 0, session="k", on_disconnect="continue")
        other = await site.open()
        status, error = await other.refused("chat.attach", turn=turn)
        assert (status, error["code"]) == (404, "turn_not_found")
        events = await rest_of(other, turn, 0, session="k")
        assert text_of(events) == "Late."


@pytest.mark.parametrize("params", [{}, {"session": "k"}, {"session": "none"}])
async def test_a_turn_that_never_was_is_not_found(params: dict[str, str]) -> None:
    async with WsSite() as site:
        socket = await site.open()
        await socket.chat("Hi", session="k")
        for method in ("chat.attach", "chat.cancel"):
            id_ = await socket.ask(method, turn="f" * 24, **params)
            frame = await socket.hear()
            assert frame["id"] == id_
            if method == "chat.cancel" and params:
                assert frame["payload"]["cancelled"] is False
            else:
                assert frame["status"] == 404
                assert frame["error"]["param"] == "params.turn"


async def test_a_turn_without_a_session_passes() -> None:
    async with WsSite() as site:
        socket = await site.open()
        taken, events = await socket.chat("[say one]")
        assert (taken["session"], text_of(events)) == (None, "one")
        assert (await socket.refused("chat.attach", turn=taken["turn"]))[0] == 404
        assert (await socket.get("sessions.list"))["data"] == []


async def test_a_turn_that_came_over_http_is_heard_as_well() -> None:
    async with WsSite() as site:
        headers = {"x-openclaw-session-key": "k"}
        answer = await site.post(chat("[say one two]", stream=True), headers=headers)
        events = await rest_of(await site.open(), answer.headers["x-greenroom-turn"], 0)
        assert [event["payload"] for event in events[:-1]] == answer.chunks()


# Ending


@pytest.mark.parametrize("by", ["turn", "turn and session", "session"])
async def test_a_turn_is_cancelled(by: str) -> None:
    async with WsSite(PlayedChannel([*words("Yes")[:1], 60.0, STOP])) as site:
        socket = await site.open()
        id_ = await socket.ask("chat.send", text="Hi", session="k")
        turn = (await socket.hear())["payload"]["turn"]
        while (await socket.hear())["seq"] < 2:
            continue
        params = {"session": "k"} if by != "turn" else {}
        params |= {"turn": turn} if by != "session" else {}
        cancel = await socket.ask("chat.cancel", **params)
        frames = [await socket.hear(), await socket.hear()]
        (answer,) = [frame for frame in frames if frame["id"] == cancel]
        (failed,) = [frame for frame in frames if frame["id"] == id_]
        assert answer["payload"]["cancelled"] is True
        assert (failed["event"], failed["seq"]) == ("chat.failed", 3)
        assert failed["payload"]["error"]["code"] == "turn_ended"
        assert failed["payload"]["status"] == 409


async def test_a_cancel_names_something() -> None:
    async with WsSite() as site:
        status, error = await (await site.open()).refused("chat.cancel")
        assert (status, error["param"]) == (400, "params.turn")


async def test_what_a_turn_does_while_another_runs_is_its_own_to_say() -> None:
    async with WsSite(PlayedChannel([*words("Yes")[:1], 5.0, STOP])) as site:
        socket = await site.open()
        await socket.ask("chat.send", id_="first", text="Hi", session="k")
        assert (await socket.hear())["ok"]
        status, error = await socket.refused("chat.send", text="Hm", session="k", on_busy="reject")
        assert (status, error["code"]) == (409, "session_busy")
        await socket.ask("chat.send", id_="next", text="Hm", session="k", on_busy="interrupt")
        ended: dict[str, str] = {}
        while len(ended) < 2:
            frame = await socket.hear()
            if frame.get("event") in ("chat.done", "chat.failed"):
                ended[frame["id"]] = frame["event"]
        assert ended == {"first": "chat.failed", "next": "chat.done"}


# What goes wrong


async def test_a_model_that_fails_is_told_with_what_http_would_have_said() -> None:
    async with WsSite() as site:
        socket = await site.open()
        _, events = await socket.chat("[fail upstream_overloaded after 1] [say a b]", session="k")
        assert [event["event"] for event in events][-1] == "chat.failed"
        failed = events[-1]["payload"]
        assert (failed["status"], failed["error"]["code"]) == (503, "upstream_overloaded")
        taken, again = await socket.chat("[say fine]", session="k")
        assert text_of(again) == "fine"
        assert taken["session"] == "k"


WRONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "nothing": ({}, 400, "params.request"),
    "both": ({"text": "x", "request": {}}, 400, "params.request"),
    "no messages": ({"request": {"model": "openclaw"}}, 400, "params.request.messages"),
    "a bad field": (
        {"request": chat("x", temperature=9)},
        400,
        "params.request.temperature",
    ),
    "no request": ({"request": 3}, 400, "params.request"),
    "an unknown model": ({"text": "x", "model": "gpt-9"}, 404, "params.model"),
    "an unknown agent": ({"text": "x", "agent": "nobody"}, 400, "params.agent"),
    "a policy that is none": ({"text": "x", "on_busy": "push"}, 400, "params.on_busy"),
    "a long key": ({"text": "x", "idempotency_key": "k" * 256}, 400, "params.idempotency_key"),
    "resuming without a key": ({"text": "x", "starting_after": 1}, 400, "params.starting_after"),
    "functions": (
        {"request": chat("x", functions=[{"name": "f"}])},
        400,
        "params.request.functions",
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_is_named_by_its_place_in_the_frame(name: str) -> None:
    params, status, param = WRONG[name]
    async with WsSite() as site:
        socket = await site.open()
        got, error = await socket.refused("chat.send", **params)
        assert (got, error["param"]) == (status, param), error
        assert "x-greenroom" not in str(error["message"])
        assert (await socket.chat("[say on]"))[1][-1]["event"] == "chat.done"


async def test_where_chat_completions_are_off_no_turn_is_taken() -> None:
    async with WsSite(gateway=replace(GATEWAY, chat_completions=False)) as site:
        socket = await site.open()
        for method, params in (("chat.send", {"text": "x"}), ("chat.attach", {"turn": "t"})):
            status, error = await socket.refused(method, **params)
            assert (status, error["code"]) == (404, "not_enabled")
        assert (await site.post(chat(), path=PATH)).status == 404
