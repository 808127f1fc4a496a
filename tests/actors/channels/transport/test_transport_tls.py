"""Over TLS all is as without, and an upstream that cannot show who it is hears nothing."""

import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trio
import trustme
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.transport.direct import Direct
from greenroom.actors.channels.transport.tls import shared_context
from greenroom.actors.channels.transport.transport import Transport
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

AUTHORITY = trustme.CA()
"""It signs the certificates of the upstreams here."""


@pytest.fixture(autouse=True)
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trust that authority and no other, as the environment can say."""
    file = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    shared_context.cache_clear()
    yield
    shared_context.cache_clear()


def server_context(*names: str, authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with authority.issue_cert(*names).private_key_and_cert_chain_pem.tempfile() as file:
        context.load_cert_chain(file)
    return context


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def context(request: pytest.FixtureRequest) -> ssl.SSLContext:
    """The upstream's, with a certificate for its address."""
    context = server_context("127.0.0.1")
    context.maximum_version = request.param
    return context


Serve = Callable[[ssl.SSLContext], Awaitable[str]]


@pytest.fixture
async def serve(upstream: Upstream, nursery: trio.Nursery) -> Serve:
    """Have the upstream listen with such a context, too; return its URL."""

    async def serve(context: ssl.SSLContext) -> str:
        async def secured(stream: trio.SocketStream) -> None:
            await upstream.serve(
                trio.SSLStream(stream, context, server_side=True, https_compatible=True)
            )

        return f"https://127.0.0.1:{await listen(nursery, secured)}/v1"

    return serve


async def exchange(transport: Transport, url: str, body: bytes = b"{}") -> bytes:
    async with transport.open(post(url, body)) as response:
        return await whole(response)


async def test_one_connection_serves_one_after_another(
    serve: Serve, context: ssl.SSLContext, transport: Transport, upstream: Upstream
) -> None:
    url = await serve(context)
    for number in range(3):
        assert await exchange(transport, url, b"%d" % number) == b"data: [DONE]\n\n"
    assert [request.body for request in upstream.requests] == [b"0", b"1", b"2"]
    assert (upstream.served, upstream.open) == (1, 1)
    await transport.aclose()
    await upstream.down_to(0)


async def test_large_bodies_arrive_whole_both_ways(
    serve: Serve, context: ssl.SSLContext, transport: Transport, upstream: Upstream
) -> None:
    body = bytes(range(256)) * 10_000

    async def script(peer: Peer) -> None:
        await peer.answer(200, body)

    upstream.script = script
    assert await exchange(transport, await serve(context), body) == body
    assert upstream.requests[0].body == body


async def test_what_one_network_read_brought_is_read_together(
    serve: Serve, context: ssl.SSLContext, upstream: Upstream
) -> None:
    sent = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD, *(chunked(b"%d" % number) for number in range(10)))
        sent.set()
        await peer.gone()

    upstream.script = script
    async with Direct("local", LIMITS).open(post(await serve(context))) as response:
        await sent.wait()
        came_with_the_head = await response.read()
        rest = b"" if came_with_the_head.endswith(b"9") else await response.read()
        assert came_with_the_head + rest == b"0123456789"


async def test_a_read_that_is_cancelled_loses_nothing(
    serve: Serve, context: ssl.SSLContext, transport: Transport, upstream: Upstream
) -> None:
    goes_on = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD, chunked(b"one"))
        await goes_on.wait()
        await peer.send(chunked(b"two"), chunked(b""))

    upstream.script = script
    async with transport.open(post(await serve(context))) as response:
        assert await response.read() == b"one"
        for _ in range(3):
            with trio.move_on_after(0.001):
                await response.read()
        goes_on.set()
        assert await whole(response) == b"two"


async def cut(peer: Peer) -> None:
    await peer.send(STREAM_HEAD, chunked(b"Hel"))
    await peer.close()


