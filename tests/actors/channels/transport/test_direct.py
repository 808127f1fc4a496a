"""Connections that wait are used again, the last one first, and only where that is safe."""

from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.channels.transport.direct import Direct
from greenroom.actors.channels.transport.transport import IDLE_TIME
from greenroom.actors.failure import UNREACHABLE, FailureKind, TurnFailed
from tests.actors.channels.conftest import (
    LIMITS,
    STREAM_HEAD,
    Peer,
    Script,
    Upstream,
    chunked,
    listen,
    post,
    whole,
)
from tests.conftest import run_in_virtual_time


@pytest.fixture
async def transport() -> AsyncGenerator[Direct]:
    transport = Direct("local", LIMITS)
    yield transport
    await transport.aclose()


async def who(peer: Peer) -> None:
    """Answer with which connection it is."""
    await peer.answer(200, b"%d" % peer.serial)


async def ask(transport: Direct, upstream: Upstream) -> int:
    """Return which connection answered."""
    async with transport.open(post(upstream.url)) as response:
        return int(await whole(response))


async def test_the_connection_that_was_used_last_is_used_first(
    transport: Direct, upstream: Upstream
) -> None:
    upstream.script = who
    url = upstream.url
    async with transport.open(post(url)) as one, transport.open(post(url)) as other:
        assert [await whole(one), await whole(other)] == [b"1", b"2"]
    assert [await ask(transport, upstream) for _ in range(3)] == [1, 1, 1]
    async with transport.open(post(url)) as one, transport.open(post(url)) as other:
        assert [await whole(one), await whole(other)] == [b"1", b"2"]


async def test_a_connection_that_waited_too_long_is_closed(
    virtual_time: MockClock, transport: Direct, upstream: Upstream
) -> None:
    upstream.script = who
    for _ in range(3):
        assert await ask(transport, upstream) == 1
        await trio.sleep(IDLE_TIME - 1)
    await trio.sleep(1)
    assert await ask(transport, upstream) == 2
    await upstream.down_to(1)


async def test_a_connection_comes_back_and_those_too_old_are_closed(
    virtual_time: MockClock, transport: Direct, upstream: Upstream
) -> None:
    upstream.script = who
    url = upstream.url
    async with transport.open(post(url)):
        assert await ask(transport, upstream) == 2
        await trio.sleep(IDLE_TIME)
        assert upstream.open == 2
    await upstream.down_to(1)
    assert await ask(transport, upstream) == 1


async def test_an_answer_that_nobody_read_is_whole_all_the_same(
    transport: Direct, upstream: Upstream
) -> None:
    upstream.script = who
    async with transport.open(post(upstream.url)) as response:
        assert response.status == 200
    assert await ask(transport, upstream) == 1


