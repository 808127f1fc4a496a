"""How much of a session a model is shown: pure, entries and a number of tokens in, a cut out.

Nobody here has a model's own tokenizer, and none is needed: what a prompt really took is told with each
answer, so an estimate by length is put right by what was counted before. What is left out of a prompt
stays in the journal.
"""

from array import array
from collections.abc import Iterable, Sequence

import msgspec

from greenroom.actors.entries import (
    AssistantEntry,
    Content,
    Entry,
    MediaPart,
    SummaryEntry,
    SystemEntry,
    TextPart,
    Tool,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
    text_of,
)

_BYTES_PER_TOKEN = 4.0
"""Of English text, and of most code; other scripts take more bytes and about as many more tokens."""
_PER_ENTRY = 4
_PER_MEDIA = 1_000
_LEFT_OUT = "\n[… {} characters are left out here …]\n"


class Estimate:
    """Counts tokens by length, put right by what models have counted; it is one session's."""

    __slots__ = ("_scale",)

    def __init__(self) -> None:
        self._scale = 1.0

    def of(self, entries: Sequence[Entry | SummaryEntry], tools: Sequence[Tool] = ()) -> int:
        """Return about how many tokens these take in a prompt."""
        return self.scaled(size_of(entries, tools))

    def scaled(self, size: float) -> int:
        """Return about how many tokens that is what `size_of` has counted."""
        return round(size * self._scale)

    def learn(self, guessed: int, counted: int) -> None:
        """Take in what a guessed prompt really took; a model that counts nothing teaches nothing."""
        if guessed < 100 or counted < 100:
            return
        wanted = self._scale * counted / guessed
        self._scale = min(max((self._scale + wanted) / 2, 0.25), 4.0)


class Measured(msgspec.Struct, frozen=True):
    """Entries, and how long they are: together, and the longest result of a tool, or more than that."""

    entries: tuple[TranscriptEntry, ...]
    size: float
    longest_result: float


class Lengths:
    """How long the first entries of a list are, for any number of them; it is kept as the list changes.

    Every turn asks that: to count 2,000 entries each time took 4 ms of a turn's 5.
    """

    __slots__ = ("_longest", "_sums")

    def __init__(self) -> None:
        self._sums = array("d", (0.0,))
        self._longest = array("d", (0.0,))

    def replace(self, keep: int, entries: Iterable[TranscriptEntry]) -> None:
        """Have `entries` follow the first `keep`."""
        del self._sums[keep + 1 :], self._longest[keep + 1 :]
        total, longest = self._sums[-1], self._longest[-1]
        for entry in entries:
            size = _size(entry)
            total += size
            if isinstance(entry, ToolEntry):
                longest = max(longest, size)
            self._sums.append(total)
            self._longest.append(longest)

    def measured(self, entries: Sequence[TranscriptEntry], start: int, stop: int) -> Measured:
        """Return those of `entries` from `start` to `stop`, which are the list's own."""
        size = self._sums[stop] - self._sums[start]
        return Measured(tuple(entries[start:stop]), size, self._longest[stop])


def measured(entries: Sequence[TranscriptEntry]) -> Measured:
    """Measure entries."""
    lengths = Lengths()
    lengths.replace(0, entries)
    return lengths.measured(entries, 0, len(entries))


def size_of(entries: Iterable[Entry | SummaryEntry], tools: Sequence[Tool] = ()) -> float:
    """Return how long these are, in tokens as they are before an `Estimate` puts them right."""
    return sum(map(_size, entries)) + sum(len(tool.definition) for tool in tools) / 4


class Cut(msgspec.Struct, frozen=True):
    """What a summary is to stand for: the first `upto` entries, of which `pinned` stay as they are."""

    upto: int
    pinned: tuple[UserEntry, ...]


