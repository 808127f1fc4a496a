"""A request goes out as it was written, and an answer streams in as it comes."""

from socket import AF_INET, IPPROTO_TCP, SOCK_STREAM
from typing import Any, NoReturn

import pytest
import trio
from trio.testing import MockClock

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


async def test_what_an_address_says_of_a_user_is_not_sent(
    transport: Transport, upstream: Upstream
) -> None:
    async with transport.open(post(upstream.url.replace("//", "//user:hunter2@"))) as response:
        await whole(response)
    (received,) = upstream.requests
    assert received.headers["host"] == f"127.0.0.1:{upstream.port}"
    assert "hunter2" not in repr(received)
    assert "authorization" not in received.headers


async def test_interim_answers_are_skipped(transport: Transport, upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 X\r\nlink: y\r\n\r\n")
        await peer.answer(200, b"done", "a: b", "A: c")

    upstream.script = script
    async with transport.open(post(upstream.url)) as response:
        assert (response.status, response.headers["a"]) == (200, "b, c")
        assert "link" not in response.headers
        assert await whole(response) == b"done"


async def test_a_body_may_last_until_the_upstream_closes(
    transport: Transport, upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n", b"one", b"two")
        await peer.close()

    upstream.script = script
    async with transport.open(post(upstream.url)) as response:
        assert await whole(response) == b"onetwo"
    await upstream.down_to(0)


async def test_an_answer_may_have_no_body(transport: Transport, upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    upstream.script = script
    for _ in range(2):
        async with transport.open(post(upstream.url)) as response:
            assert (response.status, await response.read()) == (204, b"")
    assert upstream.served == 1


async def test_a_read_that_is_cancelled_loses_nothing(
    transport: Transport, upstream: Upstream
) -> None:
    goes_on = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD, b"3\r\no")
        await goes_on.wait()
        await peer.send(b"ne\r\n" + chunked(b""))

    upstream.script = script
    async with transport.open(post(upstream.url)) as response:
        assert await response.read() == b"o"
        for _ in range(3):
            with trio.move_on_after(0.001):
                await response.read()
        goes_on.set()
        assert await whole(response) == b"ne"


async def test_a_large_request_arrives_whole(transport: Transport, upstream: Upstream) -> None:
    body = bytes(range(256)) * 20_000
    async with transport.open(post(upstream.url, body)) as response:
        await whole(response)
    assert upstream.requests[0].body == body


class Names(trio.abc.HostnameResolver):
    """Knows one name, of two addresses, at the first of which nobody listens."""

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the name that trio's interface gives it
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        assert host == b"models.example"
        assert isinstance(port, int)
        addresses = ("127.0.0.2", "127.0.0.1")
        return [(AF_INET, SOCK_STREAM, IPPROTO_TCP, "", (name, port)) for name in addresses]

    async def getnameinfo(
        self, sockaddr: tuple[str, int] | tuple[str, int, int, int], flags: int
    ) -> NoReturn:
        raise NotImplementedError


async def test_a_name_leads_to_whichever_of_its_addresses_answers(
    transport: Transport, upstream: Upstream
) -> None:
    trio.socket.set_custom_hostname_resolver(Names())
    async with transport.open(post(f"http://models.example:{upstream.port}/v1")) as response:
        await whole(response)
    assert upstream.requests[0].headers["host"] == f"models.example:{upstream.port}"


async def test_an_address_of_version_6_is_one(
    transport: Transport, upstream: Upstream, nursery: trio.Nursery
) -> None:
    try:
        (listener,) = await trio.open_tcp_listeners(0, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    nursery.start_soon(trio.serve_listeners, upstream.serve, [listener])
    port = listener.socket.getsockname()[1]
    async with transport.open(post(f"http://[::1]:{port}/v1")) as response:
        await whole(response)
    assert upstream.requests[0].headers["host"] == f"[::1]:{port}"
