"""Who is let in, what closes a connection, and with which code: rules of docs/websocket.md."""

import json
from collections.abc import Awaitable, Callable

import msgspec
import pytest
import trio

from greenroom.http.config import NoAuth
from tests.conftest import PlayedChannel, words
from tests.http.conftest import GATEWAY, TOKEN
from tests.http.ws.conftest import BOUNDS, Socket, WsSite, refusal_of

IN_VIRTUAL_TIME = True


async def test_the_first_frame_says_who_it_is_and_is_told_how_it_is_served() -> None:
    async with WsSite() as site:
        hello = await site.dial().connect()
    assert hello.pop("connection").startswith("ws-")
    assert hello == {
        "object": "connection",
        "protocol": 1,
        "tick_seconds": 15.0,
        "limits": {"max_frame_bytes": 1_000_000, "max_requests": 32},
    }


@pytest.mark.parametrize(
    "headers", [{"authorization": f"Bearer {TOKEN}"}, {"api-key": TOKEN}, {"x-api-key": TOKEN}]
)
async def test_a_handshake_may_bring_the_credential(headers: dict[str, str]) -> None:
    async with WsSite() as site:
        socket = site.dial(headers)
        await socket.connect(None)
        assert (await socket.get("sessions.list"))["data"] == []


async def test_a_handshake_with_a_wrong_credential_is_answered_as_any_request() -> None:
    async with WsSite() as site:
        socket = site.dial({"authorization": "Bearer wrong"})
        await socket.over.wait()
        assert socket.status == 401
        assert json.loads(socket.body)["error"]["code"] == "invalid_api_key"
        assert not socket.accepted.is_set()


@pytest.mark.parametrize("token", [None, "wrong", "ü"])
async def test_a_connect_without_the_right_credential_is_refused_and_closes(
    token: str | None,
) -> None:
    async with WsSite() as site:
        socket = site.dial()
        params = {} if token is None else {"auth": {"token": token}}
        status, error = await socket.refused("connect", **params)
        assert (status, error["code"]) == (401, "invalid_api_key")
        await socket.closed.wait()
        assert (socket.code, socket.reason) == (1008, "Unauthorized")


async def test_guessing_is_bounded_over_all_connections() -> None:
    async with WsSite() as site:
        for _ in range(GATEWAY.failures.attempts):
            assert (await site.dial().refused("connect", auth={"token": "guess"}))[0] == 401
        socket = site.dial()
        await socket.ask("connect", auth={"token": TOKEN})
        frame = await socket.hear()
        assert refusal_of(frame, "1")[0] == 429
        assert frame["retry_after"] > 0


async def test_a_gateway_without_authentication_takes_a_bare_connect() -> None:
    async with WsSite(gateway=msgspec.structs.replace(GATEWAY, auth=NoAuth())) as site:
        await site.dial().connect(None)


async def test_another_protocol_is_refused_by_name() -> None:
    async with WsSite() as site:
        socket = site.dial()
        status, error = await socket.refused("connect", protocol=2, auth={"token": TOKEN})
        assert (status, error["param"]) == (400, "params.protocol")
        await socket.closed.wait()


async def test_no_other_path_is_served() -> None:
    async with WsSite() as site:
        socket = site.dial(path="/v1/models")
        await socket.over.wait()
        assert socket.status == 403


async def test_who_says_nothing_is_closed_after_ten_seconds() -> None:
    async with WsSite() as site:
        socket = site.dial()
        begun = trio.current_time()
        await socket.closed.wait()
        assert trio.current_time() - begun == 10
        assert (socket.code, socket.reason) == (1008, "No `connect` within 10 seconds.")


