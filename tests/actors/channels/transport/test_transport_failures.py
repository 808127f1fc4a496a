"""Whatever goes wrong out there is a failure of its kind, within its time, and shows no secret."""

import socket
from typing import NoReturn

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.channels.transport.transport import Transport
from greenroom.actors.failure import FailureKind, TurnFailed
from tests.actors.channels.conftest import (
    STREAM_HEAD,
    Peer,
    Script,
    Upstream,
    chunked,
    listen,
    post,
    whole,
)


async def fails(transport: Transport, url: str) -> TurnFailed:
    """Return how asking `url`, or reading its answer, fails."""
    with pytest.raises(TurnFailed) as caught:
        async with transport.open(post(url)) as response:
            await whole(response)
    return caught.value


async def trickle_head(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        await peer.send(b"y")
        await trio.sleep(0.4)


async def reset_within(peer: Peer) -> None:
    await peer.send(STREAM_HEAD, chunked(b"Hel"))
    await peer.reset()


async def close_within(peer: Peer) -> None:
    await peer.send(STREAM_HEAD, chunked(b"Hel"))
    await peer.close()


async def close_within_a_chunk(peer: Peer) -> None:
    await peer.send(STREAM_HEAD, b"10\r\nHel")
    await peer.close()


async def cut_body(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nHel")
    await peer.close()


async def reset_before_the_end(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\nHel")
    await peer.reset()


async def no_http(peer: Peer) -> None:
    await peer.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    await peer.close()


async def no_chunks(peer: Peer) -> None:
    await peer.send(STREAM_HEAD, b"not a size\r\n")
    await peer.gone()


async def endless_head(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 1_000_000)
    await peer.gone()


BROKEN = FailureKind.UPSTREAM_ERROR
SLOW = FailureKind.UPSTREAM_TIMEOUT


@pytest.mark.parametrize(
    ("script", "kind", "complaint"),
    [
        (Peer.gone, SLOW, "began no answer within 20 seconds"),
        (trickle_head, SLOW, "began no answer within 20 seconds"),
        (Peer.hang, SLOW, "sent nothing more for 30 seconds"),
        (Peer.reset, BROKEN, "closed the connection without a proper answer"),
        (Peer.close, BROKEN, "closed the connection without a proper answer"),
        (no_http, BROKEN, "closed the connection without a proper answer"),
        (endless_head, BROKEN, "closed the connection without a proper answer"),
        (reset_within, BROKEN, "broke off its answer"),
        (close_within, BROKEN, "broke off its answer"),
        (close_within_a_chunk, BROKEN, "broke off its answer"),
        (cut_body, BROKEN, "broke off its answer"),
        (reset_before_the_end, BROKEN, "broke off its answer"),
        (no_chunks, BROKEN, "broke off its answer"),
    ],
)
async def test_a_hostile_upstream_is_a_failure(
    virtual_time: MockClock,
    transport: Transport,
    upstream: Upstream,
    script: Script,
    kind: FailureKind,
    complaint: str,
) -> None:
    upstream.script = script
    failure = (await fails(transport, upstream.url)).failure
    assert (failure.kind, failure.message) == (kind, f"The provider 'local' {complaint}.")
    await upstream.down_to(0)


async def test_what_came_before_a_reset_is_read_before_it_fails(
    transport: Transport, upstream: Upstream
) -> None:
    upstream.script = close_within
    async with transport.open(post(upstream.url)) as response:
        assert await response.read() == b"Hel"
        with pytest.raises(TurnFailed):
            await response.read()


async def test_a_refused_connection(transport: Transport) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        failed = await fails(transport, f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
    assert failed.failure.kind == BROKEN
    assert (
        failed.failure.message == "The provider 'local' could not be reached (connection refused)."
    )


class NoNames(trio.abc.HostnameResolver):
    """Knows no name at all."""

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the name that trio's interface gives it
        proto: int = 0,
        flags: int = 0,
    ) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(
        self, sockaddr: tuple[str, int] | tuple[str, int, int, int], flags: int
    ) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def test_a_name_that_does_not_exist(transport: Transport) -> None:
    trio.socket.set_custom_hostname_resolver(NoNames())
    failed = await fails(transport, "http://models.invalid/v1")
    assert failed.failure.kind == BROKEN
    assert (
        failed.failure.message
        == "The provider 'local' could not be reached (its name has no address)."
    )


async def test_a_server_that_does_not_speak_tls(
    transport: Transport, nursery: trio.Nursery
) -> None:
    async def speak_plainly(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await stream.aclose()

    port = await listen(nursery, speak_plainly)
    failed = await fails(transport, f"https://127.0.0.1:{port}/v1")
    assert failed.failure.kind == BROKEN
    assert "(it does not speak TLS as we do)" in failed.failure.message


async def test_a_connection_that_never_gets_ready(
    virtual_time: MockClock, transport: Transport, upstream: Upstream
) -> None:
    failed = await fails(transport, upstream.url.replace("http:", "https:"))
    assert failed.failure.kind == SLOW
    assert (
        failed.failure.message == "The provider 'local' accepted no connection within 10 seconds."
    )
    await upstream.down_to(0)


@pytest.mark.parametrize("key", ["sk-x\r\nhost: else", "sk-\x00"])
async def test_a_malformed_key_is_a_failure_that_does_not_show_it(
    transport: Transport, upstream: Upstream, key: str
) -> None:
    with pytest.raises(TurnFailed) as caught:
        async with transport.open(post(upstream.url, authorization=f"Bearer {key}")):
            raise AssertionError
    assert caught.value.failure.kind == BROKEN
    assert "sk-" not in caught.value.failure.message
    assert caught.value.__cause__ is None
    assert upstream.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "models",
        "ftp://127.0.0.1/v1",
        "http://[::",
        "http://x:99999/",
        "http://x..y/",
        f"https://{'x' * 64}/",
    ],
)
async def test_a_malformed_address_is_a_failure(transport: Transport, url: str) -> None:
    failure = (await fails(transport, url)).failure
    assert failure.kind == BROKEN
    assert "its address, its key or one of its headers is malformed" in failure.message


async def test_a_request_shows_no_secret() -> None:
    assert "hunter2" not in repr(
        post("http://user:hunter2@host/", b"hunter2", authorization="hunter2")
    )