@pytest.mark.parametrize("farewell", ["connection: close", "Connection: x, CLOSE"])
async def test_an_upstream_that_says_farewell_is_not_asked_again(
    transport: Direct, upstream: Upstream, farewell: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(200, b"%d" % peer.serial, farewell)

    upstream.script = script
    assert [await ask(transport, upstream) for _ in range(2)] == [1, 2]
    await upstream.down_to(0)


@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
async def test_a_connection_that_the_upstream_closed_is_not_used(
    transport: Direct, upstream: Upstream, end: Script
) -> None:
    async def script(peer: Peer) -> None:
        await who(peer)
        await end(peer)

    upstream.script = script
    for number in (1, 2):
        assert await ask(transport, upstream) == number
        await wait_all_tasks_blocked(0.01)
    assert len(upstream.requests) == 2


async def test_a_connection_with_bytes_that_nobody_asked_for_is_not_used(
    transport: Direct, upstream: Upstream
) -> None:
    answered = trio.Event()

    async def script(peer: Peer) -> None:
        await who(peer)
        await answered.wait()
        await peer.answer(200, b"0")

    upstream.script = script
    assert await ask(transport, upstream) == 1
    answered.set()
    await wait_all_tasks_blocked(0.01)
    assert await ask(transport, upstream) == 2
    await upstream.down_to(1)


async def test_two_answers_to_one_request_are_a_failure(
    transport: Direct, upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1" * 2)
        await peer.gone()

    upstream.script = script
    async with transport.open(post(upstream.url)) as response:
        assert await response.read() == b"1"
        for _ in range(2):
            with pytest.raises(TurnFailed, match="broke off its answer"):
                await response.read()
    await upstream.down_to(0)


# Asking again


def closes(*numbers: int, end: Script = Peer.close) -> Script:
    """Write the script of an upstream that hears, and closes at these requests of all."""
    heard = 0

    async def script(peer: Peer) -> None:
        nonlocal heard
        heard += 1
        await (end(peer) if heard in numbers else who(peer))

    return script


async def fails(transport: Direct, upstream: Upstream) -> str:
    with pytest.raises(TurnFailed) as caught:
        await ask(transport, upstream)
    return caught.value.failure.message.removeprefix("The provider 'local' ")


@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
async def test_a_request_that_met_a_closing_connection_is_asked_again(
    transport: Direct, upstream: Upstream, end: Script
) -> None:
    upstream.script = closes(2, end=end)
    assert [await ask(transport, upstream) for _ in range(3)] == [1, 2, 2]
    assert len(upstream.requests) == 4
    assert upstream.requests[1] == upstream.requests[2]


async def test_it_is_asked_again_over_a_fresh_connection(
    transport: Direct, upstream: Upstream
) -> None:
    upstream.script = closes(3)
    async with transport.open(post(upstream.url)), transport.open(post(upstream.url)):
        pass
    assert [await ask(transport, upstream) for _ in range(2)] == [3, 3]


async def test_it_is_asked_again_once(transport: Direct, upstream: Upstream) -> None:
    upstream.script = closes(2, 3)
    assert await ask(transport, upstream) == 1
    complaint = "closed the connection without a proper answer."
    assert await fails(transport, upstream) == complaint
    assert len(upstream.requests) == 3


async def test_a_fresh_connection_that_closes_is_not_asked_again(
    transport: Direct, upstream: Upstream
) -> None:
    upstream.script = closes(1)
    assert "without a proper answer" in await fails(transport, upstream)
    assert len(upstream.requests) == 1


async def test_a_request_that_may_have_been_heard_is_not_said_to_be_unsent(
    transport: Direct, nursery: trio.Nursery
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
    async with transport.open(post(url)):
        pass
    for code in (None, UNREACHABLE):
        with pytest.raises(
            TurnFailed, match=r"could not be reached \(connection refused\)"
        ) as caught:
            async with transport.open(post(url)):
                raise AssertionError
        assert caught.value.failure.code == code


async def test_what_was_answered_by_a_byte_is_not_asked_again(
    transport: Direct, upstream: Upstream
) -> None:
    async def a_byte(peer: Peer) -> None:
        await peer.send(b"H")
        await peer.close()

    upstream.script = closes(2, end=a_byte)
    assert await ask(transport, upstream) == 1
    assert "without a proper answer" in await fails(transport, upstream)
    assert len(upstream.requests) == 2


async def test_what_is_late_is_not_asked_again(
    virtual_time: MockClock, transport: Direct, upstream: Upstream
) -> None:
    upstream.script = closes(2, end=Peer.gone)
    assert await ask(transport, upstream) == 1
    assert await fails(transport, upstream) == "began no answer within 20 seconds."
    assert len(upstream.requests) == 2
    await upstream.down_to(0)


# Time


async def test_a_taker_that_takes_its_time_is_no_silence_of_the_upstream(
    virtual_time: MockClock, transport: Direct, upstream: Upstream
) -> None:
    taken = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD, chunked(b"one"))
        await taken.wait()
        await peer.send(chunked(b"two") + chunked(b""))

    upstream.script = script
    async with transport.open(post(upstream.url)) as response:
        assert await response.read() == b"one"
        await trio.sleep(LIMITS.silence * 3)
        taken.set()
        assert await whole(response) == b"two"


async def test_a_silence_is_a_failure_that_stays(
    virtual_time: MockClock, transport: Direct, upstream: Upstream
) -> None:
    upstream.script = Peer.hang
    async with transport.open(post(upstream.url)) as response:
        assert await response.read() == b"Hel"
        for _ in range(2):
            with pytest.raises(TurnFailed, match="sent nothing more for 30 seconds"):
                await response.read()
            await upstream.down_to(0)


async def test_an_upstream_that_does_not_take_the_request_is_late(
    virtual_time: MockClock, transport: Direct, nursery: trio.Nursery
) -> None:
    async def take_nothing(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    port = await listen(nursery, take_nothing)
    started = trio.current_time()
    with pytest.raises(TurnFailed) as caught:
        async with transport.open(post(f"http://127.0.0.1:{port}/", bytes(50_000_000))):
            raise AssertionError
    assert caught.value.failure.kind == FailureKind.UPSTREAM_TIMEOUT
    assert trio.current_time() - started == pytest.approx(LIMITS.first_byte, abs=1)


async def test_an_answer_to_a_request_that_was_not_heard_out_counts(
    transport: Direct, nursery: trio.Nursery
) -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some(1000)
        await stream.send_all(b"HTTP/1.1 413 X\r\ncontent-length: 5\r\n\r\nlarge")
        await wait_all_tasks_blocked(0.01)
        await stream.aclose()

    port = await listen(nursery, refuse)
    for _ in range(2):
        async with transport.open(post(f"http://127.0.0.1:{port}/", bytes(50_000_000))) as response:
            assert (response.status, await whole(response)) == (413, b"large")


# Leaving


async def test_an_exchange_has_no_task_of_its_own(transport: Direct, upstream: Upstream) -> None:
    upstream.script = closes(2, end=Peer.hang)
    assert await ask(transport, upstream) == 1
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with transport.open(post(upstream.url)) as response:
        await response.read()
        assert trio.lowlevel.current_statistics().tasks_living == tasks


async def test_nothing_is_read_of_an_answer_that_was_left(
    transport: Direct, upstream: Upstream
) -> None:
    upstream.script = Peer.hang
    async with transport.open(post(upstream.url)) as response:
        await response.read()
    with pytest.raises(trio.ClosedResourceError):
        await response.read()


async def test_no_connection_is_left_over_after_the_end(
    transport: Direct, upstream: Upstream
) -> None:
    upstream.script = who
    async with transport.open(post(upstream.url)):
        assert await ask(transport, upstream) == 2
        await transport.aclose()
        await upstream.down_to(1)
    await upstream.down_to(0)


async def test_an_answer_is_the_same_wherever_the_network_cuts_it(
    transport: Direct, upstream: Upstream
) -> None:
    data = (
        b"HTTP/1.1 100 X\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx: y\r\n\r\n"
        b"2;z\r\nab\r\n1\r\nc\r\n0\r\nt: u\r\n\r\n"
    )
    cuts = list(range(len(data)))

    async def script(peer: Peer) -> None:
        cut = cuts.pop()
        await peer.send(data[:cut])
        await wait_all_tasks_blocked(0.001)
        await peer.send(data[cut:])

    upstream.script = script
    while cuts:
        async with transport.open(post(upstream.url)) as response:
            assert (response.status, response.headers["x"]) == (200, "y")
            assert await whole(response) == b"abc"
    assert upstream.served == 1


async def test_an_answer_that_the_network_cuts_off_is_a_failure(
    transport: Direct, upstream: Upstream
) -> None:
    data = STREAM_HEAD + chunked(b"ab") + chunked(b"")
    cut = 0

    async def script(peer: Peer) -> None:
        await peer.send(data[:cut])
        await peer.close()

    upstream.script = script
    for cut in range(len(data)):
        with pytest.raises(TurnFailed) as caught:
            async with transport.open(post(upstream.url)) as response:
                await whole(response)
        assert caught.value.failure.kind == FailureKind.UPSTREAM_ERROR
        said = "broke off" if cut >= len(STREAM_HEAD) else "without a proper answer"
        assert said in caught.value.failure.message
    assert len(upstream.requests) == len(data)


pieces = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [
            STREAM_HEAD,
            chunked(b"ab"),
            chunked(b""),
            b"HTTP/1.1 ",
            b"HTTP/1.1 200 OK\r\n",
            b"content-length: 2\r\n",
            b"\r\n",
            b"x" * 70_000,
        ]
    ),
)


@given(st.lists(pieces, max_size=6), st.sampled_from([Peer.close, Peer.reset, Peer.gone]))
def test_whatever_comes_is_an_answer_or_a_failure(data: list[bytes], end: Script) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            upstream = Upstream()
            upstream.port = await listen(nursery, upstream.serve)
            upstream.script = script
            transport = Direct("local", LIMITS)
            for _ in range(2):
                with suppress(TurnFailed):
                    async with transport.open(post(upstream.url)) as response:
                        body = await whole(response)
                        assert len(body) <= len(b"".join(data))
            await upstream.down_to(1)
            await transport.aclose()
            await upstream.down_to(0)
            nursery.cancel_scope.cancel()

    async def script(peer: Peer) -> None:
        for piece in data:
            await peer.send(piece)
            await wait_all_tasks_blocked(0.001)
        await end(peer)

    run_in_virtual_time(main, clock=MockClock(autojump_threshold=0.01), instruments=())