def find_cut(entries: Sequence[TranscriptEntry], estimate: Estimate, keep: int) -> Cut | None:
    """Choose how many of the oldest entries to sum up, so that the rest takes about `keep` tokens.

    A cut stands before something that a user says, or else before an answer, and never between a tool
    call and its result. Returns None where nothing can be cut.
    """
    places = [at for at in range(1, len(entries)) if not isinstance(entries[at], ToolEntry)]
    if not places:
        return None
    sizes = [estimate.of([entry]) for entry in entries]
    left = sum(sizes)
    fitting: list[int] = []
    for at in range(1, len(entries)):
        left -= sizes[at - 1]
        if left <= keep and not isinstance(entries[at], ToolEntry):
            fitting.append(at)
    before_users = [at for at in fitting if isinstance(entries[at], UserEntry)]
    at = (before_users or fitting or places[-1:])[0]
    pinned = tuple(e for e in entries[:at] if isinstance(e, UserEntry) and e.pinned)
    return Cut(at, pinned)


def newest_of(pinned: Sequence[UserEntry], estimate: Estimate, most: int) -> tuple[UserEntry, ...]:
    """Return the newest of pinned entries that take `most` tokens together, one at least."""
    kept: list[UserEntry] = []
    for entry in reversed(pinned):
        most -= estimate.of([entry])
        if most < 0 and kept:
            break
        kept.append(entry)
    return tuple(reversed(kept))


def with_short_results(
    entries: Sequence[Entry], estimate: Estimate, most: int
) -> tuple[Entry, ...]:
    """Return `entries` without the middle of each tool result that takes more than `most` tokens."""
    return tuple(
        _shortened(entry, estimate, most) if isinstance(entry, ToolEntry) else entry
        for entry in entries
    )


def as_text(entries: Sequence[TranscriptEntry | SummaryEntry]) -> str:
    """Write a conversation down for a model that is to sum it up."""
    return "\n\n".join(filter(None, map(_line, entries)))


def _shortened(entry: ToolEntry, estimate: Estimate, most: int) -> ToolEntry:
    guessed = estimate.of([entry])
    if guessed <= most:
        return entry
    text = text_of(entry.content)
    half = max(1, int(len(text) * most / guessed) // 2)
    out = len(text) - 2 * half
    if out <= 0:
        return entry
    short = text[:half] + _LEFT_OUT.format(out) + text[-half:]
    return msgspec.structs.replace(entry, content=short)


def _size(entry: Entry | SummaryEntry) -> float:
    match entry:
        case SystemEntry(content) | UserEntry(content) | ToolEntry(_, content):
            return _PER_ENTRY + _content(content)
        case AssistantEntry(text, calls, refusal):
            made = sum(_text(call.name) + _text(call.arguments) + _PER_ENTRY for call in calls)
            return _PER_ENTRY + _text(text or "") + _text(refusal or "") + made
        case SummaryEntry(text, pinned):
            return _PER_ENTRY + _text(text or "") + sum(map(_size, pinned))


def _content(content: Content) -> float:
    if isinstance(content, str):
        return _text(content)
    return sum(_text(p.text) if isinstance(p, TextPart) else _PER_MEDIA for p in content)


def _text(text: str) -> float:
    return len(text.encode(errors="surrogatepass")) / _BYTES_PER_TOKEN


def _line(entry: TranscriptEntry | SummaryEntry) -> str:
    match entry:
        case UserEntry(content):
            return f"User: {_shown(content)}"
        case AssistantEntry(text, calls, refusal):
            made = [f"[calls {call.name} with {call.arguments}]" for call in calls]
            return "Assistant: " + " ".join(filter(None, (text, refusal, *made)))
        case ToolEntry(_, content):
            return f"Tool: {_shown(content)}"
        case SummaryEntry(text):
            return "" if text is None else f"Earlier: {text}"


def _shown(content: Content) -> str:
    if isinstance(content, str):
        return content
    return " ".join(p.text if isinstance(p, TextPart) else f"[{_kind(p)}]" for p in content)


def _kind(part: MediaPart) -> str:
    return {"image_url": "an image", "input_audio": "a sound", "file": "a file"}[part.kind]
