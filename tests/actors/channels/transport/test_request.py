"""A request is one request, whatever its headers are: what could become another one is refused."""

import string

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.transport.address import Origin
from greenroom.actors.channels.transport.request import Writer

URL = "https://user:hunter2@Models.example:8443/v1/chat?x=1#part"


def write(body: bytes = b"{}", **headers: str) -> bytes:
    return Writer().write(HttpRequest(URL, headers, body))[1]


def parse(data: bytes) -> tuple[h11.Request, bytes]:
    """Return the one request that `data` is, as a server would read it."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    request = server.next_event()
    assert isinstance(request, h11.Request)
    body = bytearray()
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert server.trailing_data == (b"", False)
    return request, bytes(body)


def test_a_request_says_where_it_goes_and_how_long_it_is() -> None:
    assert write(b"ab", authorization="Bearer k") == (
        b"POST /v1/chat?x=1 HTTP/1.1\r\n"
        b"user-agent: greenroom\r\n"
        b"accept: */*\r\n"
        b"accept-encoding: identity\r\n"
        b"host: models.example:8443\r\n"
        b"authorization: Bearer k\r\n"
        b"content-length: 2\r\n"
        b"\r\n"
        b"ab"
    )


def test_a_head_that_is_kept_is_that_of_its_url_and_headers() -> None:
    writer, headers = Writer(), {"authorization": "Bearer k"}
    urls = [f"http://h{number}/v1" for number in range(20)]
    for url in [*urls, *urls]:
        for headers["authorization"] in ("Bearer k", "Bearer k", "Bearer l"):
            request = HttpRequest(url, headers, url.encode())
            asked = writer.write(request)
            assert asked == Writer().write(request)
            assert asked[0] == Origin(secure=False, host=url[7:-3], port=80)


def test_headers_that_are_given_take_the_place_of_the_usual_ones() -> None:
    given = {"User-Agent": "u", "HOST": "h", "Accept": "a", "ACCEPT-encoding": "gzip"}
    request, _ = parse(Writer().write(HttpRequest(URL, given, b""))[1])
    names = [name for name, _ in request.headers]
    assert sorted(names) == [
        b"accept",
        b"accept-encoding",
        b"content-length",
        b"host",
        b"user-agent",
    ]
    assert dict(request.headers)[b"host"] == b"h"


@pytest.mark.parametrize(
    "value", ["a\r\nhost: else", "a\n", "a\r", "a\x00", "\x1f", "\x7f", "\ud800", "a\r\n\r\nPOST /"]
)
def test_a_value_that_could_be_more_than_one_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"header|surrogates"):
        write(authorization=value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "a\x00", "é", "a\t", "(a)", "a\n"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="header"):
        Writer().write(HttpRequest(URL, {name: "x"}, b""))[1]


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "TRANSFER-ENCODING"])
def test_nobody_else_says_where_a_body_ends(name: str) -> None:
    with pytest.raises(ValueError, match="header"):
        Writer().write(HttpRequest(URL, {name: "5"}, b""))[1]


OURS = {
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "upgrade",
}
"""Names that say something to the server that reads here, or that are sent anyway."""

names = st.text(string.ascii_letters + string.digits + "!#$%&'*+.^_`|~-", min_size=1, max_size=12)
values = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20)


@given(
    st.dictionaries(names.filter(lambda name: name.lower() not in OURS), values, max_size=5),
    st.binary(max_size=2000),
)
def test_what_is_written_is_read_as_it_was_given(headers: dict[str, str], body: bytes) -> None:
    request, read = parse(Writer().write(HttpRequest(URL, headers, body))[1])
    assert (request.method, request.target, read) == (b"POST", b"/v1/chat?x=1", body)
    found = [(name, value) for name, value in request.headers if name.decode() not in OURS]
    assert found == [
        (name.lower().encode(), value.strip(" ").encode()) for name, value in headers.items()
    ]


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_header_is_one_header_or_refused(name: str, value: str) -> None:
    plain = Writer().write(HttpRequest(URL, {}, b""))[1]
    try:
        data = Writer().write(HttpRequest(URL, {name: value}, b""))[1]
    except ValueError:
        return
    assert data.count(b"\r\n") - plain.count(b"\r\n") in {0, 1}
    assert data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n")
