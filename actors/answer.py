"""One model call's answer, put together from its deltas: events in, an entry out, no I/O."""

from typing import assert_never

from greenroom.actors.channels.channel import (
    NOTHING,
    AnnotationsDelta,
    AudioDelta,
    ChoiceDelta,
    Deltas,
    Finish,
    FinishReason,
    Inside,
    LogprobsDelta,
    OfChoice,
    ReasoningDelta,
    RefusalDelta,
    Stamp,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import AssistantEntry, Keepsake, Speech, ToolCall


class Answer:
    """What a model has said so far; `size` is in characters.

    Of several choices it is the first, and only the size is that of all.
    """

    __slots__ = ("_calls", "_keepsake", "_refusal", "_spoken", "_text", "reason", "size", "usage")

    def __init__(self) -> None:
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[tuple[ToolCallStart, list[str]]] = []
        self._keepsake: Keepsake | None = None
        self._spoken: list[AudioDelta] = []
        self.size = 0
        self.usage = NOTHING
        self.reason: FinishReason | None = None

    def take(self, deltas: Deltas) -> None:
        """Add one batch, in the order that a channel promises."""
        for delta in deltas:
            if type(delta) is TextDelta:  # nearly all are: 6 µs off a batch of 50
                self.size += len(delta.text)
                self._text.append(delta.text)
                continue
            match delta:
                case ToolCallArguments(index, fragment):
                    self.size += len(fragment)
                    self._calls[index][1].append(fragment)
                case ToolCallStart():
                    self._calls.append((delta, []))
                case RefusalDelta(text):
                    self.size += len(text)
                    self._refusal.append(text)
                case Keepsake():
                    self._keepsake = delta
                case Usage():
                    self.usage = delta
                case Finish(reason):
                    self.reason = reason
                case AudioDelta():
                    self.size += _size(delta)
                    self._spoken.append(delta)
                case OfChoice(_, other):
                    self.size += _size(other)
                case _:
                    # Shown while it happens; it is no part of what was said.
                    self.size += _size(delta)

    @property
    def is_spoken(self) -> bool:
        """Whether all that the model said it said aloud, so that its text is a transcript."""
        return bool(self._spoken) and not self._text

    def end_early(self) -> None:
        """End it without the calls that it makes."""
        self._calls = []
        self.reason = FinishReason.LENGTH

    def entry(self) -> AssistantEntry:
        """Return the answer as it was said."""
        text = "".join(self._text) or "".join([spoken.transcript or "" for spoken in self._spoken])
        refusal = "".join(self._refusal) or None
        calls = tuple(
            ToolCall(
                start.id,
                start.name,
                "".join(pieces),
                "custom" if start.custom else "function",
                start.extra,
            )
            for start, pieces in self._calls
        )
        speech = self._speech()
        text_or_none = text or (None if calls or refusal or speech else "")
        return AssistantEntry(text_or_none, calls, refusal, keepsake=self._keepsake, speech=speech)

    def kept(self) -> AssistantEntry | None:
        """Return what a transcript keeps of the answer, None if that is nothing.

        Of an answer without its end, the text is kept and marked. Tool calls are kept only where the
        model ended in order to make them: elsewhere their arguments may be cut in the middle.
        """
        said = self.entry()
        if self.reason is None:
            return self.cut_off()
        if self.reason is FinishReason.TOOL_CALLS or not said.tool_calls:
            return said
        return AssistantEntry(said.text or "", refusal=said.refusal, speech=said.speech)

    def cut_off(self) -> AssistantEntry | None:
        """Return what a transcript keeps of it if nothing follows, whatever it was to be."""
        text = self.entry().text
        return AssistantEntry(text, interrupted=True) if text else None

    def _speech(self) -> Speech | None:
        ids = [spoken.id for spoken in self._spoken if spoken.id]
        times = [spoken.expires for spoken in self._spoken if spoken.expires is not None]
        return Speech(ids[0], times[-1] if times else None) if ids else None


def _size(delta: ChoiceDelta | Stamp | Inside) -> int:
    """Return how much of an answer's bound a delta takes, in characters."""
    match delta:
        case TextDelta(text) | ReasoningDelta(text) | RefusalDelta(text):
            return len(text)
        case ToolCallArguments(_, fragment):
            return len(fragment)
        case LogprobsDelta(tokens):
            return len(tokens)
        case AnnotationsDelta(items):
            return len(items)
        case AudioDelta(_, data, transcript):
            return len(data or "") + len(transcript or "")
        case ToolCallStart() | Finish() | Stamp() | Inside():
            return 0
        case _:
            assert_never(delta)
