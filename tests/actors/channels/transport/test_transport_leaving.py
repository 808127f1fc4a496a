"""However an exchange ends, its connection is closed or free, and its place in the pool too."""

import gc

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.transport.transport import MOST_IDLE, Transport
from tests.actors.channels.conftest import STREAM_HEAD, Peer, Script, Upstream, chunked, post, whole


async def exchange(transport: Transport, url: str) -> None:
    """Ask, and read the answer to its end."""
    async with transport.open(post(url)) as response:
        await whole(response)


@pytest.mark.parametrize("script", [Peer.gone, Peer.hang])
async def test_a_cancelled_exchange_closes_its_connection_at_once(
    transport: Transport, upstream: Upstream, script: Script
) -> None:
    upstream.script = script
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange, transport, upstream.url)
            while not upstream.requests:
                await trio.lowlevel.checkpoint()
            await wait_all_tasks_blocked(0.01)
            assert upstream.open == 1
            scope.cancel()
    await upstream.down_to(0)


async def test_a_cancelled_tls_handshake_closes_its_connection_at_once(
    transport: Transport, upstream: Upstream
) -> None:
    gc.disable()
    try:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(exchange, transport, upstream.url.replace("http:", "https:"))
                while not upstream.open:
                    await trio.lowlevel.checkpoint()
                await wait_all_tasks_blocked(0.01)
                scope.cancel()
        await upstream.down_to(0)
    finally:
        gc.enable()


async def test_leaving_early_closes_the_connection_and_keeps_the_error(
    transport: Transport, upstream: Upstream
) -> None:
    upstream.script = Peer.hang
    error = RuntimeError("ours")

    async def leave() -> None:
        async with transport.open(post(upstream.url)) as response:
            await response.read()
            raise error

    with pytest.raises(RuntimeError) as caught:
        await leave()
    assert caught.value is error
    await upstream.down_to(0)


async def test_leaving_with_much_unread_closes_the_connection(
    transport: Transport, upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD)
        while True:
            await peer.send(chunked(bytes(1000)) * 100)

    upstream.script = script
    async with transport.open(post(upstream.url)) as response:
        assert await response.read()
    await upstream.down_to(0)


def pool_requests() -> int:
    """Return how many places are taken in pools, among all objects there are."""
    gc.collect()
    return sum(type(thing).__name__ == "AsyncPoolRequest" for thing in gc.get_objects())


async def test_an_exchange_may_be_cancelled_anywhere(
    transport: Transport, upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        await peer.stream(*range(3))

    upstream.script = script
    ended = 0

    async def exchange_whole() -> None:
        nonlocal ended
        await exchange(transport, upstream.url)
        ended += 1

    turns = 0
    while ended < 3:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange_whole)
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        await upstream.down_to(1)
        assert pool_requests() == 0
        turns += 1
    assert turns > 10
    assert upstream.open == 1


async def test_one_connection_serves_one_after_another(
    transport: Transport, upstream: Upstream
) -> None:
    for _ in range(200):
        await exchange(transport, upstream.url)
    assert (len(upstream.requests), upstream.served, upstream.open) == (200, 1, 1)


async def test_many_at_once_leave_only_the_idle_ones(
    transport: Transport, upstream: Upstream
) -> None:
    together, many = 0, MOST_IDLE + 16
    everyone = trio.Event()

    async def script(peer: Peer) -> None:
        nonlocal together
        together += 1
        if together == many:
            everyone.set()
        await everyone.wait()
        await peer.stream(1)

    upstream.script = script
    async with trio.open_nursery() as nursery:
        for _ in range(many):
            nursery.start_soon(exchange, transport, upstream.url)
    assert upstream.served == many
    await upstream.down_to(MOST_IDLE)
    await transport.aclose()
    await upstream.down_to(0)
