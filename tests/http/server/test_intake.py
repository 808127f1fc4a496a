"""Rules of what is a request: what is taken, what is refused, and that the cuts mean nothing."""

import re
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greenroom.http.server.head import Head
from greenroom.http.server.intake import HeadLimits, Intake
from greenroom.http.server.refused import Refused

LINE = b"POST /p HTTP/1.1\r\nhost: h\r\n"
CHUNKED = LINE + b"transfer-encoding: chunked\r\n\r\n"
Request = tuple[str, str, list[tuple[bytes, bytes]], bytes]
Reading = tuple[list[Request], str]


def read(
    pieces: Iterable[bytes], limits: HeadLimits | None = None, *, whole: bool = False
) -> Reading:
    """Read requests; what they are, and how it ended: their rest in bytes, or why it was refused.

    A body is asked for as a `whole` one before it is asked for as it comes.
    """
    intake = Intake(limits or HeadLimits())
    requests: list[Request] = []
    head: Head | None = None
    body = b""
    try:
        for piece in pieces:
            intake.feed(piece)
            while True:
                if head is None:
                    head = intake.head()
                    body = b""
                if head is None:
                    break
                if whole:
                    body += intake.whole_body() or b""
                if not intake.body_ended:
                    body += intake.body()
                if not intake.body_ended:
                    break
                requests.append((head.method, head.path, head.headers, body))
                head = None
    except Refused as refused:
        return requests, f"{refused.status} {refused.code}"
    return requests, "" if head is None and not intake.held else "more"


def bodies(data: bytes) -> list[bytes]:
    requests, end = read([data])
    assert end == ""
    return [body for *_, body in requests]


# What is a request


def test_requests_follow_each_other() -> None:
    data = (
        b"GET /a%20b?q=1 HTTP/1.1\r\nHost: h\r\nX-A:\t v \t\r\n\r\n"
        + LINE + b"content-length: 3\r\n\r\nabc"
        + CHUNKED + b"3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nx: y\r\n\r\n"
        + b"DELETE /c HTTP/1.0\r\n\r\n"
    )  # fmt: skip
    requests, end = read([data])
    assert end == ""
    assert [(method, path, body) for method, path, _, body in requests] == [
        ("GET", "/a b", b""),
        ("POST", "/p", b"abc"),
        ("POST", "/p", b"abcd"),
        ("DELETE", "/c", b""),
    ]
    assert requests[0][2] == [(b"host", b"h"), (b"x-a", b"v")]


def test_one_empty_line_is_forgiven_behind_a_body() -> None:
    data = LINE + b"content-length: 1\r\n\r\na"
    assert bodies(data + b"\r\n" + data) == [b"a", b"a"]
    assert read([data + b"\r\n\r\n" + data])[1].startswith("400")


def head_of(data: bytes) -> Head:
    intake = Intake(HeadLimits())
    intake.feed(data)
    head = intake.head()
    assert head is not None
    return head


@pytest.mark.parametrize(
    ("line", "keeps"),
    [
        (b"GET / HTTP/1.1\r\n", True),
        (b"GET / HTTP/1.1\r\nconnection: keep-alive\r\n", True),
        (b"GET / HTTP/1.1\r\nconnection: Close\r\n", False),
        (b"GET / HTTP/1.1\r\nconnection: x, close\r\n", False),
        (b"GET / HTTP/1.1\r\nconnection: x\r\nconnection: close\r\n", False),
        (b"GET / HTTP/1.1\r\nconnection: closed\r\n", True),
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n", False),
        (b"CONNECT h:1 HTTP/1.1\r\n", False),
    ],
)
def test_what_keeps_a_connection(line: bytes, keeps: bool) -> None:
    assert head_of(line + b"host: h\r\n\r\n").keeps is keeps


