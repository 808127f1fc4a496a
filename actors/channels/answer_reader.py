"""An answer's bytes as events: server-sent ones, or the one JSON value of a server that does not stream.

The first byte tells which. It knows nothing of what events mean. No I/O, bounded memory.
"""

from greenroom.actors.channels.lines import MAX_SIZE, TooLarge
from greenroom.actors.channels.sse import Event, EventReader, run_of

_BLANK = b" \t\r\n\xef\xbb\xbf"
"""What may stand before an answer: white space, and the bytes of a byte order mark."""


class APage(ValueError):  # noqa: N818 - a fact about what came in
    """An upstream, or a proxy before it, sent HTML."""


class AnswerReader:
    """Turns the bytes of one answer, however they arrive, into events."""

    __slots__ = ("_begun", "_events", "_whole")

    def __init__(self) -> None:
        self._events = EventReader()
        self._begun = False
        self._whole: bytearray | None = None

    @property
    def whole(self) -> bool:
        """Whether the answer is one JSON value, which `end` gives as a nameless event."""
        return self._whole is not None

    @property
    def between(self) -> bool:
        """Whether what comes begins the answer or another event, so that it may begin with a `run`."""
        return not self._begun or (self._whole is None and self._events.between)

    def run(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return what `run_of` does, for what comes `between`; the reader need not see that run."""
        events, rest = run_of(data)
        if events and not self._begun:
            self._begun = True
            self._events.begin()
        return events, rest

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes; raises `APage` or `TooLarge`."""
        if not self._begun:
            data = data.lstrip(_BLANK)
            self._begin(data[:1])
        if self._whole is None:
            return self._events.feed(data)
        self._whole += data
        if len(self._whole) > MAX_SIZE:
            raise TooLarge(f"an answer of more than {MAX_SIZE} bytes")
        return []

    def end(self) -> Event | None:
        """Return the whole answer, or else the event whose blank line never came, if there is one."""
        if self._whole is not None:
            return Event(b"", bytes(self._whole))
        return self._events.end()

    def _begin(self, first: bytes) -> None:
        self._begun = bool(first)
        if first == b"<":
            raise APage("a page that is not its API's")
        if first in {b"{", b"["}:
            self._whole = bytearray()
