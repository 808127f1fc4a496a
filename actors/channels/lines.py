"""Lines out of bytes, cut where lines end and nowhere else.

It knows the three line ends of server-sent events (LF, CRLF, CR; WHATWG HTML § 9.2.5) and must never
know more of them: U+2028, U+2029 and U+0085 are ordinary text inside a JSON string. It works on
bytes, so a character that two reads share is never decoded in halves. No I/O, bounded memory.
"""

import re

MAX_SIZE = 8 * 1024 * 1024
"""The longest line, and the largest event, in bytes, that an upstream may send."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


class TooLarge(ValueError):  # noqa: N818 - a fact about what came in
    """An upstream sent a line or an event past the bound."""


class LineReader:
    """Cuts bytes, however they arrive, into lines without their ends; `limit` is in bytes."""

    __slots__ = ("_after_cr", "_begun", "_limit")

    def __init__(self, limit: int = MAX_SIZE) -> None:
        self._limit = limit
        self._begun = bytearray()
        self._after_cr = False

    @property
    def amid(self) -> bool:
        """Whether a line has begun, or the last line's end may not be over."""
        return self._after_cr or bool(self._begun)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes; raises `TooLarge`.

        A carriage return ends its line at once; should a line feed begin the next read, it belongs
        to that end.
        """
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if not data:
            return []
        self._after_cr = data.endswith(b"\r")
        # Few servers send carriage returns, and looking for line feeds alone is much quicker.
        pieces = _LINE_END.split(data) if b"\r" in data else data.split(b"\n")
        rest = pieces.pop()
        if not pieces:
            self._begin(rest)
            return []
        if self._begun:
            self._begin(pieces[0])
            pieces[0] = self._take_begun()
        if max(map(len, pieces)) > self._limit:
            raise self._too_large()
        self._begin(rest)
        return pieces

    def end(self) -> bytes:
        """Return the last line if its end never came, else nothing."""
        return self._take_begun()

    def _begin(self, piece: bytes) -> None:
        self._begun += piece
        if len(self._begun) > self._limit:
            raise self._too_large()

    def _take_begun(self) -> bytes:
        line = bytes(self._begun)
        self._begun.clear()
        return line

    def _too_large(self) -> TooLarge:
        return TooLarge(f"a line of more than {self._limit} bytes")