@pytest.mark.parametrize(
    ("more", "expects"),
    [
        (b"expect: 100-continue\r\ncontent-length: 1\r\n", True),
        (b"expect: 100-Continue\r\ntransfer-encoding: chunked\r\n", True),
        (b"expect: 100-continue\r\n", False),
        (b"expect: 100-continue\r\ncontent-length: 0\r\n", False),
        (b"expect: something\r\ncontent-length: 1\r\n", False),
    ],
)
def test_who_wants_to_be_asked_for_a_body(more: bytes, expects: bool) -> None:
    assert head_of(LINE + more + b"\r\n").expects is expects


UPGRADE = b"host: h\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n"


@pytest.mark.parametrize(
    ("data", "websocket"),
    [
        (b"GET / HTTP/1.1\r\n" + UPGRADE, True),
        (b"GET / HTTP/1.0\r\n" + UPGRADE, False),
        (b"POST / HTTP/1.1\r\n" + UPGRADE, False),
        (b"GET / HTTP/1.1\r\n" + UPGRADE + b"content-length: 1\r\n", False),
        (b"GET / HTTP/1.1\r\nhost: h\r\nupgrade: websocket\r\n", False),
        (b"GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: h2c\r\n", False),
    ],
)
def test_who_wants_to_speak_websocket(data: bytes, websocket: bool) -> None:
    assert head_of(data + b"\r\n").websocket is websocket


def test_an_upgrade_that_is_not_taken_changes_nothing_about_the_body() -> None:
    more = b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 3\r\n\r\nabc"
    assert bodies(LINE + more + LINE + b"\r\n") == [b"abc", b""]


@pytest.mark.parametrize(
    ("target", "raw_path", "query"),
    [
        (b"/", b"/", b""),
        (b"/a?b?c", b"/a", b"b?c"),
        (b"*", b"*", b""),
        (b"http://h/a?b", b"/a", b"b"),
        (b"HTTP://H", b"/", b""),
        (b"http://h?b", b"/", b"b"),
        (b"https://h/", b"/", b""),
    ],
)
def test_a_target_may_be_a_whole_url_of_the_same_host(
    target: bytes, raw_path: bytes, query: bytes
) -> None:
    head = head_of(b"GET " + target + b" HTTP/1.1\r\nhost: h\r\n\r\n")
    assert (head.raw_path, head.query) == (raw_path, query)


def test_a_head_is_written_as_it_was_read() -> None:
    data = b"GET /a%20b?q HTTP/1.1\r\nhost: h\r\nx: y\r\n\r\n"
    assert head_of(data).encode() == data


# What is none

