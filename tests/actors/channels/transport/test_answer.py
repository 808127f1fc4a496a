"""An answer is the same whatever the cuts are, and what is none is found out within bounds."""

import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greenroom.actors.channels.transport.answer import Answer
from tests.actors.channels.conftest import chunked

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
LIMIT = 64 * 1024


class Read:
    """An answer that came in these pieces, after which the upstream has `closed`, or has not yet."""

    def __init__(self, *pieces: bytes, closed: bool = False) -> None:
        answer = Answer()
        self.body = b""
        for piece in pieces:
            if piece and not answer.ended:
                self.body += answer.feed(piece)
        if closed and not answer.ended:
            answer.end()
        self.status, self.headers = answer.status, answer.headers
        self.over, self.malformed = answer.over, answer.malformed
        self.reusable = answer.reusable
        answer.drop()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Read) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(vars(self))


WHOLE = {
    "a length": (HEAD + b"content-length: 3\r\n\r\nabc", b"abc", True),
    "chunks": (CHUNKED + chunked(b"ab") + chunked(b"c") + chunked(b""), b"abc", True),
    "chunks with extensions": (CHUNKED + b'3;a="b"\r\nabc\r\n0;last\r\n\r\n', b"abc", True),
    "chunks and trailers": (CHUNKED + chunked(b"abc") + b"0\r\nx: y\r\n\r\n", b"abc", True),
    "an empty body": (HEAD + b"content-length: 0\r\n\r\n", b"", True),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "not modified": (b"HTTP/1.1 304 X\r\ncontent-length: 7\r\n\r\n", b"", True),
    "to the end": (HEAD + b"\r\nabc", b"abc", False),
    "to the end in 1.0": (b"HTTP/1.0 200 OK\r\n\r\nabc", b"abc", False),
    "a length in 1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nabc", b"abc", False),
    "a farewell": (HEAD + b"connection: x, Close\r\ncontent-length: 1\r\n\r\na", b"a", False),
    "no reason": (b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", b"", True),
    "interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
        + HEAD
        + b"content-length: 2\r\n\r\nab",
        b"ab",
        True,
    ),
}


@pytest.mark.parametrize(("data", "body", "reusable"), WHOLE.values(), ids=WHOLE)
def test_an_answer_is_the_same_wherever_it_is_cut(data: bytes, body: bytes, reusable: bool) -> None:
    whole = Read(data, closed=True)
    assert (whole.over, whole.malformed, whole.reusable) == (True, False, reusable)
    assert whole.body == body
    for cut in range(len(data) + 1):
        assert Read(data[:cut], data[cut:], closed=True) == whole
    assert Read(*(data[i : i + 1] for i in range(len(data))), closed=True) == whole


@pytest.mark.parametrize(("data", "body", "reusable"), WHOLE.values(), ids=WHOLE)
def test_an_answer_that_is_cut_short_is_none(data: bytes, body: bytes, reusable: bool) -> None:
    for cut in range(len(data)):
        read = Read(data[:cut], closed=True)
        # A body that lasts to the end of the connection cannot be told from the whole of it.
        to_the_end = b"length" not in data and b"chunked" not in data and read.status == 200
        assert read.over == to_the_end
        assert read.malformed == (not to_the_end)
        assert not read.reusable
        assert body.startswith(read.body)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.lists(st.integers(1, 40)))
def test_any_body_in_any_chunks_and_cuts_is_read_as_it_was_written(
    pieces: list[bytes], cuts: list[int]
) -> None:
    data = CHUNKED + b"".join(map(chunked, pieces)) + chunked(b"")
    read: list[bytes] = []
    for cut in cuts:
        read.append(data[:cut])
        data = data[cut:]
    answer = Read(*read, data)
    assert (answer.body, answer.over, answer.reusable) == (b"".join(pieces), True, True)


def test_a_head_is_given_by_lower_case_names_without_white_space_around() -> None:
    data = HEAD + b"A-b:  c d \t\r\nx:\r\nA-B: e\r\nl: \xe9\r\ncontent-length: 0\r\n\r\n"
    assert Read(data).headers == {"a-b": "c d, e", "x": "", "l": "é", "content-length": "0"}


def test_what_an_interim_answer_says_is_not_what_the_answer_says() -> None:
    data, _, _ = WHOLE["interim answers"]
    assert Read(data).headers == {"content-length": "2"}


MALFORMED = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
    "a page": b"<html></html>",
    "another version": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "an old version": b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a status that is none": b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n",
    "a switch": b"HTTP/1.1 101 X\r\nupgrade: y\r\nconnection: upgrade\r\n\r\nz",
    "a switch to nothing": b"HTTP/1.1 101 X\r\n\r\n",
    "two lengths": HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "two lengths in one": HEAD + b"content-length: 1, 2\r\n\r\nab",
    "a length and chunks": HEAD
    + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": HEAD
    + b"transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n0\r\n\r\n",
    "a negative length": HEAD + b"content-length: -1\r\n\r\n",
    "a signed length": HEAD + b"content-length: +1\r\n\r\na",
    "a length beyond all bounds": HEAD + b"content-length: 99999999999999999999\r\n\r\n",
    "another coding": HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks within another coding": HEAD + b"transfer-encoding: chunked, gzip\r\n\r\n",
    "a field without a name": HEAD + b": x\r\n\r\n",
    "white space after a name": HEAD + b"x : y\r\n\r\n",
    "a folded field": HEAD + b"x: y\r\n z\r\n\r\n",
    "a NUL": HEAD + b"x: \x00\r\n\r\n",
    "lines that end otherwise": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "many fields": HEAD + b"x: y\r\n" * 257 + b"\r\n",
    "a long field": HEAD + b"x: " + b"y" * LIMIT,
    "a long name": HEAD + b"y" * LIMIT,
    "a long reason": b"HTTP/1.1 200 " + b"y" * LIMIT,
    "many fields of some length": HEAD + (b"x: " + b"y" * 1000 + b"\r\n") * 70 + b"\r\n",
    "interim answers without end": b"HTTP/1.1 103 X\r\nx: y\r\n\r\n" * 5000,
    "empty lines without end": b"\r\n" * LIMIT,
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("size", [1, 7, 1000, 1_000_000])
def test_what_is_no_answer_has_no_status(data: bytes, size: int) -> None:
    read = Read(*(data[i : i + size] for i in range(0, len(data), size)), closed=True)
    assert (read.status, read.body, read.over, read.malformed) == (0, b"", False, True)
    assert not read.reusable


