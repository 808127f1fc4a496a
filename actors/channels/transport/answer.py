"""One answer in HTTP/1.1 (RFC 9112), from bytes to a head and a body: pure, whatever the cuts are.

`httptools` finds its way through the bytes. What it leaves open is decided here: where an answer ends,
how much of one may be anything but body, and whether the connection can be used again.
"""

from httptools import HttpParserError, HttpResponseParser

_LONGEST_HEAD = 64 * 1024
"""Bytes before the body begins, or between two pieces of it: heads, sizes of chunks, trailers."""
_MOST_FIELDS = 256
"""Fields of a head, and of the trailers."""


class _Unfit(Exception):  # noqa: N818 - never seen outside: the parser makes an error of its own of it
    """Raised within the parser, to end it."""


class Answer:
    """Reads one answer: `feed` it what comes, then look.

    `status` is 0 until the head is there; interim answers (1xx) are skipped. `over` says that the body
    is whole, `malformed` that what came is no answer, or more than one; `ended` is either. Whoever
    lets go of an answer before it has ended calls `drop`.
    """

    __slots__ = (
        "_beside",
        "_body",
        "_fields",
        "_parser",
        "_persistent",
        "_to_the_end",
        "headers",
        "malformed",
        "on_body",
        "over",
        "status",
    )

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.over = False
        self.malformed = False
        self._body: list[bytes] = []
        self.on_body = self._body.append
        """Take a piece of the body; as a method it would cost a frame a chunk."""
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._fields = 0
        self._beside = 0
        """Bytes since the last piece of body."""
        self._persistent = False
        self._to_the_end = False

    @property
    def ended(self) -> bool:
        """Whether nothing that may still come is part of it."""
        return self.over or self.malformed

    @property
    def begun(self) -> bool:
        """Whether anything came."""
        return self._beside > 0 or self.status != 0

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another answer after this one (RFC 9112, 9.3)."""
        return self.over and self._persistent and not self.malformed

    def feed(self, data: bytes) -> bytes:
        """Return what `data`, at least a byte, brings of the body."""
        room = _LONGEST_HEAD - self._beside
        if not self.status and len(data) > room:
            self._parse(data[:room])
            data = data[room:]
            if not self.status:
                self.fail()
        self._parse(data)
        body = b"".join(self._body)
        if body:
            self._body.clear()
        elif self._beside > _LONGEST_HEAD:
            self.fail()
        return body

    def end(self) -> None:
        """Take it that the upstream has closed: the end of a body that has no other one."""
        if self._to_the_end and not self.malformed:
            self.over = True
            self._persistent = False
            self.drop()
        else:
            self.fail()

    def fail(self) -> None:
        """Take it that nothing can follow, although it is not whole: half a head counts for nothing."""
        self.malformed = True
        if not self.status:
            self.headers.clear()
        self.drop()

    def drop(self) -> None:
        """Let go of the parser, which otherwise waits for a garbage collection."""
        self._parser = None

    def _parse(self, data: bytes) -> None:
        if self._parser is None or not data:
            self.malformed |= bool(data)
            return
        self._beside += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self.fail()
        if self._body:
            self._beside = 0
        if self.over:
            self.drop()

    # What the parser calls; the names are httptools'.

    def on_message_begin(self) -> None:
        """Begin an answer, which must be the first one."""
        if self.over:
            raise _Unfit

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head, or one of the trailers, which do not count."""
        self._fields += 1
        if self._fields > _MOST_FIELDS:
            raise _Unfit
        if not self.status:
            key, text = name.decode("ascii").lower(), value.decode("latin-1").strip()
            if key in self.headers:
                text = f"{self.headers[key]}, {text}"
            self.headers[key] = text

    def on_headers_complete(self) -> None:
        """End a head: of the answer, or of an interim one, of which nothing stays."""
        if self._parser is None:
            raise _Unfit
        status, version = self._parser.get_status_code(), self._parser.get_http_version()
        coding = self.headers.get("transfer-encoding")
        readable = version in {"1.0", "1.1"} and (coding or "chunked").lower() == "chunked"
        if not readable or status < 100 or status == 101:
            raise _Unfit
        if status < 200:
            self.headers.clear()
            return
        options = self.headers.get("connection", "").lower().split(",")
        self._persistent = version == "1.1" and "close" not in map(str.strip, options)
        self._to_the_end = coding is None and "content-length" not in self.headers
        self._beside = 0
        self.status = status

    def on_message_complete(self) -> None:
        """End the answer, unless it was an interim one."""
        self.over = self.status != 0
