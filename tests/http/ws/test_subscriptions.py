"""What happens to sessions, told to whoever subscribes; and requests that are left."""

from typing import Any

import pytest
import trio

from greenroom.actors.bulletin import Happening
from tests.conftest import STOP, PlayedChannel, words
from tests.http.conftest import chat
from tests.http.ws.conftest import Socket, WsSite

IN_VIRTUAL_TIME = True


async def news(socket: Socket, many: int) -> list[tuple[str, str, str | None]]:
    """Return the next events: what, of which session, and how a turn ended."""
    heard: list[tuple[str, str, str | None]] = []
    for _ in range(many):
        frame = await socket.hear()
        payload: dict[str, Any] = frame["payload"]
        assert set(payload) == {"key", "agent", "at", "turn", "state"}
        heard.append((frame["event"], payload["key"], payload["state"]))
    return heard


async def test_a_session_is_heard_from_its_turns_to_its_deletion() -> None:
    async with WsSite() as site:
        socket = await site.open()
        subscribed = await socket.get("sessions.subscribe", key="k")
        assert subscribed == {"object": "subscription", "key": "k", "agent": "main"}
        headers = {"x-openclaw-session-key": "k"}
        answer = await site.post(chat("Hi"), headers=headers)
        accepted = await socket.hear()
        assert accepted["payload"]["turn"] == answer.headers["x-greenroom-turn"]
        assert accepted["event"] == "turn.accepted"
        await site.post(chat("[fail]"), headers=headers)
        await site.post(chat("Hi"), headers={"x-openclaw-session-key": "other"})
        await site.post(b"", path="/v1/sessions/k/reset")
        await site.post(b"", method="DELETE", path="/v1/sessions/k")
        assert await news(socket, 5) == [
            ("turn.ended", "k", "finished"),
            ("turn.accepted", "k", None),
            ("turn.ended", "k", "failed"),
            ("session.reset", "k", None),
            ("session.deleted", "k", None),
        ]


async def test_all_sessions_are_heard_and_those_that_pass_are_not() -> None:
    async with WsSite() as site:
        socket = await site.open()
        assert (await socket.get("sessions.subscribe"))["key"] is None
        await site.post(chat("Hi"))
        await site.post(chat("Hi", user="ada"))
        await site.post(
            chat("Hi"), headers={"x-openclaw-session-key": "k", "x-openclaw-agent-id": "beta"}
        )
        heard = [await socket.hear() for _ in range(4)]
        assert [frame["event"] for frame in heard] == ["turn.accepted", "turn.ended"] * 2
        assert [frame["payload"]["agent"] for frame in heard] == ["main"] * 2 + ["beta"] * 2


async def test_turns_that_are_ended_say_so() -> None:
    async with WsSite(PlayedChannel([*words("Yes")[:1], 60.0, STOP])) as site:
        socket, other = await site.open(), await site.open()
        await socket.get("sessions.subscribe", key="k")
        await other.ask("chat.send", text="Hi", session="k")
        assert (await other.hear())["ok"]
        await site.house.archive.cancel(site.house.session("k", None))
        heard = await news(socket, 2)
        assert heard == [("turn.accepted", "k", None), ("turn.ended", "k", "interrupted")]


async def test_a_subscription_that_is_left_says_no_more() -> None:
    async with WsSite() as site:
        socket = await site.open()
        id_ = await socket.ask("sessions.subscribe")
        assert (await socket.hear())["ok"]
        left = await socket.get("leave", request=id_)
        assert left == {"object": "request.left", "request": id_, "left": True}
        await site.post(chat("Hi", user="ada"))
        again = await socket.get("leave", request=id_)
        assert again["left"] is False


async def test_a_turn_that_is_left_ends_as_with_a_client_that_leaves() -> None:
    channel = PlayedChannel([*words("Yes")[:1], 60.0, STOP])
    async with WsSite(channel) as site:
        socket = await site.open()
        id_ = await socket.ask("chat.send", text="Hi", session="k")
        assert (await socket.hear())["ok"]
        begun = trio.current_time()
        assert (await socket.get("leave", request=id_))["left"] is True
        await channel.was_left.wait()
        assert trio.current_time() == begun
        assert (await socket.get("sessions.get", key="k"))["key"] == "k"


async def test_a_reader_that_falls_behind_is_told_that_it_has_missed_something() -> None:
    async with WsSite() as site:
        socket = await site.open()
        id_ = await socket.ask("sessions.subscribe")
        assert (await socket.hear())["ok"]
        socket.stop_reading()
        name = site.house.session("k", None)
        for _ in range(300):
            site.house.bulletin.tell(Happening.RESET, name)
        socket.read_on()
        heard = [await socket.hear() for _ in range(258)]
        assert {frame["event"] for frame in heard[:-1]} == {"session.reset"}
        assert (heard[-1]["event"], heard[-1]["id"]) == ("subscription.lost", id_)
        site.house.bulletin.tell(Happening.RESET, name)
        assert (await socket.get("leave", request=id_))["left"] is False


async def test_a_subscription_does_not_hold_the_gateways_end() -> None:
    async with WsSite() as site:
        socket = await site.open()
        await socket.get("sessions.subscribe")
        begun = trio.current_time()
        site.stop.set()
        await socket.closed.wait()
        assert (socket.code, trio.current_time()) == (1001, begun)


@pytest.mark.parametrize("params", [{}, {"request": ""}, {"request": 3}])
async def test_what_is_left_is_named(params: dict[str, object]) -> None:
    async with WsSite() as site:
        status, error = await (await site.open()).refused("leave", **params)
        assert (status, error["param"]) == (400, "params.request")
