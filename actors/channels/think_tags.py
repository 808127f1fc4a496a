"""Thinking that a server left in its text: `<think>…</think>` at the very beginning of an answer.

Servers of open models do so when they run without a reasoning parser, and Gemini's OpenAI endpoint with
`<thought>`. Only a tag that opens the answer counts; anywhere else it is text, which somebody may be
writing about. Pure: text in, deltas out; at most the beginning of a tag is held back, for the next piece
to tell.
"""

from enum import Enum, auto

from greenroom.actors.channels.channel import ReasoningDelta, TextDelta

_TAGS = {"<think>": "</think>", "<thought>": "</thought>"}


class _State(Enum):
    BEGINNING = auto()
    THINKING = auto()
    TEXT = auto()


class ThinkTags:
    """Tells thinking from text in the pieces of one answer's content."""

    __slots__ = ("_close", "_held", "_state")

    def __init__(self) -> None:
        self._state = _State.BEGINNING
        self._held = ""
        self._close = ""

    @property
    def past(self) -> bool:
        """Whether all that comes is text."""
        return self._state is _State.TEXT

    def feed(self, piece: str) -> list[TextDelta | ReasoningDelta]:
        """Return what `piece` brings."""
        if self._state is _State.TEXT:
            return [TextDelta(piece)]
        piece, self._held = self._held + piece, ""
        if self._state is _State.BEGINNING:
            return self._begin(piece)
        return self._think(piece)

    def end(self) -> list[TextDelta | ReasoningDelta]:
        """Return what was held back; what comes after it is text."""
        held, self._held = self._held, ""
        thinking = self._state is _State.THINKING
        self._state = _State.TEXT
        if not held:
            return []
        return [ReasoningDelta(held) if thinking else TextDelta(held)]

    def _begin(self, piece: str) -> list[TextDelta | ReasoningDelta]:
        start = piece.lstrip()
        for tag, close in _TAGS.items():
            if start.startswith(tag):
                self._state, self._close = _State.THINKING, close
                return self._think(start.removeprefix(tag))
        if any(tag.startswith(start) for tag in _TAGS):
            self._held = piece
            return []
        self._state = _State.TEXT
        return [TextDelta(piece)]

    def _think(self, piece: str) -> list[TextDelta | ReasoningDelta]:
        thought, tag, text = piece.partition(self._close)
        if tag:
            self._state = _State.TEXT
        else:
            cut = len(thought) - _overlap(thought, self._close)
            thought, self._held = thought[:cut], thought[cut:]
        deltas: list[TextDelta | ReasoningDelta] = []
        if thought:
            deltas.append(ReasoningDelta(thought))
        if text:
            deltas.append(TextDelta(text))
        return deltas


def _overlap(text: str, tag: str) -> int:
    """Return how many of the last characters of `text` may begin `tag`."""
    longest = min(len(text), len(tag) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(tag[:n])), 0)
