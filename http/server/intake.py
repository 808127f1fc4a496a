"""What a client sends over one connection: requests one after the other, heads and bodies. Pure.

Bytes go in, a head or a piece of a body comes out when it is asked for, so nothing is understood ahead
of its turn: a request behind another one is bytes until the one before it has ended.
"""

import re

import msgspec

from greenroom.http.server.chunks import Chunks
from greenroom.http.server.head import Head, read_head
from greenroom.http.server.refused import Refused, malformed

_END = b"\r\n\r\n"
_NO_LINE = re.compile(rb"(?<!\r)\n|\r[^\n]|\0")


class HeadLimits(msgspec.Struct, frozen=True):
    """Bounds of a request's head, in bytes and in fields."""

    size: int = 64 * 1024
    line: int = 16 * 1024
    fields: int = 128


class Intake:
    """Reads requests: `feed` it what comes, ask for a `head`, then for its `body` until that ended.

    `held` is how many bytes wait to be asked for.
    """

    __slots__ = ("_chunks", "_data", "_forgave", "_length", "_limits", "_looked", "body_ended")

    def __init__(self, limits: HeadLimits) -> None:
        self.body_ended = True
        self._limits = limits
        self._data = b""
        self._looked = 0
        """So many bytes of `_data` were looked at, and no head ended in them."""
        self._forgave = False
        self._length = 0
        """Bytes of the body that are still to come, where it has a length."""
        self._chunks: Chunks | None = None

    @property
    def held(self) -> int:
        """How many bytes wait to be asked for."""
        return len(self._data)

    @property
    def due(self) -> int:
        """How many bytes of the body are still to come, as far as anybody can tell."""
        return max(0, self._length - len(self._data))

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._data = self._data + data if self._data else data

    def take_all(self) -> bytes:
        """Return all that is held, for another protocol to go on with."""
        data, self._data = self._data, b""
        return data

    def head(self) -> Head | None:
        """Return the next request's head, None if it is not whole; the body before must have ended.

        Raises:
            Refused: it breaks a rule, or a bound: the first that it breaks, whatever the cuts are.
        """
        if not self._looked and not self._forgave and self._data.startswith(b"\r\n"):
            self._data = self._data[2:]  # one is forgiven, behind a body (RFC 9112, 2.2)
            self._forgave = True
        data = self._data
        end = data.find(_END, max(0, self._looked - 3)) + len(_END)
        if end < len(_END):
            if data not in {b"", b"\r"}:
                if fault := self._first_fault(data):
                    raise fault
                self._looked = len(data)
            return None
        head = self._read(data if end == len(data) else data[:end])
        self._looked = 0
        self._forgave = False
        self._data = data[end:]
        self._length = head.length or 0
        self._chunks = Chunks() if head.length is None else None
        self.body_ended = head.length == 0
        return head

    def whole_body(self) -> bytes | None:
        """Return a body that has a length and is all there; else None, and nothing is taken."""
        if self._chunks is not None or self.body_ended or len(self._data) < self._length:
            return None
        return self.body()

    def body(self) -> bytes:
        """Return what there is of the body, possibly nothing; `body_ended` tells whether that was all.

        Raises:
            Refused: it is malformed.
        """
        data = self._data
        if self._chunks is not None:
            data, self._data = self._chunks.feed(data)
            self.body_ended = self._chunks.ended
            return data
        if len(data) <= self._length:
            self._data = b""
        else:
            data, self._data = data[: self._length], data[self._length :]
        self._length -= len(data)
        self.body_ended = self._length == 0
        return data

    def _read(self, data: bytes) -> Head:
        limits = self._limits
        fits = len(data) <= limits.size and data.find(b"\r\n") <= limits.line
        try:
            head = read_head(data)
        except Refused as refused:
            raise self._first_fault(data) or refused from None
        if not fits:
            raise self._first_fault(data) or malformed("The request is not HTTP.")
        if len(head.headers) > limits.fields:
            raise Refused(431, "too_many_headers", f"There are over {limits.fields} headers.")
        return head

    def _first_fault(self, data: bytes) -> Refused | None:
        """Return what makes it certain that `data` begins no request, however it goes on."""
        limits = self._limits
        if not data[:1].isupper():
            return malformed("The request is not HTTP.")
        wrong = _NO_LINE.search(data, max(0, self._looked - 1))
        faults = {} if wrong is None else {wrong.end(): malformed("The request is not HTTP.")}
        if len(data) > limits.size:
            message = f"The request's head has over {limits.size} bytes."
            faults[limits.size + 1] = Refused(431, "head_too_large", message)
        if len(data) >= limits.line + 2 and data.find(b"\r\n", 0, limits.line + 2) < 0:
            message = f"The request line has over {limits.line} bytes."
            faults[limits.line + 2] = Refused(414, "uri_too_long", message)
        return faults[min(faults)] if faults else None