async def test_an_answer_that_is_cut_is_a_failure(
    serve: Serve, context: ssl.SSLContext, transport: Transport, upstream: Upstream
) -> None:
    upstream.script = cut
    with pytest.raises(TurnFailed, match="broke off its answer"):
        await exchange(transport, await serve(context))
    await upstream.down_to(0)


async def test_a_body_may_last_until_the_upstream_closes(
    serve: Serve, context: ssl.SSLContext, transport: Transport, upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n", b"one", b"two")
        await peer.close()

    upstream.script = script
    assert await exchange(transport, await serve(context)) == b"onetwo"
    await upstream.down_to(0)


@pytest.mark.parametrize(
    ("names", "authority", "complaint"),
    [
        (["127.0.0.1"], trustme.CA(), "unable to get local issuer certificate"),
        (["127.0.0.2", "models.example"], AUTHORITY, "IP address mismatch"),
    ],
)
async def test_an_upstream_that_is_not_the_one_that_was_meant_hears_nothing(
    serve: Serve,
    transport: Transport,
    upstream: Upstream,
    nursery: trio.Nursery,
    names: list[str],
    authority: trustme.CA,
    complaint: str,
) -> None:
    url = await serve(server_context(*names, authority=authority))
    with pytest.raises(TurnFailed) as caught:
        await exchange(transport, url)
    failure = caught.value.failure
    assert (failure.kind, failure.code) == (FailureKind.UPSTREAM_ERROR, UNREACHABLE)
    assert "could not be reached (its certificate is not valid: " in failure.message
    assert complaint in failure.message
    assert upstream.requests == []
    await upstream.down_to(0)


async def test_an_upstream_that_wants_a_certificate_of_ours_is_a_failure(
    serve: Serve, context: ssl.SSLContext, transport: Transport, upstream: Upstream
) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=AUTHORITY.cert_pem.bytes().decode())
    with pytest.raises(TurnFailed) as caught:
        await exchange(transport, await serve(context))
    assert caught.value.failure.kind == FailureKind.UPSTREAM_ERROR
    await upstream.down_to(0)


async def test_a_reset_within_the_handshake_is_no_connection(
    transport: Transport, nursery: trio.Nursery
) -> None:
    async def reset(stream: trio.SocketStream) -> None:
        await stream.receive_some(1)
        await Peer(stream, 1).reset()

    port = await listen(nursery, reset)
    with pytest.raises(TurnFailed) as caught:
        await exchange(transport, f"https://127.0.0.1:{port}/")
    assert caught.value.failure.code == UNREACHABLE
    assert "could not be reached (connection reset by peer)" in caught.value.failure.message


async def test_an_exchange_may_be_cancelled_anywhere(
    serve: Serve, context: ssl.SSLContext, transport: Transport, upstream: Upstream
) -> None:
    url = await serve(context)
    ended = 0

    async def exchange_whole() -> None:
        nonlocal ended
        await exchange(transport, url)
        ended += 1

    turns = 0
    while ended < 3:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange_whole)
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        await upstream.down_to(1)
        turns += 1
    assert turns > 10


@pytest.mark.parametrize("end", [Peer.close, Peer.gone])
async def test_leaving_early_closes_the_connection(
    serve: Serve, context: ssl.SSLContext, transport: Transport, upstream: Upstream, end: Script
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(STREAM_HEAD, chunked(b"Hel"))
        await end(peer)

    upstream.script = script
    async with transport.open(post(await serve(context))) as response:
        assert await response.read() == b"Hel"
    await upstream.down_to(0)


async def test_a_connection_that_the_upstream_closed_is_not_used(
    serve: Serve, context: ssl.SSLContext, transport: Transport, upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(200, b"%d" % peer.serial)
        await peer.close()

    upstream.script = script
    url = await serve(context)
    for number in (b"1", b"2"):
        assert await exchange(transport, url) == number
        await wait_all_tasks_blocked(0.01)
    assert len(upstream.requests) == 2