MALFORMED_BODIES = {
    "a size that is none": CHUNKED + b"2\r\nab\r\nnone\r\n",
    "a size with a prefix": CHUNKED + b"2\r\nab\r\n0x1\r\na\r\n",
    "a negative size": CHUNKED + b"2\r\nab\r\n-1\r\n",
    "a size beyond all bounds": CHUNKED + b"2\r\nab\r\nfffffffffffffffff\r\n",
    "a chunk that is longer": CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
    "lines that end otherwise": CHUNKED + b"2\r\nab\n0\n\n",
    "a length in a trailer": CHUNKED + b"2\r\nab\r\n0\r\ncontent-length: 1\r\n\r\n",
    "many trailers": CHUNKED + b"2\r\nab\r\n0\r\n" + b"x: y\r\n" * 300 + b"\r\n",
    "a long trailer": CHUNKED + b"2\r\nab\r\n0\r\nx: " + b"y" * 3 * LIMIT,
    "a long extension": CHUNKED + b"2\r\nab\r\n2;" + b"y" * 3 * LIMIT,
    "another answer": HEAD + b"content-length: 2\r\n\r\nab" + HEAD + b"content-length: 2\r\n\r\ncd",
    "a part of another answer": HEAD + b"content-length: 2\r\n\r\nabHT",
    "more than its length": HEAD + b"content-length: 2\r\n\r\nabc",
    "more after the farewell": HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nabc",
    "more after the last chunk": CHUNKED + b"2\r\nab\r\n0\r\n\r\n2\r\ncd\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED_BODIES.values(), ids=MALFORMED_BODIES)
def test_a_body_is_given_as_far_as_it_is_one(data: bytes) -> None:
    read = Read(data, closed=True)
    assert (read.status, read.body, read.malformed, read.reusable) == (200, b"ab", True, False)


def test_a_head_may_be_as_long_as_its_bound_and_no_longer() -> None:
    def head(size: int) -> bytes:
        rest = b"content-length: 0\r\n\r\n"
        return HEAD + b"x: " + b"y" * (size - len(HEAD) - len(rest) - 5) + b"\r\n" + rest

    assert len(head(LIMIT)) == LIMIT
    for size, fits in ((LIMIT, True), (LIMIT + 1, False)):
        data = head(size)
        for cut in (0, 1000, LIMIT - 1):
            assert Read(data[:cut], data[cut:]).over == fits


ANYTHING = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from([*WHOLE.values()]).map(lambda whole: whole[0]),
        st.sampled_from([HEAD, CHUNKED, b"\r\n", b"0\r\n\r\n", b"content-length: 5\r\n", b"5\r\n"]),
    ),
    max_size=8,
)


@given(ANYTHING)
def test_any_bytes_are_an_answer_or_none(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    read = Read(data, closed=True)
    assert read.over or read.malformed
    if read.status == 0:
        assert read.malformed
    assert len(read.body) <= len(data)
    assert not read.reusable or (read.over and not read.malformed)


@given(ANYTHING, st.integers(1, 30))
@example([b"HTTP/1.0 000\r\n", b"!:\r\n", b"*\x00"], 1)
def test_the_cuts_change_neither_the_answer_nor_whether_it_is_one(
    pieces: list[bytes], size: int
) -> None:
    data = b"".join(pieces)
    whole = Read(data, closed=True)
    cut = Read(*(data[i : i + size] for i in range(0, len(data), size)), closed=True)
    assert (cut.status, cut.headers, cut.body, cut.over) == (
        whole.status,
        whole.headers,
        whole.body,
        whole.over,
    )
    # More than one answer is found out where the next one comes with the end of the first.
    assert cut.malformed == whole.malformed or (whole.over and whole.malformed)


@pytest.mark.parametrize(
    ("begin", "line"),
    [
        (HEAD, b"x: y\r\n"),
        (HEAD, b"z" * 100),
        (b"\r\n", b"\r\n"),
        (b"\r\n", b"HTTP/1.1 100 X\r\n\r\n"),
        (CHUNKED + b"1;", b"z" * 100),
        (CHUNKED + b"0\r\n", b"z" * 100),
    ],
)
def test_what_goes_on_without_a_body_takes_little_memory(begin: bytes, line: bytes) -> None:
    tracemalloc.start()
    try:
        answer = Answer()
        answer.feed(begin)
        for _ in range(10_000):
            if not answer.ended:
                answer.feed(line * 100)
        assert answer.malformed
        _, most = tracemalloc.get_traced_memory()
        assert most < 2_000_000
    finally:
        tracemalloc.stop()
