"""Connections that wait are used again, the last one first, and only where that is safe."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.channels.transport.direct import Direct
from greenroom.actors.channels.transport.transport import IDLE_TIME
from greenroom.actors.failure import TurnFailed
from tests.actors.channels.conftest import Peer, Script, Upstream, post, whole
from tests.actors.channels.transport.conftest import ask, who


async def test_the_connection_that_was_used_last_is_used_first(
    direct: Direct, upstream: Upstream
) -> None:
    upstream.script = who
    url = upstream.url
    async with direct.open(post(url)) as one, direct.open(post(url)) as other:
        assert [await whole(one), await whole(other)] == [b"1", b"2"]
    assert [await ask(direct, upstream) for _ in range(3)] == [1, 1, 1]
    async with direct.open(post(url)) as one, direct.open(post(url)) as other:
        assert [await whole(one), await whole(other)] == [b"1", b"2"]


async def test_a_connection_that_waited_too_long_is_closed(
    virtual_time: MockClock, direct: Direct, upstream: Upstream
) -> None:
    upstream.script = who
    for _ in range(3):
        assert await ask(direct, upstream) == 1
        await trio.sleep(IDLE_TIME - 1)
    await trio.sleep(1)
    assert await ask(direct, upstream) == 2
    await upstream.down_to(1)


async def test_a_connection_comes_back_and_those_too_old_are_closed(
    virtual_time: MockClock, direct: Direct, upstream: Upstream
) -> None:
    upstream.script = who
    url = upstream.url
    async with direct.open(post(url)):
        assert await ask(direct, upstream) == 2
        await trio.sleep(IDLE_TIME)
        assert upstream.open == 2
    await upstream.down_to(1)
    assert await ask(direct, upstream) == 1


async def test_an_answer_that_nobody_read_is_whole_all_the_same(
    direct: Direct, upstream: Upstream
) -> None:
    upstream.script = who
    async with direct.open(post(upstream.url)) as response:
        assert response.status == 200
    assert await ask(direct, upstream) == 1


@pytest.mark.parametrize("farewell", ["connection: close", "Connection: x, CLOSE"])
async def test_an_upstream_that_says_farewell_is_not_asked_again(
    direct: Direct, upstream: Upstream, farewell: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(200, b"%d" % peer.serial, farewell)

    upstream.script = script
    assert [await ask(direct, upstream) for _ in range(2)] == [1, 2]
    await upstream.down_to(0)


@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
async def test_a_connection_that_the_upstream_closed_is_not_used(
    direct: Direct, upstream: Upstream, end: Script
) -> None:
    async def script(peer: Peer) -> None:
        await who(peer)
        await end(peer)

    upstream.script = script
    for number in (1, 2):
        assert await ask(direct, upstream) == number
        await wait_all_tasks_blocked(0.01)
    assert len(upstream.requests) == 2


async def test_a_connection_with_bytes_that_nobody_asked_for_is_not_used(
    direct: Direct, upstream: Upstream
) -> None:
    answered = trio.Event()

    async def script(peer: Peer) -> None:
        await who(peer)
        await answered.wait()
        await peer.answer(200, b"0")

    upstream.script = script
    assert await ask(direct, upstream) == 1
    answered.set()
    await wait_all_tasks_blocked(0.01)
    assert await ask(direct, upstream) == 2
    await upstream.down_to(1)


async def test_two_answers_to_one_request_are_a_failure(direct: Direct, upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1" * 2)
        await peer.gone()

    upstream.script = script
    async with direct.open(post(upstream.url)) as response:
        assert await response.read() == b"1"
        for _ in range(2):
            with pytest.raises(TurnFailed, match="broke off its answer"):
                await response.read()
    await upstream.down_to(0)