WRONG_FRAMES: dict[str, tuple[str | bytes, int]] = {
    "no JSON": ("{", 1007),
    "nothing": ("", 1007),
    "too deep": ('{"a":' + "[" * 60_000, 1007),
    "no object": ("[]", 1008),
    "no request": ('{"type":"res","id":"1","method":"connect"}', 1008),
    "no id": ('{"type":"req","method":"connect"}', 1008),
    "an empty id": ('{"type":"req","id":"","method":"connect"}', 1008),
    "a long id": (json.dumps({"type": "req", "id": "x" * 65, "method": "connect"}), 1008),
    "binary": (b"{}", 1003),
}


@pytest.mark.parametrize("is_connected", [False, True])
@pytest.mark.parametrize("name", WRONG_FRAMES)
async def test_what_is_no_frame_closes_the_connection(name: str, is_connected: bool) -> None:
    data, code = WRONG_FRAMES[name]
    async with WsSite() as site:
        socket = await site.open() if is_connected else site.dial()
        await socket.write(data)
        await socket.closed.wait()
        assert socket.code == code
        assert socket.reason
        assert len(socket.reason.encode()) <= 123


async def test_the_first_frame_has_to_be_connect() -> None:
    async with WsSite() as site:
        socket = site.dial()
        await socket.ask("sessions.list")
        await socket.closed.wait()
        assert (socket.code, socket.reason) == (1008, "The first frame must be `connect`.")


