"""Requests that are malformed, endless, ambiguous or hostile: refused, and nothing behind them heard."""

import json
import re

import pytest

from tests.attacks.conftest import MIB, Target, chat
from tests.http.conftest import PATH
from tests.http.server.test_hostile_bytes import HOSTILE
from tests.peer import Peer, post
from tests.processes import TOKEN

START = f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n".encode()
CHUNKED = START + b"transfer-encoding: chunked\r\n\r\n"
BEHIND = b"GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"

WITHOUT_END = {
    "a request line": (b"GET /", b"a" * 4096),
    "a header's name": (b"GET / HTTP/1.1\r\n", b"a" * 4096),
    "a header's value": (b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ", b"a" * 4096),
    "headers": (b"GET / HTTP/1.1\r\nhost: localhost\r\n", b"a: b\r\n" * 700),
    "a body": (CHUNKED, b"1000\r\n" + b" " * 4096 + b"\r\n"),
    "a chunk's size": (CHUNKED, b"0" * 4096),
    "a chunk's extension": (CHUNKED + b"1;", b"a" * 4096),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"a: b\r\n" * 700),
}

NONSENSE = {
    "a size of no digits": CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "a negative size": CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "a size with a sign": CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n",
    "a size with 0x": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a size past 64 bits": CHUNKED + b"10000000000000002\r\n{}\r\n0\r\n\r\n",
    "a chunk that is longer": CHUNKED + b"2\r\n{}}\r\n0\r\n\r\n",
    "a chunk that is shorter": CHUNKED + b"5\r\n{}\r\n0\r\n\r\n",
    "a negative length": START + b"content-length: -1\r\n\r\n{}",
    "a length with a sign": START + b"content-length: +2\r\n\r\n{}",
    "a length with a fraction": START + b"content-length: 2.0\r\n\r\n{}",
    "a length in hexadecimal": START + b"content-length: 0x2\r\n\r\n{}",
    "an empty length": START + b"content-length: \r\n\r\n",
    "a length of many digits": START + b"content-length: " + b"9" * 400 + b"\r\n\r\n{}",
    "two lengths": START + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
    "a list of lengths": START + b"content-length: 2, 3\r\n\r\n{} ",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a space in a header's name": START + b"x y: z\r\n\r\n",
    "a space before a colon": START + b"content-length : 2\r\n\r\n{}",
    "NUL in a header": START + b"x: \0\r\n\r\n",
    "two hosts": START + b"host: other\r\ncontent-length: 2\r\n\r\n{}",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
}

SMUGGLING = {
    "a length and chunks": START + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": START + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
    "chunks twice": START + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunks not last": START + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an unknown coding": START + b"transfer-encoding: xchunked\r\ncontent-length: 2\r\n\r\n{}",
    "a coding in quotes": START + b'transfer-encoding: "chunked"\r\ncontent-length: 2\r\n\r\n{}',
    "two codings": START + b"transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded coding": START + b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab": START + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": START + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    "line feeds alone": START.replace(b"\r\n", b"\n") + b"content-length: 2\n\n{}",
    "a carriage return alone": START + b"x: y\rtransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED.replace(b"/1.1", b"/1.0") + b"0\r\n\r\n",
    "a space behind a size": CHUNKED + b"0 \r\n\r\n",
    "line feeds between chunks": CHUNKED + b"2\n{}\n0\n\n",
    "the same length twice": START + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
}  # fmt: skip
"""What two programs might understand in two ways."""


def refused(peer: Peer) -> bytes:
    """Read to the end of the connection; see that there is one answer, a refusal."""
    said = peer.rest()
    assert len(re.findall(rb"HTTP/1\.1 \d", said)) == 1, said
    assert 400 <= int(said[9:12]) < 600
    assert int(said[9:12]) in {400, 408, 413, 414, 431, 501, 505}
    assert b"/smuggled" not in said
    return said


