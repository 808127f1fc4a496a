"""The answer to one request in HTTP/1.1 (RFC 9112): from ASGI's events to bytes. Pure.

The head waits for the first piece of the body, so that both go out together; an empty piece lets it go
alone.
"""

import time
from collections.abc import Iterable
from email.utils import formatdate

from greenroom.http.exchange import Header
from greenroom.http.server.head import Head
from greenroom.http.server.refused import reason

_LAST = b"0\r\n\r\n"
_FRAMING = frozenset({b"connection", b"content-length", b"transfer-encoding"})


class Misused(Exception):  # noqa: N818 - the application's fault
    """The application sent what makes no answer."""


class Answer:
    """One answer: `start` it, and send what `body` returns.

    `closes` says that the connection carries no other request after it, and may be set until the head
    is out, which is when `begun` is true. `over` says that the last of it was returned.
    """

    __slots__ = (
        "_bodiless",
        "_chunked",
        "_headers",
        "_knows_chunks",
        "_left",
        "_of_head",
        "_status",
        "begun",
        "closes",
        "over",
    )

    def __init__(self, request: Head) -> None:
        self.begun = False
        self.over = False
        self.closes = not request.keeps
        self._of_head = request.method == "HEAD"
        self._knows_chunks = request.version == "1.1"
        self._status = 0
        self._headers: list[Header] = []
        self._chunked = False
        self._bodiless = False
        self._left: int | None = None
        """Bytes of the body that are still to come, where it has a length."""

    def start(self, status: int, headers: Iterable[Header]) -> None:
        """Take the head, once; raises Misused."""
        if self._status or not 200 <= status <= 999:
            raise Misused(f"an answer has one head, with a status from 200 on, not {status}")
        self._status = status
        length: bytes | None = None
        for name, value in headers:
            if name not in _FRAMING:
                self._headers.append((name, value))
            elif name == b"content-length":
                length = value
            elif name == b"connection":
                self.closes = self.closes or b"close" in value.lower()
        if length is not None:
            if not length.isdigit():
                raise Misused(f"a length is a number, not {length!r}")
            self._headers.append((b"content-length", length))
        elif status not in {204, 304} and self._knows_chunks:
            self._headers.append((b"transfer-encoding", b"chunked"))
            self._chunked = True
        self._bodiless = self._of_head or status in {204, 304}
        if self._bodiless:
            self._left, self._chunked = 0, False
        elif length is not None:
            self._left = int(length)
        else:
            self.closes = self.closes or not self._chunked

    def body(self, piece: bytes, *, more: bool) -> bytes:
        """Return what goes out for a piece of the body; raises Misused."""
        if not self._status or self.over:
            raise Misused("a body comes after its head and before its end")
        head = b"" if self.begun else self._head()
        if self._left is not None:
            if self._bodiless:
                piece = b""
            self._left -= len(piece)
            if self._left < 0 or (self._left and not more):
                raise Misused("a body is as long as its head says")
        self.begun = True
        self.over = not more
        if not self._chunked:
            return head + piece if head else piece
        last = b"" if more else _LAST
        if not piece:
            return head + last
        return b"%b%x\r\n%b\r\n%b" % (head, len(piece), piece, last)

    def _head(self) -> bytes:
        headers = self._headers
        if self.closes:
            headers.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        head = b"%b%b%b\r\n" % (_status_line(self._status), b"".join(lines), _date())
        # Whatever stands in a header, it ends where it should and begins no other.
        breaks = len(headers) + 3
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
            raise Misused("a header is one line")
        headers.clear()  # a stream may last
        return head


_lines: dict[int, bytes] = {}
_now: list[tuple[int, bytes]] = [(0, b"")]


def _status_line(status: int) -> bytes:
    line = _lines.get(status)
    if line is None:
        line = _lines[status] = f"HTTP/1.1 {status} {reason(status)}\r\n".encode()
    return line


def _date() -> bytes:
    """Return the header `date`, made once a second."""
    now = int(time.time())
    second, line = _now[0]
    if second != now:
        line = f"date: {formatdate(now, usegmt=True)}\r\n".encode()
        _now[0] = (now, line)
    return line
