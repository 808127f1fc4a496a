"""Rules of a connection on a real socket: what keeps it alive, and what ends it."""

import json

import pytest
import trio

from greenroom.actors.channels.channel import TextDelta
from tests.conftest import PlayedChannel, words
from tests.http.conftest import PATH, TOKEN, chat, chunks_of, data_of, text_of
from tests.http.server.conftest import Server, request, start

pytestmark = pytest.mark.usefixtures("http1")


async def test_a_connection_lives_on_after_answers_errors_and_streams(
    nursery: trio.Nursery,
) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            for _ in range(3):
                for body, status in [
                    (chat(), 200),
                    (chat(temperature=9), 400),
                    (chat(stream=True), 200),
                    (b"nonsense", 400),
                    (chat("[fail upstream_error]"), 502),
                    (chat("[fail upstream_error after 1]", stream=True), 200),
                ]:
                    await client.send(request(body))
                    answer = await client.answer()
                    assert answer.status == status
                    if "text/event-stream" in answer.headers["content-type"]:
                        assert data_of(answer.body)[-1] == "[DONE]"
                await client.send(request(b"", method="GET", path="/v1/models"))
                assert (await client.answer()).status == 200
                await client.send(request(b"{}", token="wrong"))
                assert (await client.answer()).status == 401
                await client.send(request(b"", method="GET", path="/nowhere"))
                assert (await client.answer()).status == 404


async def test_requests_that_come_at_once_are_answered_in_their_order(
    nursery: trio.Nursery,
) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(b"".join(request(chat(f"[say {n}]")) for n in range(3)))
            texts = [
                json.loads((await client.answer()).body)["choices"][0]["message"]["content"]
                for _ in range(3)
            ]
    assert texts == ["0", "1", "2"]


async def test_a_large_body_that_waits_to_be_asked_for_is_asked_for(nursery: trio.Nursery) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            data = json.dumps(chat("x" * 2_000_000 + "[say Yes]")).encode()
            await client.send(request(data, more="expect: 100-continue\r\n")[: -len(data)])
            assert (await client.head()).status == 100
            await client.send(data)
            assert (await client.answer()).status == 200


async def test_a_body_that_is_declared_too_large_is_refused_and_the_connection_closed(
    nursery: trio.Nursery,
) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(
                f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n"
                f"content-length: {10**9}\r\n\r\n".encode()
            )
            answer = await client.answer()
            assert (answer.status, answer.headers["connection"]) == (413, "close")
            assert await client.ended()


@pytest.mark.parametrize("path", ["/health", "/v1/models", PATH])
async def test_a_connection_that_idles_too_long_is_closed(path: str, nursery: trio.Nursery) -> None:
    async with Server(keep_alive=0.1) as server:
        await start(nursery, server)
        async with await server.connect() as client:
            for _ in range(2):
                method = "POST" if path == PATH else "GET"
                await client.send(request(chat(), method=method, path=path))
                assert (await client.answer()).status == 200
            with trio.fail_after(2):
                assert await client.ended()


async def test_a_silent_stream_is_not_an_idle_connection(nursery: trio.Nursery) -> None:
    async with Server(keep_alive=0.05) as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(chat("[say a b] [slow 0.3]", stream=True)))
            assert data_of((await client.answer()).body)[-1] == "[DONE]"


async def test_a_reader_who_stalls_for_too_long_is_given_up_and_its_run_with_it(
    nursery: trio.Nursery,
) -> None:
    channel = PlayedChannel([(TextDelta("x" * 10_000),)] * 10_000, words("Yes."))
    async with Server(channel, write_timeout=0.2) as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(chat(stream=True)))
            with trio.fail_after(3):
                await channel.was_left.wait()
        assert (await server.ask()).status == 200


async def test_a_reader_who_falls_behind_gets_every_byte(nursery: trio.Nursery) -> None:
    said = [f"{number} {'x' * 20_000}" for number in range(200)]
    async with Server(PlayedChannel(words(*said))) as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(chat(stream=True)))
            await client.head()
            await trio.testing.wait_all_tasks_blocked()
            body = b""
            while piece := await client.chunk():
                body += piece
    assert text_of(chunks_of(body)) == "".join(said)


async def test_the_secret_is_asked_for_before_a_body_is_sent(nursery: trio.Nursery) -> None:
    async with Server() as server:
        await start(nursery, server)
        async with await server.connect() as client:
            await client.send(request(b"x" * 1000, token="wrong")[:-900])
            assert (await client.answer()).status == 401