@pytest.mark.parametrize("name", WITHOUT_END)
def test_what_has_no_end_is_refused_where_it_is_too_much(target: Target, name: str) -> None:
    beginning, more = WITHOUT_END[name]
    with target.connect() as peer:
        peer.send(beginning)
        sent = 0
        while peer.send_if_open(more) and not peer.has_news():
            sent += len(more)
            assert sent < 16 * MIB
        refused(peer)


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_refused_and_closed(target: Target, name: str) -> None:
    with target.connect() as peer:
        peer.send(NONSENSE[name] + BEHIND)
        refused(peer)


@pytest.mark.parametrize("name", SMUGGLING)
def test_what_could_be_understood_in_two_ways_is_refused(target: Target, name: str) -> None:
    with target.connect() as peer:
        peer.send(SMUGGLING[name] + BEHIND)
        if target.http1 == "httptools":
            assert refused(peer)[9:12] == b"400"
        else:
            # Hypercorn's own takes some of them in the way that the RFC has for them.
            assert peer.answer().status >= 400


@pytest.mark.parametrize("name", HOSTILE)
def test_bytes_that_are_known_to_kill_do_not(target: Target, name: str) -> None:
    with target.connect() as peer:
        peer.send_if_open(HOSTILE[name])
        peer.end()
        peer.rest()


def body(**changes: object) -> bytes:
    asked = {"model": "openclaw", "messages": [{"role": "user", "content": "[say a]"}]}
    return json.dumps(asked | changes).encode()


BODIES = {
    "no UTF-8": body().replace(b"say a", b"say \xff\xfe"),
    "half a surrogate": body().replace(b"openclaw", b"\xed\xa0\x80"),
    "UTF-8 that is too long": body().replace(b"say a", b"say \xc0\xaf"),
    "no UTF-8 in a key": body().replace(b'"model"', b'"mod\xffel"'),
    "arrays in arrays": b"[" * 500_000,
    "objects in objects": b'{"a":' * 100_000,
    "depth in a field": body(metadata={}).replace(b"{}", b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "depth in a tool": body(tools=[]).replace(b"[]}", b"[" * 5000 + b"]" * 5000 + b"}"),
    "a huge integer": body(max_tokens=0).replace(b": 0", b": " + b"9" * 100_000),
    "a huge negative integer": body(seed=0).replace(b": 0", b": -" + b"9" * 5000),
    "a huge exponent": body(temperature=0).replace(b": 0", b": 1e999999999"),
    "a huge fraction": body(temperature=0).replace(b": 0", b": 9." + b"9" * 100_000),
    "not a number": body(temperature=0).replace(b": 0", b": NaN"),
    "infinity": body(top_p=0).replace(b": 0", b": Infinity"),
    "many values": body(metadata={}).replace(b"{}", b"[" + b"[]," * 200_000 + b"[]]"),
    "NUL": body().replace(b"say a", b"say \0"),
    "nothing": b"",
    "zeros": bytes(100_000),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_no_program_reads_is_the_clients_fault(target: Target, name: str) -> None:
    with target.connect() as peer:
        for _ in range(3):
            peer.send(post(PATH, BODIES[name]))
            answer = peer.answer()
            assert answer.status == 400
            assert answer.json()["error"]["type"] == "invalid_request_error"
        peer.send(chat("[say Yes]"))
        assert peer.answer().status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /\xff\xfe%ff%00?\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /%ff%fe%00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        START + b"x-openclaw-session-key: \xff\xfe\r\ncontent-length: 2\r\n\r\n{}",
        START + b"idempotency-key: \xff\r\ncontent-length: 2\r\n\r\n{}",
        START + b"x-openclaw-model: \xc3\x28\r\ncontent-length: 2\r\n\r\n{}",
        b"GET /v1/models HTTP/1.1\r\nhost: \xff\r\nauthorization: Bearer \xff\r\n\r\n",
    ],
)
def test_a_head_that_is_no_text_is_the_clients_fault(target: Target, head: bytes) -> None:
    with target.connect() as peer:
        peer.send(head)
        assert 400 <= peer.answer().status < 500
