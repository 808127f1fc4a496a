"""Rules of one connection in our own HTTP/1.1: its time, its bounds, and who hears what."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from greenroom.actors.channels.channel import TextDelta
from greenroom.http.config import HttpLimits
from greenroom.http.exchange import Event, Exchange, Receive, Scope, Send
from greenroom.http.server.listener import Server as Listening
from greenroom.http.server.listener import open_listener
from tests.conftest import Lines, PlayedChannel
from tests.http.conftest import PATH, TOKEN, chat
from tests.http.server.conftest import Client, Server, request, start

Answering = Callable[[Exchange], Awaitable[None]]
GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Bare:
    """One small application behind a listener; it answers with `answering`."""

    def __init__(self, answering: Answering, **limits: float) -> None:
        self.lines = Lines()
        self._answering = answering
        own = open_listener("127.0.0.1", 0)
        self._address = own.getsockname()
        bounds = HttpLimits(**limits)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self.server = Listening(self._app, own, self.lines.log, bounds)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answering(Exchange(scope, receive, send))

    async def connect(self) -> Client:
        return Client(await trio.open_tcp_stream(*self._address))


@asynccontextmanager
async def bare(
    nursery: trio.Nursery, answering: Answering, **limits: float
) -> AsyncGenerator[tuple[Bare, Client]]:
    server = Bare(answering, **limits)
    nursery.start_soon(server.server.run)
    async with await server.connect() as client:
        yield server, client


async def fine(exchange: Exchange) -> None:
    await exchange.respond(200, (), await exchange.read_body(10**9, 30))


async def at_once(exchange: Exchange) -> None:
    """Answer without a look at the body."""
    await exchange.start(401, ((b"content-length", b"2"),))
    await exchange.write(b"no", more=False)


def post(size: int, more: str = "") -> bytes:
    head = f"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {size}\r\n{more}\r\n"
    return head.encode()


# Time


async def test_a_head_that_takes_too_long_is_told_so(nursery: trio.Nursery) -> None:
    async with bare(nursery, fine, head_timeout=0.2) as (server, client):
        await client.send(b"GET / HTTP/1.1\r\nhost: local")
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert json.loads(answer.body)["error"]["code"] == "request_timeout"
        assert await client.ended()
        (line,) = server.lines.all("http.refused")
        assert (line["status"], line["error"], line["client"]) == (
            408,
            "request_timeout",
            "127.0.0.1",
        )


async def test_single_bytes_do_not_prolong_a_head(nursery: trio.Nursery) -> None:
    async with bare(nursery, fine, head_timeout=0.3) as (_, client):

        async def drip() -> None:
            for _ in range(400):
                await client.send(b"A")
                await trio.sleep(0.05)

        with trio.fail_after(10), pytest.raises(trio.BrokenResourceError):
            await drip()


async def test_who_says_nothing_at_all_is_sent_away_without_a_word(nursery: trio.Nursery) -> None:
    async with bare(nursery, fine, head_timeout=0.1) as (_, client):
        with trio.fail_after(5):
            assert await client.ended()


async def test_a_head_has_its_time_anew_behind_an_answer(nursery: trio.Nursery) -> None:
    async with bare(nursery, fine, head_timeout=0.4, keep_alive=60) as (_, client):
        for _ in range(4):
            await client.send(GET)
            assert (await client.answer()).status == 200
            await trio.sleep(0.2)


# Bodies


async def test_a_body_that_nobody_takes_is_not_read_past_a_bound(nursery: trio.Nursery) -> None:
    go = trio.Event()

    async def late(exchange: Exchange) -> None:
        await go.wait()
        await fine(exchange)

    size = 32 * 1024 * 1024
    async with bare(nursery, late) as (_, client):
        sent = 0
        await client.send(post(size))
        with trio.move_on_after(1):
            while sent < size:
                await client.stream.send_all(bytes(64 * 1024))
                sent += 64 * 1024
        assert sent < size, "it was all read, though nobody asked for it"
        go.set()


async def test_a_body_in_pieces_arrives_whole(nursery: trio.Nursery) -> None:
    async with bare(nursery, fine) as (_, client):
        await client.send(post(300_000))
        for n in range(30):
            await client.send(bytes([n]) * 10_000)
        answer = await client.answer()
        assert answer.body == b"".join(bytes([n]) * 10_000 for n in range(30))


async def test_a_body_is_asked_for_when_it_is_wanted_and_not_before(nursery: trio.Nursery) -> None:
    async with bare(nursery, fine) as (_, client):
        await client.send(post(3, "expect: 100-continue\r\n"))
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"abc")
        assert (await client.answer()).body == b"abc"
        await client.send(GET)
        assert (await client.answer()).status == 200


async def test_who_is_not_asked_for_a_body_is_answered_and_closed(nursery: trio.Nursery) -> None:
    async with bare(nursery, at_once) as (_, client):
        await client.send(post(3, "expect: 100-continue\r\n"))
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        assert await client.ended()


async def test_a_connection_outlives_an_answer_that_came_before_the_body(
    nursery: trio.Nursery,
) -> None:
    async with bare(nursery, at_once) as (_, client):
        for _ in range(3):
            await client.send(post(100_000))
            answer = await client.answer()
            assert "connection" not in answer.headers
            await client.send(bytes(100_000))
        await client.send(GET)
        assert (await client.answer()).status == 401


async def test_a_body_that_nobody_wants_is_not_waited_for_where_it_is_large(
    nursery: trio.Nursery,
) -> None:
    async with bare(nursery, at_once) as (_, client):
        await client.send(post(10**9))
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        assert await client.ended()


async def test_a_body_that_nobody_wants_is_not_waited_for_where_it_does_not_come(
    nursery: trio.Nursery,
) -> None:
    async with bare(nursery, at_once) as (_, client):
        await client.send(post(100))
        assert (await client.answer()).status == 401
        with trio.fail_after(10):
            assert await client.ended()


async def test_a_body_that_turns_out_to_be_none_is_told_in_the_applications_place(
    nursery: trio.Nursery,
) -> None:
    async with bare(nursery, fine) as (server, client):
        await client.send(
            b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
        )
        await client.send(b"zz\r\n")
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert await client.ended()
        assert not server.lines.all("http.connection_failed")


# Order


async def test_a_thousand_requests_at_once_are_answered_in_their_order(
    nursery: trio.Nursery,
) -> None:
    async with bare(nursery, fine) as (_, client):
        requests = [post(len(str(n))) + str(n).encode() for n in range(1000)]
        nursery.start_soon(client.send, b"".join(requests))
        assert [int((await client.answer()).body) for _ in range(1000)] == list(range(1000))


async def test_one_request_at_a_time_is_under_way(nursery: trio.Nursery) -> None:
    under_way = 0

    async def alone(exchange: Exchange) -> None:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        await trio.sleep(0.01)
        under_way -= 1
        await fine(exchange)

    async with bare(nursery, alone) as (_, client):
        await client.send(GET * 5)
        assert [(await client.answer()).status for _ in range(5)] == [200] * 5


async def test_what_is_malformed_behind_an_answer_is_told_after_it(nursery: trio.Nursery) -> None:
    async with bare(nursery, fine) as (_, client):
        await client.send(GET + b"nonsense\r\n\r\n")
        assert (await client.answer()).status == 200
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert await client.ended()


# Leaving


async def test_an_application_that_wants_to_know_is_cancelled_when_its_client_leaves(
    nursery: trio.Nursery,
) -> None:
    ended = trio.Event()
    left: list[bool] = []

    async def long(exchange: Exchange) -> None:
        try:
            await exchange.while_there(trio.sleep_forever)
        finally:
            left.append(exchange.left)
            ended.set()

    async with bare(nursery, long) as (_, client):
        await client.send(GET)
        await trio.sleep(0.05)
    with trio.fail_after(1):
        await ended.wait()
    assert left == [True]


async def test_one_that_does_not_want_to_know_is_told_by_its_next_receive(
    nursery: trio.Nursery,
) -> None:
    heard: list[Event] = []
    ended = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not heard or heard[-1]["type"] != "http.disconnect":
            heard.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 10**6})
        ended.set()

    own = open_listener("127.0.0.1", 0)
    lines = Lines()
    nursery.start_soon(Listening(app, own, lines.log).run)
    async with Client(await trio.open_tcp_stream(*own.getsockname())) as client:
        await client.send(GET)
        await trio.sleep(0.05)
    with trio.fail_after(1):
        await ended.wait()
    assert [event["type"] for event in heard] == ["http.request", "http.disconnect"]
    assert not lines.all("http.server")


async def test_a_client_that_sends_its_next_request_and_leaves_is_noticed(
    nursery: trio.Nursery,
) -> None:
    channel = PlayedChannel([(TextDelta("a"),), 1000.0])
    async with Server(channel) as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(chat(stream=True)) + request(chat()))
            await client.head()
        with trio.fail_after(2):
            await channel.was_left.wait()


# Connections


async def test_there_are_so_many_connections_and_who_comes_then_is_told(
    nursery: trio.Nursery,
) -> None:
    async with bare(nursery, fine, max_connections=2) as (server, client):
        await client.send(GET)
        assert (await client.answer()).status == 200
        async with await server.connect() as second:
            await second.send(GET)
            assert (await second.answer()).status == 200
            async with await server.connect() as third:
                answer = await third.answer()
                assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                assert await third.ended()
            await client.send(GET)
            assert (await client.answer()).status == 200
        with trio.fail_after(5):
            status = 503
            while status == 503:
                async with await server.connect() as third:
                    await third.send(GET)
                    status = (await third.answer()).status
        assert status == 200


async def test_one_address_has_no_more_than_its_share(nursery: trio.Nursery) -> None:
    async with bare(nursery, fine, max_connections_per_address=1) as (server, client):
        await client.send(GET)
        assert (await client.answer()).status == 200
        async with await server.connect() as second:
            assert (await second.answer()).status == 429


# The stop


async def test_a_request_behind_one_that_is_answered_after_the_stop_is_told(
    nursery: trio.Nursery,
) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            first = request(chat("[say a b] [slow 0.1]", stream=True))
            await client.send(first)
            assert (await client.head()).status == 200
            server.stop.set()
            await client.send(request(chat()))
            while await client.chunk():
                pass
            answer = await client.answer()
            assert (answer.status, answer.error()["code"]) == (503, "stopping")
            assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
            assert await client.ended()


async def test_an_answer_after_the_stop_says_that_the_connection_closes(
    nursery: trio.Nursery,
) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(chat("[wait 0.3] [say a]")))
            await trio.sleep(0.1)
            server.stop.set()
            answer = await client.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_a_slow_body_does_not_hold_a_stop(nursery: trio.Nursery) -> None:
    async with Server(grace=0.3) as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(chat(), more="")[:-10])
            await trio.sleep(0.05)
            server.stop.set()
            with trio.fail_after(3):
                await server.ended.wait()


# Another protocol


async def test_a_websocket_is_handed_over_with_all_that_came(nursery: trio.Nursery) -> None:
    heard: list[Event] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        assert (scope["path"], scope["query_string"]) == ("/a b", b"c")
        heard.append(await receive())
        await send({"type": "websocket.accept"})
        heard.append(await receive())
        await send({"type": "websocket.send", "text": "back"})
        await send({"type": "websocket.close"})

    own = open_listener("127.0.0.1", 0)
    nursery.start_soon(Listening(app, own, Lines().log).run)
    async with Client(await trio.open_tcp_stream(*own.getsockname())) as client:
        frame = bytes([0x81, 0x83, 0, 0, 0, 0]) + b"out"
        handshake = (
            b"GET /a%20b?c HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await client.send(handshake)
        head = await client.head()
        assert head.status == 101
        assert head.headers["sec-websocket-accept"] == "s3pplmbitxaq9kygzzhzrbk+xoo="
        await client.send(frame)
        assert await client.exactly(6) == b"\x81\x04back"
    assert [event["type"] for event in heard] == ["websocket.connect", "websocket.receive"]
    assert heard[1]["text"] == "out"


async def test_an_exchange_of_every_kind_leaves_no_error_in_the_log(nursery: trio.Nursery) -> None:
    async with Server() as server:
        await start(nursery, server)
        for _ in range(3):
            async with await server.connect() as client:
                await client.send(request(chat()) + request(b"x") + request(b"", token="wrong"))
                statuses = [(await client.answer()).status for _ in range(3)]
                assert statuses == [200, 400, 401]
                await client.send(f"GET {PATH} HTTP/1.1\r\nauthorization: {TOKEN}\r\n\r\n".encode())
                assert (await client.answer()).status == 400
        assert {line["level"] for line in server.lines.all()} <= {"info", "debug"}