REFUSED: dict[str, bytes] = {
    "two lengths": LINE + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "the same length twice": LINE + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    "a list of lengths": LINE + b"content-length: 3, 3\r\n\r\nabc",
    "a length with a sign": LINE + b"content-length: +3\r\n\r\nabc",
    "a length below zero": LINE + b"content-length: -3\r\n\r\nabc",
    "a length in hexadecimal": LINE + b"content-length: 0x3\r\n\r\nabc",
    "a length with a space": LINE + b"content-length: 3 3\r\n\r\nabc",
    "an empty length": LINE + b"content-length:\r\n\r\nabc",
    "a length past 64 bits": LINE + b"content-length: 99999999999999999999\r\n\r\nabc",
    "a length and chunks": LINE + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": LINE + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
    "chunked twice": LINE + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
    "chunked in a list": LINE + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked first in a list": LINE + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "nearly chunked": LINE + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with a tab": LINE + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "identity": LINE + b"transfer-encoding: identity\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded header": LINE + b"a: b\r\n c\r\n\r\n",
    "a folded length": LINE + b"content-length:\r\n 3\r\n\r\nabc",
    "a header that begins with white space": b"GET / HTTP/1.1\r\n host: h\r\n\r\n",
    "a space before a colon": LINE + b"content-length : 3\r\n\r\nabc",
    "a tab before a colon": LINE + b"content-length\t: 3\r\n\r\nabc",
    "a header without a colon": LINE + b"abc\r\n\r\n",
    "a header without a name": LINE + b": b\r\n\r\n",
    "a name of bytes": LINE + b"a\xe9: b\r\n\r\n",
    "a bare carriage return": LINE + b"a: b\rc: d\r\n\r\n",
    "a carriage return too many": LINE + b"a: b\r\r\n\r\n",
    "a bare line feed": LINE + b"a: b\nc: d\r\n\r\n",
    "line feeds alone": b"GET / HTTP/1.1\nhost: h\n\n",
    "NUL in a value": LINE + b"a: \0\r\n\r\n",
    "NUL in a name": LINE + b"a\0: b\r\n\r\n",
    "NUL in a target": b"GET /\0 HTTP/1.1\r\nhost: h\r\n\r\n",
    "a control character": LINE + b"a: \x01\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nhost: h\r\nhost: h\r\n\r\n",
    "a target of another host": b"GET http://other/ HTTP/1.1\r\nhost: h\r\n\r\n",
    "a target of bytes": b"GET /\xff HTTP/1.1\r\nhost: h\r\n\r\n",
    "a target with a space": b"GET /a b HTTP/1.1\r\nhost: h\r\n\r\n",
    "a target without a slash": b"GET a HTTP/1.1\r\nhost: h\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nhost: h\r\n\r\n",
    "a space at the end": b"GET / HTTP/1.1 \r\nhost: h\r\n\r\n",
    "a tab for a space": b"GET\t/ HTTP/1.1\r\nhost: h\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "another protocol": b"OPTIONS / RTSP/1.0\r\nhost: h\r\n\r\n",
    "a small letter": b"get / HTTP/1.1\r\nhost: h\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "zeros": bytes(100),
    "two empty lines": b"\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n",
    "a chunk without a size": CHUNKED + b"\r\nabc\r\n",
    "a size that is none": CHUNKED + b"xyz\r\n",
    "a size with 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a size with a sign": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "a size below zero": CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "a size with a space": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "a size behind a space": CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
    "a size with an underscore": CHUNKED + b"1_0\r\n" + bytes(16) + b"\r\n0\r\n\r\n",
    "a size past 60 bits": CHUNKED + b"1000000000000000\r\n",
    "a size behind a line feed": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "an extension with a line feed": CHUNKED + b"3;a\n\r\nabc\r\n0\r\n\r\n",
    "an extension with NUL": CHUNKED + b"3;\0\r\nabc\r\n0\r\n\r\n",
    "an extension without an end": CHUNKED + b"3;" + b"a" * 300,
    "a chunk that is longer": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "a chunk that is shorter": CHUNKED + b"3\r\nab\r\n0\r\n\r\n",
    "a trailer without a colon": CHUNKED + b"0\r\nabc\r\n\r\n",
    "a trailer with a space before its colon": CHUNKED + b"0\r\na : b\r\n\r\n",
    "trailers without an end": CHUNKED + b"0\r\n" + b"a: b\r\n" * 3000,
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_might_be_understood_in_two_ways_is_refused(name: str) -> None:
    requests, end = read([REFUSED[name]])
    assert end == "400 malformed_request"
    assert len(requests) <= 1


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"FOO / HTTP/1.1\r\nhost: h\r\n\r\n", "501 unknown_method"),
        (b"GET / HTTP/1.2\r\nhost: h\r\n\r\n", "505 unknown_version"),
        (b"GET / HTTP/2.0\r\nhost: h\r\n\r\n", "505 unknown_version"),
        (b"GET / HTTP/3.0\r\nhost: h\r\n\r\n", "505 unknown_version"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 unknown_version"),
    ],
)
def test_what_is_not_spoken_here_is_named(data: bytes, end: str) -> None:
    assert read([data]) == ([], end)


