"""An exchange ends as an answer or as a failure, in its time, wherever it is cut, and leaves nothing."""

from contextlib import suppress

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.channels.transport.direct import Direct
from greenroom.actors.failure import FailureKind, TurnFailed
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
from tests.actors.channels.transport.conftest import ask, closes, who
from tests.conftest import run_in_virtual_time


async def test_a_taker_that_takes_its_time_is_no_silence_of_the_upstream(
    virtual_time: MockClock, direct: Direct, upstream: Upstream
) -> None:
    taken = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD, chunked(b"one"))
        await taken.wait()
        await peer.send(chunked(b"two") + chunked(b""))

    upstream.script = script
    async with direct.open(post(upstream.url)) as response:
        assert await response.read() == b"one"
        await trio.sleep(LIMITS.silence * 3)
        taken.set()
        assert await whole(response) == b"two"


async def test_a_silence_is_a_failure_that_stays(
    virtual_time: MockClock, direct: Direct, upstream: Upstream
) -> None:
    upstream.script = Peer.hang
    async with direct.open(post(upstream.url)) as response:
        assert await response.read() == b"Hel"
        for _ in range(2):
            with pytest.raises(TurnFailed, match="sent nothing more for 30 seconds"):
                await response.read()
            await upstream.down_to(0)


async def test_an_upstream_that_does_not_take_the_request_is_late(
    virtual_time: MockClock, direct: Direct, nursery: trio.Nursery
) -> None:
    async def take_nothing(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    port = await listen(nursery, take_nothing)
    started = trio.current_time()
    with pytest.raises(TurnFailed) as caught:
        async with direct.open(post(f"http://127.0.0.1:{port}/", bytes(50_000_000))):
            raise AssertionError
    assert caught.value.failure.kind == FailureKind.UPSTREAM_TIMEOUT
    assert trio.current_time() - started == pytest.approx(LIMITS.first_byte, abs=1)


async def test_an_answer_to_a_request_that_was_not_heard_out_counts(
    direct: Direct, nursery: trio.Nursery
) -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some(1000)
        await stream.send_all(b"HTTP/1.1 413 X\r\ncontent-length: 5\r\n\r\nlarge")
        await wait_all_tasks_blocked(0.01)
        await stream.aclose()

    port = await listen(nursery, refuse)
    for _ in range(2):
        async with direct.open(post(f"http://127.0.0.1:{port}/", bytes(50_000_000))) as response:
            assert (response.status, await whole(response)) == (413, b"large")


async def test_an_exchange_has_no_task_of_its_own(direct: Direct, upstream: Upstream) -> None:
    upstream.script = closes(2, end=Peer.hang)
    assert await ask(direct, upstream) == 1
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with direct.open(post(upstream.url)) as response:
        await response.read()
        assert trio.lowlevel.current_statistics().tasks_living == tasks


async def test_nothing_is_read_of_an_answer_that_was_left(
    direct: Direct, upstream: Upstream
) -> None:
    upstream.script = Peer.hang
    async with direct.open(post(upstream.url)) as response:
        await response.read()
    with pytest.raises(trio.ClosedResourceError):
        await response.read()


async def test_no_connection_is_left_over_after_the_end(direct: Direct, upstream: Upstream) -> None:
    upstream.script = who
    async with direct.open(post(upstream.url)):
        assert await ask(direct, upstream) == 2
        await direct.aclose()
        await upstream.down_to(1)
    await upstream.down_to(0)


async def test_an_answer_is_the_same_wherever_the_network_cuts_it(
    direct: Direct, upstream: Upstream
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
        async with direct.open(post(upstream.url)) as response:
            assert (response.status, response.headers["x"]) == (200, "y")
            assert await whole(response) == b"abc"
    assert upstream.served == 1


async def test_an_answer_that_the_network_cuts_off_is_a_failure(
    direct: Direct, upstream: Upstream
) -> None:
    data = STREAM_HEAD + chunked(b"ab") + chunked(b"")
    cut = 0

    async def script(peer: Peer) -> None:
        await peer.send(data[:cut])
        await peer.close()

    upstream.script = script
    for cut in range(len(data)):
        with pytest.raises(TurnFailed) as caught:
            async with direct.open(post(upstream.url)) as response:
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
            direct = Direct("local", LIMITS)
            for _ in range(2):
                with suppress(TurnFailed):
                    async with direct.open(post(upstream.url)) as response:
                        body = await whole(response)
                        assert len(body) <= len(b"".join(data))
            await upstream.down_to(1)
            await direct.aclose()
            await upstream.down_to(0)
            nursery.cancel_scope.cancel()

    async def script(peer: Peer) -> None:
        for piece in data:
            await peer.send(piece)
            await wait_all_tasks_blocked(0.001)
        await end(peer)

    run_in_virtual_time(main, clock=MockClock(autojump_threshold=0.01), instruments=())
