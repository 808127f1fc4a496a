"""A request goes out as it was written, and an answer streams in as it comes."""

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.channels.transport.proxied import Proxied
from greenroom.actors.channels.transport.transport import Transport
from tests.actors.channels.conftest import LIMITS, STREAM_HEAD, Peer, Upstream, chunked, post, whole


async def test_a_request_arrives_as_it_was_written(
    transport: Transport, upstream: Upstream
) -> None:
    body = b'{"a":  "\xc3\xa9"}'
    async with transport.open(
        post(upstream.url + "/chat?x=1", body, authorization="Bearer k")
    ) as response:
        assert response.status == 200
        assert response.headers["content-type"] == "text/event-stream"
        await whole(response)
    (received,) = upstream.requests
    assert (received.target, received.body) == ("/v1/chat?x=1", body)
    assert received.headers["authorization"] == "Bearer k"
    assert received.headers["accept-encoding"] == "identity"
    assert received.headers["user-agent"] == "greenroom"


async def test_what_one_network_read_brought_is_read_together(
    transport: Transport, upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD)
        await peer.send(b"".join(chunked(b"%d" % number) for number in range(10)))
        await peer.gone()

    upstream.script = script
    async with transport.open(post(upstream.url)) as response:
        assert await response.read() == b"0123456789"


async def test_what_comes_alone_is_read_alone(transport: Transport, upstream: Upstream) -> None:
    taken = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD, chunked(b"one"))
        await taken.wait()
        await peer.send(chunked(b"two"), chunked(b""))

    upstream.script = script
    async with transport.open(post(upstream.url)) as response:
        assert await response.read() == b"one"
        taken.set()
        assert await response.read() == b"two"
        assert await response.read() == b""


async def test_nobody_reading_means_that_the_upstream_waits(
    virtual_time: MockClock, transport: Transport, upstream: Upstream
) -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.send(STREAM_HEAD)
        for _ in range(512):
            await peer.send(chunked(bytes(65536)))
            sent += 1
        await peer.send(chunked(b""))

    upstream.script = script
    async with transport.open(post(upstream.url)) as response:
        await trio.sleep(LIMITS.silence * 10)
        assert sent < 400
        assert len(await whole(response)) == 512 * 65536


async def test_an_error_body_is_read_to_a_bound(transport: Transport, upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(500, b"x" * 1_000_000)

    upstream.script = script
    async with transport.open(post(upstream.url)) as response:
        assert await response.read_error() == b"x" * 65536


async def test_an_error_body_that_does_not_end_costs_no_more_than_seconds(
    virtual_time: MockClock, transport: Transport, upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 500 X\r\ncontent-length: 100\r\n\r\noops")
        await peer.gone()

    upstream.script = script
    started = trio.current_time()
    async with transport.open(post(upstream.url)) as response:
        assert await response.read_error() == b"oops"
    assert trio.current_time() - started == pytest.approx(5, abs=1)


async def test_an_error_body_that_is_cut_is_read_as_far_as_it_goes(
    transport: Transport, upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 500 X\r\ncontent-length: 100\r\n\r\noops")
        await peer.close()

    upstream.script = script
    async with transport.open(post(upstream.url)) as response:
        assert await response.read_error() == b"oops"


async def test_a_redirect_is_an_answer_and_a_cookie_is_not_kept(
    transport: Transport, upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(302, b"", f"location: {upstream.url}/else", "set-cookie: a=b; Path=/")

    upstream.script = script
    for _ in range(2):
        async with transport.open(post(upstream.url)) as response:
            assert response.status == 302
            await whole(response)
    assert [request.target for request in upstream.requests] == ["/v1", "/v1"]
    assert "cookie" not in upstream.requests[1].headers


async def test_a_proxy_of_the_environment_is_used(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{upstream.port}")
    transport = Proxied("local", LIMITS)
    async with transport.open(post("http://models.invalid/v1")) as response:
        await whole(response)
    await transport.aclose()
    assert upstream.requests[0].target == "http://models.invalid/v1"


async def test_signs_of_life_are_enough(
    virtual_time: MockClock, transport: Transport, upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD)
        for _ in range(10):
            await trio.sleep(LIMITS.silence - 1)
            await peer.send(chunked(b":\n\n"))
        await peer.send(chunked(b""))

    upstream.script = script
    async with transport.open(post(upstream.url)) as response:
        assert await whole(response) == b":\n\n" * 10
