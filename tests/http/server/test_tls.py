"""Rules of TLS on the listener: both versions of HTTP by ALPN, a certificate that changes, no harm."""

import ssl
from pathlib import Path

import pytest
import trio
import trustme

from greenroom.http.config import Http1, HttpLimits, Tls
from greenroom.http.exchange import App, Exchange, Receive, Scope, Send
from greenroom.http.server.listener import Server, open_listener
from greenroom.http.server.tls import CannotLoad, Certificate
from tests.conftest import Lines
from tests.http.server.http2_client import Http2Client

GET = b"GET /a HTTP/1.1\r\nhost: localhost\r\n\r\n"


def issue(folder: Path, authority: trustme.CA, name: str = "localhost") -> Tls:
    """Write a certificate and its key into a folder, in the place of what is there."""
    issued = authority.issue_cert(name)
    files = Tls(folder / "certificate.pem", folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(files.certificate)
    issued.private_key_pem.write_to_path(files.key)
    return files


async def told(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with how it was asked."""
    exchange = Exchange(scope, receive, send)
    body = await exchange.read_body(10**6, 10)
    text = f"{scope['scheme']} {scope['http_version']} {scope['path']} {len(body)}".encode()
    await exchange.respond(200, (), text)


class Site:
    """A server with a certificate of its own authority."""

    def __init__(
        self,
        folder: Path,
        http1: Http1 = "httptools",
        app: App = told,
        limits: HttpLimits | None = None,
    ) -> None:
        self.folder = folder
        self.lines = Lines()
        self.authority = trustme.CA()
        self.certificate = Certificate(issue(folder, self.authority))
        own = open_listener("127.0.0.1", 0)
        self.address = own.getsockname()
        self.server = Server(
            app, own, self.lines.log, limits, http1=http1, certificate=self.certificate
        )

    def context(self, *protocols: str) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.load_verify_locations(cadata=self.authority.cert_pem.bytes().decode())
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    async def connect(self, context: ssl.SSLContext) -> trio.SSLStream[trio.SocketStream]:
        tcp = await trio.open_tcp_stream(*self.address)
        stream = trio.SSLStream(tcp, context, server_hostname="localhost", https_compatible=True)
        try:
            await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return stream


async def read_until(stream: trio.abc.ReceiveStream, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        piece = await stream.receive_some()
        assert piece, f"it ended after {data!r}"
        data += piece
    return data


@pytest.mark.parametrize("http1", ["httptools", "h11"])
@pytest.mark.parametrize("protocols", [(), ("http/1.1",)])
async def test_http_1_1_over_tls_keeps_its_connection(
    protocols: tuple[str, ...], http1: Http1, nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = Site(tmp_path, http1)
    nursery.start_soon(site.server.run)
    async with await site.connect(site.context(*protocols)) as stream:
        for _ in range(3):
            await stream.send_all(GET)
            assert (await read_until(stream, b"https 1.1 /a 0")).startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_would_have_http_2_gets_it(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    nursery.start_soon(site.server.run)
    stream = await site.connect(site.context("h2", "http/1.1"))
    assert stream.selected_alpn_protocol() == "h2"
    async with Http2Client(stream) as client:
        for n in range(3):
            answer = await client.ask("POST", "/a", b"x" * n)
            assert (answer.status, answer.body) == (200, b"https 2 /a %d" % n)


async def test_cleartext_on_a_port_with_tls_is_no_request(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    nursery.start_soon(site.server.run)
    async with await trio.open_tcp_stream(*site.address) as stream:
        await stream.send_all(GET)
        received = b""
        with trio.fail_after(5):
            async for piece in stream:
                received += piece
        assert b"HTTP" not in received
    async with await site.connect(site.context()) as secure:
        await secure.send_all(GET)
        assert await read_until(secure, b"https 1.1 /a 0")
    assert not site.lines.all("http.connection_failed")


async def test_versions_before_1_2_are_not_spoken(nursery: trio.Nursery, tmp_path: Path) -> None:
    site = Site(tmp_path)
    nursery.start_soon(site.server.run)
    context = site.context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(trio.BrokenResourceError):
        await site.connect(context)


async def test_new_connections_get_the_new_certificate_and_old_ones_go_on(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    nursery.start_soon(site.server.run)
    async with await site.connect(site.context()) as old:
        before = site.context()
        site.authority = trustme.CA()
        issue(tmp_path, site.authority)
        assert site.certificate.refresh()
        async with await site.connect(site.context()) as new:
            for stream in (old, new):
                await stream.send_all(GET)
                assert await read_until(stream, b"https 1.1 /a 0")
        with pytest.raises(trio.BrokenResourceError):
            await site.connect(before)


async def test_a_pair_that_does_not_fit_changes_nothing(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    nursery.start_soon(site.server.run)
    assert not site.certificate.refresh()
    for content in (b"", b"nonsense", trustme.CA().issue_cert("x").private_key_pem.bytes()):
        (tmp_path / "key.pem").write_bytes(content)
        with pytest.raises(CannotLoad, match=r"no certificate in .*certificate\.pem with its key"):
            site.certificate.refresh()
        assert not site.certificate.refresh(), "it is told once"
        async with await site.connect(site.context()) as stream:
            await stream.send_all(GET)
            assert await read_until(stream, b"https 1.1 /a 0")
    (tmp_path / "key.pem").unlink()
    with pytest.raises(CannotLoad, match="No such file"):
        site.certificate.refresh()


def test_a_key_with_a_password_asks_nobody_for_it(tmp_path: Path) -> None:
    files = issue(tmp_path, trustme.CA())
    locked = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAw\n-----END ENCRYPTED PRIVATE KEY-----\n"
    files.key.write_bytes(locked)
    with pytest.raises(CannotLoad):
        Certificate(files)


async def test_a_stop_waits_for_no_handshake(nursery: trio.Nursery, tmp_path: Path) -> None:
    site = Site(tmp_path)
    nursery.start_soon(site.server.run)
    async with await trio.open_tcp_stream(*site.address) as stream:
        await stream.send_all(b"\x16\x03\x01")
        await trio.sleep(0.05)
        site.server.stop()
        with trio.fail_after(5):
            await site.server.ended()


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
async def test_a_stop_closes_idle_connections_at_once(
    protocol: str, nursery: trio.Nursery, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    nursery.start_soon(site.server.run)
    stream = await site.connect(site.context(protocol))
    if protocol == "h2":
        client = Http2Client(stream)
        await client.ask("GET", "/a")
    else:
        await stream.send_all(GET)
        await read_until(stream, b"https 1.1 /a 0")
    site.server.stop()
    with trio.fail_after(5):
        await site.server.ended()
    await trio.aclose_forcefully(stream)
