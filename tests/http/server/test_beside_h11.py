"""The two parsers beside each other: the same bytes get the same answers, but for what is listed here."""

import json
from collections.abc import Iterator

import h11
import pytest
import trio

from greenroom.http.config import Http1
from greenroom.http.exchange import App, Event, Receive, Scope, Send
from greenroom.http.server.listener import Server, open_listener
from tests.conftest import Lines

Answered = tuple[int, frozenset[tuple[bytes, bytes]], bytes]
Heard = tuple[list[Answered], bool]
"""The answers, each with its headers as a set, and whether the connection was kept."""


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell what was asked, in the way that the path says."""
    assert scope["type"] == "http"
    path: str = scope["path"]
    body = b""
    more = path != "/early"
    while more:
        event = await receive()
        assert event["type"] == "http.request"
        body += event.get("body", b"")
        more = event.get("more_body", False)
    told = {
        "method": scope["method"],
        "path": path,
        "raw_path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
        "version": scope["http_version"],
        "scheme": scope["scheme"],
        "headers": [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]],
        "body": body.decode("latin-1"),
    }
    text = json.dumps(told).encode()
    start: Event = {"type": "http.response.start", "status": 200, "headers": []}
    start["headers"].append((b"content-type", b"application/json"))
    match path:
        case "/crash":
            raise ValueError("as asked")
        case "/empty":
            start["status"], start["headers"] = 204, [(b"x-a", b"b")]
            await send(start)
            await send({"type": "http.response.body", "body": b""})
        case "/stream":
            await send(start)
            for n in range(0, len(text), 50):
                piece = text[n : n + 50]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})
        case "/close":
            start["headers"].append((b"connection", b"close"))
            await send(start)
            await send({"type": "http.response.body", "body": text})
        case _:
            start["headers"].append((b"content-length", str(len(text)).encode()))
            await send(start)
            await send({"type": "http.response.body", "body": text})


def get(target: str = "/a", more: str = "", version: str = "1.1", method: str = "GET") -> bytes:
    return f"{method} {target} HTTP/{version}\r\nhost: localhost\r\n{more}\r\n".encode()


def post(body: bytes, more: str = "", target: str = "/a") -> bytes:
    return get(target, f"content-length: {len(body)}\r\n{more}", method="POST") + body


CHUNKED = get("/a", "transfer-encoding: chunked\r\n", method="POST")

CORPUS: dict[str, bytes] = {
    "a request": get(),
    "a query": get("/a%20b%C3%A4/?q=1&r=%20?"),
    "an encoded slash": get("/a%2Fb"),
    "every method": b"".join(get(method=m) for m in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS")),
    "OPTIONS *": get("*", method="OPTIONS"),
    "headers as they are": get(more="X-A: b\r\nx-a:c\r\nX-B:\t d \t\r\nx-c:\r\nX-\xe4: e\r\n"[:-9]),
    "a value of bytes": b"GET /a HTTP/1.1\r\nhost: localhost\r\nx: \xff\xfe\r\n\r\n",
    "a body": post(b"abc"),
    "a body of nothing": post(b""),
    "a body of bytes": post(bytes(range(256))),
    "a large body": post(b"x" * 300_000),
    "a body with GET": get(more="content-length: 3\r\n") + b"abc",
    "a body with HEAD": get(more="content-length: 3\r\n", method="HEAD") + b"abc",
    "chunks": CHUNKED + b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
    "chunks with extensions and trailers": CHUNKED + b"3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n",
    "chunks in capitals": CHUNKED.replace(b"chunked", b"CHUNKED") + b"0\r\n\r\n",
    "a size in capitals": CHUNKED + b"0A\r\n" + b"x" * 10 + b"\r\n0\r\n\r\n",
    "pipelined": get("/1") + post(b"abc") + CHUNKED + b"0\r\n\r\n" + get("/2"),
    "a stream": get("/stream"),
    "two streams": get("/stream") * 2,
    "no content": get("/empty") * 2,
    "HEAD": get(method="HEAD") * 2,
    "HEAD of a stream": get("/stream", method="HEAD"),
    "HTTP/1.0": get(version="1.0"),
    "HTTP/1.0 without a host": b"GET /a HTTP/1.0\r\n\r\n",
    "HTTP/1.0 that would stay": get(version="1.0", more="connection: keep-alive\r\n"),
    "a stream to HTTP/1.0": get("/stream", version="1.0"),
    "a client that closes": get(more="connection: close\r\n"),
    "an application that closes": get("/close") + get(),
    "a stream to a client that closes": get("/stream", more="connection: close\r\n"),
    "a crash": get("/crash"),
    "a crash behind an answer": get() + get("/crash") + get(),
    "an early answer": get("/early") + get(),
    "an upgrade that is not taken": get(more="connection: upgrade\r\nupgrade: h2c\r\n"),
    "no host": b"GET /a HTTP/1.1\r\n\r\n",
    "two hosts": get(more="host: localhost\r\n"),
    "two lengths": get(more="content-length: 3\r\ncontent-length: 4\r\n", method="POST") + b"abcd",
    "a length that is none": get(more="content-length: +3\r\n", method="POST") + b"abc",
    "a name with a space": get(more="a : b\r\n"),
    "a line without a colon": get(more="abc\r\n"),
    "NUL": b"GET /a HTTP/1.1\r\nhost: localhost\r\nx: \0\r\n\r\n",
    "a bare carriage return": b"GET /a HTTP/1.1\r\nhost: localhost\r\nx: a\rb\r\n\r\n",
    "a target with a space": get("/a b"),
    "a target of bytes": b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "an unknown coding": get(more="transfer-encoding: gzip\r\n", method="POST"),
    "an unknown method": get(method="FOO"),
    "a method in small letters": get(method="get"),
    "an unknown version": get(version="1.2"),
    "a version to come": get(version="3.0"),
    "a whole URL": get("http://localhost/a?b"),
    "a whole URL of another host": get("http://other/a"),
    "a target without a slash": get("a"),
    "an empty line ahead": b"\r\n" + get(),
    "line feeds alone": b"GET /a HTTP/1.1\nhost: localhost\n\n",
    "a folded header": get(more="x: a\r\n b\r\n"),
    "a control character": get(more="x: \x01\r\n"),
    "the same length twice": get(more="content-length: 0\r\ncontent-length: 0\r\n"),
    "a list of lengths": get(more="content-length: 3, 3\r\n", method="POST") + b"abc",
    "a length and chunks": get(
        more="content-length: 3\r\ntransfer-encoding: chunked\r\n", method="POST"
    ) + b"0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED.replace(b"/1.1", b"/1.0") + b"3\r\nabc\r\n0\r\n\r\n",
    "a size that is none": CHUNKED + b"xyz\r\n",
    "a size with a space": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "a chunk that is longer": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "nonsense behind an answer": get() + b"nonsense\r\n\r\n",
    "an early answer to a body that comes": post(b"x" * 1000, target="/early") + get(),
    "many headers": get(more="".join(f"x-{n}: y\r\n" for n in range(200))),
}  # fmt: skip

STRICTER = "h11 takes it, and what is in front of a gateway may understand it otherwise"
SAID = "what is read is said in another way"
DIFFERENCES: dict[str, str] = {
    "chunks in capitals": SAID + ": as it was sent",
    "line feeds alone": STRICTER,
    "a folded header": STRICTER,
    "a control character": STRICTER,
    "the same length twice": STRICTER,
    "a list of lengths": STRICTER,
    "a length and chunks": STRICTER,
    "chunks in HTTP/1.0": STRICTER,
    "a size with a space": STRICTER,
    "a target without a slash": STRICTER,
    "a whole URL of another host": STRICTER,
    "a method in small letters": STRICTER,
    "an unknown method": "httptools knows those that there are; 501",
    "an unknown version": "h11 takes it for 1.1; 505",
    "a version to come": "h11 takes it for 1.1; 505",
    "an unknown coding": "501 there, and 400 here, as for any other length that is not clear",
    "a whole URL": SAID + ": its path is what it is a URL of (RFC 9112, 3.2.2)",
    "an empty line ahead": "RFC 9112 (2.2) asks to ignore one",
    "many headers": "their number is bounded here; there only their size is",
}
"""Each with its reason; what is not refused here is answered as the others are."""
CLOSING = {
    "HTTP/1.0",
    "HTTP/1.0 without a host",
    "HTTP/1.0 that would stay",
    "a stream to HTTP/1.0",
    "a client that closes",
    "a stream to a client that closes",
}
"""Behind these nothing may come: h11 refuses a request that has anything behind it."""
REFUSED = {
    name
    for name, why in DIFFERENCES.items()
    if why == STRICTER or any(status in why for status in ("400", "501", "505", "bounded"))
}


def heard(data: bytes, requests: list[str]) -> Iterator[Answered]:
    """The answers in `data`; each is whole, or ends with the connection."""
    client = h11.Connection(h11.CLIENT)
    for method in requests:
        if not data:
            return
        client.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
        client.send(h11.EndOfMessage())
        client.receive_data(data)
        event = client.next_event()
        assert isinstance(event, h11.Response), event
        body = b""
        while isinstance(more := client.next_event(), h11.Data):
            body += more.data
        if more is h11.NEED_DATA:
            client.receive_data(b"")
            more = client.next_event()
        assert isinstance(more, h11.EndOfMessage)
        headers = frozenset((n, v) for n, v in event.headers if n != b"date")
        assert b"date" in dict(event.headers) or event.status_code >= 400
        yield event.status_code, headers, body
        data = client.trailing_data[0]
        if client.our_state is not h11.DONE or client.their_state is not h11.DONE:
            assert not data
            return
        client = h11.Connection(h11.CLIENT)


PROBE = b"GET /probe HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


class Site:
    """A server that echoes, and a client that sends bytes and hears everything."""

    def __init__(self, nursery: trio.Nursery, http1: Http1) -> None:
        own = open_listener("127.0.0.1", 0)
        self._address = own.getsockname()
        app: App = echo
        nursery.start_soon(Server(app, own, Lines().log, http1=http1).run)

    async def hear(self, name: str) -> Heard:
        """Send, and then ask once more: whoever answers that has kept the connection."""
        data = CORPUS[name]
        methods = [
            line.split(b" ")[0].decode() for line in data.split(b"\r\n") if b" HTTP/1" in line
        ]
        methods = [m if m in {"HEAD", "PUT", "POST", "OPTIONS"} else "GET" for m in methods]
        async with await trio.open_tcp_stream(*self._address) as stream:
            received = b""
            with trio.fail_after(10):
                try:
                    await stream.send_all(data if name in CLOSING else data + PROBE)
                    async for piece in stream:
                        received += piece
                except trio.BrokenResourceError:
                    assert received, "it hears nothing of why"
        answers = list(heard(received, [*methods, "GET", "GET"]))
        kept = bool(answers) and b'"/probe"' in answers[-1][2]
        return (answers[:-1] if kept else answers), kept


@pytest.mark.parametrize("name", [name for name in CORPUS if name not in DIFFERENCES])
async def test_the_same_bytes_get_the_same_answers(name: str, nursery: trio.Nursery) -> None:
    ours = await Site(nursery, "httptools").hear(name)
    theirs = await Site(nursery, "h11").hear(name)
    assert ours[1] is theirs[1]
    assert len(ours[0]) == len(theirs[0])
    for (status, headers, body), (their_status, their_headers, their_body) in zip(
        *(ours[0], theirs[0]), strict=True
    ):
        assert status == their_status
        if status < 400:
            assert (headers, body) == (their_headers, their_body)
        else:
            # Hypercorn's own refusals say nothing; ours say what is wrong, in the usual envelope.
            assert json.loads(body).keys() == {"error"}
            assert (their_body, dict(their_headers)[b"connection"]) == (b"", b"close")
            assert dict(headers)[b"connection"] == b"close"


@pytest.mark.parametrize("name", DIFFERENCES)
async def test_what_is_different_is_so_for_its_reason(name: str, nursery: trio.Nursery) -> None:
    answers, kept = await Site(nursery, "httptools").hear(name)
    assert (answers, kept) != await Site(nursery, "h11").hear(name)
    if name in REFUSED:
        status, headers, body = answers[-1]
        assert status in {400, 431, 501, 505}
        assert not kept
        assert dict(headers)[b"connection"] == b"close"
        assert json.loads(body)["error"]["type"] == "invalid_request_error"
    else:
        assert kept
        assert {status for status, _, _ in answers} == {200}
