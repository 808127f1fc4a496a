"""Rules of one connection in our own HTTP/1.1: its time, its order, and who hears what."""

import json

import pytest
import trio

from greenroom.actors.channels.channel import TextDelta
from greenroom.http.exchange import Event, Exchange, Receive, Scope, Send
from greenroom.http.server.listener import Server as Listening
from greenroom.http.server.listener import open_listener
from tests.conftest import Lines, PlayedChannel
from tests.http.conftest import PATH, TOKEN, chat
from tests.http.server.bare import GET, bare, fine, post
from tests.http.server.conftest import Client, Server, request, start

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