LIMITS = HeadLimits(size=200, line=50, fields=4)


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"GET /" + b"a" * 36 + b" HTTP/1.1\r\nhost: h\r\n\r\n", ""),
        (b"GET /" + b"a" * 37 + b" HTTP/1.1\r\nhost: h\r\n\r\n", "414 uri_too_long"),
        (b"GET /" + b"a" * 1000, "414 uri_too_long"),
        (LINE + b"a: " + b"b" * 166 + b"\r\n\r\n", ""),
        (LINE + b"a: " + b"b" * 167 + b"\r\n\r\n", "431 head_too_large"),
        (LINE + b"a: b\r\n" * 1000, "431 head_too_large"),
        (LINE + b"a: b\r\n" * 3 + b"\r\n", ""),
        (LINE + b"a: b\r\n" * 4 + b"\r\n", "431 too_many_headers"),
        (CHUNKED + b"0\r\n\r\n", ""),
    ],
)
def test_a_head_has_its_bounds_to_the_byte(data: bytes, end: str) -> None:
    assert read([data], LIMITS)[1] == end
    assert read([data[n : n + 1] for n in range(len(data))], LIMITS)[1] == end


def test_a_request_is_refused_as_soon_as_it_can_be_none() -> None:
    for name, data in REFUSED.items():
        if not re.search(rb"\r\n\r\n", data):
            assert read([data])[1] != "more", name


# Cuts

fragments = st.sampled_from(
    [
        *REFUSED.values(), LINE, CHUNKED, b"\r\n", b"\r", b"\n", b"GET / HTTP/1.1\r\nhost: h\r\n\r\n",
        LINE + b"content-length: 5\r\n\r\nabcde", CHUNKED + b"2\r\nab\r\n0\r\n\r\n", b"3\r\nabc\r\n",
        b"0\r\n\r\n", b"content-length: 1\r\n", b"a" * 60, b"x: y\r\n", b"\0", b"GET", b" ",
    ]
)  # fmt: skip
streams = st.lists(st.one_of(fragments, st.binary(max_size=20)), max_size=5).map(b"".join)


@given(data=streams, cuts=st.lists(st.integers(0, 400), max_size=8), small=st.booleans())
@example(data=b"\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n", cuts=[1], small=False)
@example(data=b"FOO / HTTP/1.1\r\nhost: h\r\na\n\r\n\r\n", cuts=[20], small=False)
@example(data=b"GET /" + b"a" * 37 + b" HTTP/1.1\r\n\0", cuts=[51, 52], small=True)
def test_the_cuts_mean_nothing(data: bytes, cuts: list[int], small: bool) -> None:
    limits = LIMITS if small else HeadLimits()
    whole = read([data], limits)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert read(pieces, limits) == whole
    assert read([data[n : n + 1] for n in range(len(data))], limits) == whole
    assert read(pieces, limits, whole=True) == whole
    assert read([data], limits, whole=True) == whole


# Anything


@given(data=st.one_of(st.binary(max_size=300), streams))
def test_whatever_comes_it_is_a_request_or_refused(data: bytes) -> None:
    requests, end = read([data])
    assert end in {"", "more"} or re.fullmatch(r"(400|414|431|501|505) [a-z_]+", end)
    for method, path, headers, _ in requests:
        assert method.isascii()
        assert path
        for name, value in headers:
            assert re.fullmatch(rb"[!#$%&'*+.^_`|~0-9a-z-]+", name)
            assert not re.search(rb"[\r\n\0]", value)


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=2000), max_size=5),
    extension=st.sampled_from([b"", b";a", b';a="b c"', b";\xff"]),
    trailer=st.sampled_from([b"", b"x: y\r\n"]),
    cuts=st.lists(st.integers(0, 10_000), max_size=5),
)
def test_a_body_in_chunks_comes_out_as_it_went_in(
    pieces: list[bytes], extension: bytes, trailer: bytes, cuts: list[int]
) -> None:
    chunks = b"".join(b"%X%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    data = CHUNKED + chunks + b"0\r\n" + trailer + b"\r\n" + LINE + b"\r\n"
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    requests, end = read([data[a:b] for a, b in pairwise(places)])
    assert end == ""
    assert [body for *_, body in requests] == [b"".join(pieces), b""]