@pytest.mark.parametrize(("is_connected", "most"), [(False, 65_536), (True, 1_000_000)])
async def test_a_frame_that_is_too_large_closes_the_connection(
    is_connected: bool, most: int
) -> None:
    async with WsSite() as site:
        socket = await site.open() if is_connected else site.dial()
        await socket.write(json.dumps("é" * (most // 4)).ljust(most + 1))
        await socket.closed.wait()
        assert (socket.code, socket.reason) == (1009, f"A frame has at most {most} bytes.")


async def _unknown(socket: Socket) -> tuple[int, dict[str, str | None]]:
    return await socket.refused("sessions.forget")


async def _unknown_param(socket: Socket) -> tuple[int, dict[str, str | None]]:
    return await socket.refused("sessions.get", key="k", colour="red")


async def _missing(socket: Socket) -> tuple[int, dict[str, str | None]]:
    return await socket.refused("sessions.get")


async def _bad_type(socket: Socket) -> tuple[int, dict[str, str | None]]:
    return await socket.refused("sessions.list", limit="many")


async def _outside(socket: Socket) -> tuple[int, dict[str, str | None]]:
    return await socket.refused("sessions.list", limit=0)


async def _too_deep(socket: Socket) -> tuple[int, dict[str, str | None]]:
    deep: object = 1
    for _ in range(70):
        deep = [deep]
    return await socket.refused("chat.send", request=deep)


async def _again(socket: Socket) -> tuple[int, dict[str, str | None]]:
    return await socket.refused("connect", auth={"token": TOKEN})


REFUSED: dict[
    str,
    tuple[Callable[[Socket], Awaitable[tuple[int, dict[str, str | None]]]], int, str | None, str],
] = {
    "an unknown method": (_unknown, 404, "method", "unknown_method"),
    "an unknown parameter": (_unknown_param, 400, "params", "invalid_value"),
    "a missing parameter": (_missing, 400, "params.key", "missing_required_parameter"),
    "a wrong type": (_bad_type, 400, "params.limit", "invalid_type"),
    "outside of its bounds": (_outside, 400, "params.limit", "invalid_type"),
    "too deep": (_too_deep, 400, None, "nesting_too_deep"),
    "connected already": (_again, 400, "method", "already_connected"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_wrong_request_is_refused_by_name_and_the_connection_stays(name: str) -> None:
    ask, status, param, code = REFUSED[name]
    async with WsSite() as site:
        socket = await site.open()
        got, error = await ask(socket)
        assert (got, error["param"], error["code"]) == (status, param, code)
        assert (await socket.get("sessions.list"))["data"] == []


async def test_requests_under_way_are_bounded_and_have_ids_of_their_own() -> None:
    channel = PlayedChannel([5.0, *words("Late.")])
    async with WsSite(channel, bounds=msgspec.structs.replace(BOUNDS, requests=2)) as site:
        socket = await site.open()
        for id_ in ("a", "b"):
            await socket.ask("chat.send", id_=id_, text="Hi", session=id_)
            assert (await socket.hear())["id"] == id_
        status, error = await socket.refused("sessions.list", id_="c")
        assert (status, error["code"]) == (429, "too_many_requests")
        await socket.events("b")
        assert (await socket.get("sessions.list"))["data"]
        await socket.ask("chat.send", id_="d", text="Hi", session="d")
        assert (await socket.hear())["ok"]
        status, error = await socket.refused("chat.send", id_="d", text="Hi")
        assert (status, error["param"], error["code"]) == (400, "id", "duplicate_id")


async def test_a_tick_comes_every_fifteen_seconds() -> None:
    async with WsSite() as site:
        socket = await site.open()
        begun = trio.current_time()
        ticks = [await socket.hear_any() for _ in range(3)]
        assert trio.current_time() - begun == 45
        assert [list(tick) for tick in ticks] == [["type", "event", "payload"]] * 3
        assert {tick["event"] for tick in ticks} == {"tick"}
        assert all(tick["payload"]["at"] > 0 for tick in ticks)


async def test_a_client_that_reads_nothing_is_given_up_and_its_turn_left() -> None:
    channel = PlayedChannel(words(*"a" * 1_000))
    async with WsSite(channel) as site:
        socket = await site.open()
        socket.stop_reading()
        begun = trio.current_time()
        await socket.ask("chat.send", text="Hi", session="k")
        await channel.was_left.wait()
        assert trio.current_time() - begun == 30
        assert channel.given < 200, "nobody reads, so nothing is produced"
        socket.read_on()
        await socket.closed.wait()
        assert (socket.code, socket.reason) == (1008, "Nothing was read for 30 seconds.")


async def test_one_slow_client_makes_no_other_wait() -> None:
    async with WsSite(PlayedChannel(words(*"a" * 1_000))) as site:
        slow, quick = await site.open(), await site.open()
        slow.stop_reading()
        await slow.ask("chat.send", text="Hi", session="slow")
        begun = trio.current_time()
        _, events = await quick.chat("Hi", session="quick")
        assert events[-1]["event"] == "chat.done"
        assert trio.current_time() == begun


async def test_a_gateway_that_stops_lets_turns_end_and_begins_no_other() -> None:
    async with WsSite(PlayedChannel([5.0, *words("Late.")])) as site:
        busy, idle = await site.open(), await site.open()
        id_ = await busy.ask("chat.send", text="Hi", session="k")
        assert (await busy.hear())["ok"]
        site.stop.set()
        assert (await busy.hear())["event"] == "shutdown"
        status, error = await busy.refused("chat.send", text="Hi")
        assert (status, error["code"]) == (503, "stopping")
        await idle.closed.wait()
        assert not busy.closed.is_set()
        assert (await busy.events(id_))[-1]["event"] == "chat.done"
        await busy.closed.wait()
        assert {busy.code, idle.code} == {1001}


async def test_the_log_has_a_line_for_each_request_and_nothing_that_was_said() -> None:
    async with WsSite() as site:
        socket = await site.open()
        await socket.chat("my secret words", session="k")
        await socket.refused("sessions.get", key="none")
        socket.leave()
        await socket.over.wait()
        said, refused = site.lines.all("ws.request")
        assert said["method"] == "chat.send"
        assert {"agent", "session", "turn", "model", "completion_tokens"} <= set(said)
        assert (refused["method"], refused["status"]) == ("sessions.get", 404)
        assert refused["error"] == "session_not_found"
        (closed,) = site.lines.all("ws.closed")
        assert (closed["reason"], closed["requests"]) == ("client_left", 2)
        assert "secret" not in site.lines.text
        assert TOKEN not in site.lines.text
