"""A request that meets a connection which is just being closed is asked again, once, and only then."""

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.channels.transport.direct import Direct
from greenroom.actors.failure import UNREACHABLE, TurnFailed
from tests.actors.channels.conftest import Peer, Script, Upstream, post
from tests.actors.channels.transport.conftest import ask, closes


async def fails(direct: Direct, upstream: Upstream) -> str:
    with pytest.raises(TurnFailed) as caught:
        await ask(direct, upstream)
    return caught.value.failure.message.removeprefix("The provider 'local' ")


@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
async def test_a_request_that_met_a_closing_connection_is_asked_again(
    direct: Direct, upstream: Upstream, end: Script
) -> None:
    upstream.script = closes(2, end=end)
    assert [await ask(direct, upstream) for _ in range(3)] == [1, 2, 2]
    assert len(upstream.requests) == 4
    assert upstream.requests[1] == upstream.requests[2]


async def test_it_is_asked_again_over_a_fresh_connection(
    direct: Direct, upstream: Upstream
) -> None:
    upstream.script = closes(3)
    async with direct.open(post(upstream.url)), direct.open(post(upstream.url)):
        pass
    assert [await ask(direct, upstream) for _ in range(2)] == [3, 3]


async def test_it_is_asked_again_once(direct: Direct, upstream: Upstream) -> None:
    upstream.script = closes(2, 3)
    assert await ask(direct, upstream) == 1
    complaint = "closed the connection without a proper answer."
    assert await fails(direct, upstream) == complaint
    assert len(upstream.requests) == 3


async def test_a_fresh_connection_that_closes_is_not_asked_again(
    direct: Direct, upstream: Upstream
) -> None:
    upstream.script = closes(1)
    assert "without a proper answer" in await fails(direct, upstream)
    assert len(upstream.requests) == 1


async def test_a_request_that_may_have_been_heard_is_not_said_to_be_unsent(
    direct: Direct, nursery: trio.Nursery
) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            await stream.receive_some()
            await listener.aclose()

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"

    async def serve_one() -> None:
        await serve(await listener.accept())

    nursery.start_soon(serve_one)
    async with direct.open(post(url)):
        pass
    for code in (None, UNREACHABLE):
        with pytest.raises(
            TurnFailed, match=r"could not be reached \(connection refused\)"
        ) as caught:
            async with direct.open(post(url)):
                raise AssertionError
        assert caught.value.failure.code == code


async def test_what_was_answered_by_a_byte_is_not_asked_again(
    direct: Direct, upstream: Upstream
) -> None:
    async def a_byte(peer: Peer) -> None:
        await peer.send(b"H")
        await peer.close()

    upstream.script = closes(2, end=a_byte)
    assert await ask(direct, upstream) == 1
    assert "without a proper answer" in await fails(direct, upstream)
    assert len(upstream.requests) == 2


async def test_what_is_late_is_not_asked_again(
    virtual_time: MockClock, direct: Direct, upstream: Upstream
) -> None:
    upstream.script = closes(2, end=Peer.gone)
    assert await ask(direct, upstream) == 1
    assert await fails(direct, upstream) == "began no answer within 20 seconds."
    assert len(upstream.requests) == 2
    await upstream.down_to(0)
