"""Rules of bodies in our own HTTP/1.1: when they are read, how far, and what becomes of the rest."""

import trio

from greenroom.http.exchange import Exchange
from tests.http.server.bare import GET, at_once, bare, fine, post


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
