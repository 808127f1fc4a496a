"""Rules of what goes out for an answer."""

import re

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.http.exchange import Header
from greenroom.http.server.answer import Answer, Misused
from greenroom.http.server.head import Head, read_head

JSON = (b"content-type", b"application/json")


def asked(method: str = "GET", version: str = "1.1", more: str = "") -> Head:
    return read_head(f"{method} / HTTP/{version}\r\nhost: h\r\n{more}\r\n".encode())


def understood(data: bytes, method: str = "GET") -> tuple[int, dict[bytes, bytes], bytes]:
    """What a strict client takes an answer for; it has to be whole."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    response = client.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    if event is h11.NEED_DATA:
        client.receive_data(b"")
        event = client.next_event()
    assert isinstance(event, h11.EndOfMessage)
    assert not client.trailing_data[0]
    return response.status_code, dict(response.headers), body


def test_the_head_waits_for_the_first_piece() -> None:
    answer = Answer(asked())
    answer.start(200, [JSON, (b"content-length", b"2")])
    assert not answer.begun
    out = answer.body(b"{}", more=False)
    assert (answer.begun, answer.over, answer.closes) == (True, True, False)
    assert out.startswith(b"HTTP/1.1 200 OK\r\n")
    status, headers, body = understood(out)
    assert (status, body) == (200, b"{}")
    assert set(headers) == {b"content-type", b"content-length", b"date"}
    assert re.fullmatch(rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", headers[b"date"])


def test_an_empty_piece_lets_the_head_go_alone() -> None:
    answer = Answer(asked())
    answer.start(200, [])
    head = answer.body(b"", more=True)
    assert answer.begun
    assert head.endswith(b"\r\n\r\n")
    assert answer.body(b"", more=True) == b""
    assert answer.body(b"abc", more=True) == b"3\r\nabc\r\n"
    assert answer.body(b"d", more=False) == b"1\r\nd\r\n0\r\n\r\n"


def test_a_body_without_a_length_comes_in_chunks() -> None:
    answer = Answer(asked())
    answer.start(200, [])
    out = answer.body(b"abc", more=True) + answer.body(b"", more=False)
    assert not answer.closes
    status, headers, body = understood(out)
    assert (status, body, headers[b"transfer-encoding"]) == (200, b"abc", b"chunked")


def test_to_http_1_0_a_body_without_a_length_ends_with_the_connection() -> None:
    answer = Answer(asked(version="1.0"))
    answer.start(200, [])
    out = answer.body(b"abc", more=False)
    assert answer.closes
    assert out.endswith(b"\r\n\r\nabc")
    assert understood(out)[1].get(b"transfer-encoding") is None


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [("HEAD", 200, b"5"), ("HEAD", 200, None), ("GET", 204, None), ("GET", 304, b"5")],
)
def test_some_answers_have_no_body_whatever_is_sent(
    method: str, status: int, length: bytes | None
) -> None:
    answer = Answer(asked(method))
    answer.start(status, [] if length is None else [(b"content-length", length)])
    out = answer.body(b"abc", more=True) + answer.body(b"de", more=False)
    assert out.endswith(b"\r\n\r\n")
    assert not answer.closes
    _, headers, body = understood(out, method)
    assert body == b""
    assert headers.get(b"content-length") == length


@pytest.mark.parametrize(
    ("request_", "headers"),
    [
        (asked(more="connection: close\r\n"), []),
        (asked(version="1.0"), []),
        (asked(), [(b"connection", b"close")]),
        (asked(), [(b"connection", b"Close")]),
    ],
)
def test_an_answer_says_that_the_connection_closes(request_: Head, headers: list[Header]) -> None:
    answer = Answer(request_)
    answer.start(200, [*headers, (b"content-length", b"0")])
    out = answer.body(b"", more=False)
    assert answer.closes
    assert out.count(b"connection: close\r\n") == 1


def test_that_may_turn_out_until_the_head_is_out() -> None:
    answer = Answer(asked())
    answer.start(200, [])
    answer.closes = True
    assert b"connection: close\r\n" in answer.body(b"", more=True)


@pytest.mark.parametrize(
    ("pieces", "length"),
    [([b"abcd"], b"3"), ([b"ab"], b"3"), ([b"ab", b"cd"], b"3"), ([b"a", b""], b"3"), ([], b"x")],
)
def test_a_body_is_as_long_as_its_head_says(pieces: list[bytes], length: bytes) -> None:
    answer = Answer(asked())
    with pytest.raises(Misused):  # noqa: PT012 - which of them notices is the answer's own affair
        answer.start(200, [(b"content-length", length)])
        for piece in pieces:
            answer.body(piece, more=piece is not pieces[-1])


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"a\r\nset-cookie: b"),
        (b"x", b"a\nb"),
        (b"x", b"a\rb"),
        (b"x", b"a\0b"),
        (b"x\r\ny", b"a"),
    ],
)
def test_a_header_is_one_line(header: Header) -> None:
    answer = Answer(asked())
    answer.start(200, [header])
    with pytest.raises(Misused):
        answer.body(b"", more=False)
    assert not answer.begun


def test_an_answer_has_one_head_and_one_end() -> None:
    answer = Answer(asked())
    with pytest.raises(Misused):
        answer.body(b"", more=True)
    with pytest.raises(Misused):
        answer.start(100, [])
    answer.start(200, [])
    with pytest.raises(Misused):
        answer.start(200, [])
    answer.body(b"", more=False)
    with pytest.raises(Misused):
        answer.body(b"", more=False)


@given(
    pieces=st.lists(st.binary(max_size=200), min_size=1, max_size=6),
    status=st.sampled_from([200, 201, 400, 404, 500, 503]),
    sized=st.booleans(),
)
def test_a_strict_client_reads_what_was_sent(pieces: list[bytes], status: int, sized: bool) -> None:
    answer = Answer(asked())
    length = [(b"content-length", b"%d" % sum(map(len, pieces)))] if sized else []
    answer.start(status, [JSON, *length])
    out = b"".join(answer.body(piece, more=True) for piece in pieces)
    out += answer.body(b"", more=False)
    assert understood(out)[0] == status
    assert understood(out)[2] == b"".join(pieces)
