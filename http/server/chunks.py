"""A body in chunks (RFC 9112, 7.1): from bytes to the body, whatever the cuts are. Pure, and strict.

A size is digits and nothing else; extensions are passed over, trailers too, both within bounds.
"""

import re

from greenroom.http.server.refused import malformed

_LONGEST_LINE = 256
_LONGEST_TRAILERS = 8 * 1024
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")


class Chunks:
    """One body; `ended` once its last line was there."""

    def __init__(self) -> None:
        self.ended = False
        self._held = b""
        """The beginning of a line."""
        self._left = 0
        """Bytes of the chunk that are still to come; its own line break is two of them."""
        self._in_trailers = False
        self._trailers = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Return what `data` brings of the body, and what follows the body's end.

        Raises:
            Refused: it is no body in chunks.
        """
        pieces: list[bytes] = []
        data = self._held + data if self._held else data
        self._held = b""
        at = 0
        while at < len(data) and not self.ended:
            if self._left:
                at = self._chunk(data, at, pieces)
                continue
            end = data.find(b"\r\n", at, at + _LONGEST_LINE)
            if end < 0:
                self._held = data[at:]
                if len(self._held) >= _LONGEST_LINE:
                    raise malformed("A line between the body's chunks is too long.")
                return b"".join(pieces), b""
            self._line(data[at:end])
            at = end + 2
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), data[at:]

    def _chunk(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Take what there is of a chunk and of the line break behind it; return where it ends."""
        due = self._left - 2
        if due > 0:
            piece = data[at : at + due]
            pieces.append(piece)
            self._left -= len(piece)
            return at + len(piece)
        expected = b"\r" if self._left == 2 else b"\n"
        if data[at : at + 1] != expected:
            raise malformed("A chunk of the body is not as long as it says.")
        self._left -= 1
        return at + 1

    def _line(self, line: bytes) -> None:
        if not self._in_trailers:
            size = _SIZE.fullmatch(line)
            if size is None:
                raise malformed("A chunk of the body has no size.")
            length = int(size[1], 16)
            self._left = length + 2 if length else 0
            self._in_trailers = not length
        elif not line:
            self.ended = True
        else:
            self._trailers += len(line)
            if self._trailers > _LONGEST_TRAILERS or not _TRAILER.fullmatch(line):
                raise malformed("What follows the body's chunks is malformed.")
