"""One model call's answer, put together from its deltas: events in, an entry out, no I/O."""

from greenroom.actors.channels.channel import (
    Deltas,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import AssistantEntry, Keepsake, ToolCall


class Answer:
    """What a model has said so far; `size` is in characters."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[tuple[ToolCallStart, list[str]]] = []
        self._keepsake: Keepsake | None = None
        self.size = 0
        self.usage = Usage()
        self.reason: FinishReason | None = None

    def take(self, deltas: Deltas) -> None:
        """Add one batch, in the order that a channel promises."""
        for delta in deltas:
            match delta:
                case TextDelta(text):
                    self.size += len(text)
                    self._text.append(text)
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
                case ReasoningDelta(text):
                    # Shown while it happens; it is no part of what was said.
                    self.size += len(text)

    def end_early(self) -> None:
        """End it without the calls that it makes."""
        self._calls = []
        self.reason = FinishReason.LENGTH

    def entry(self) -> AssistantEntry:
        """Return the answer as it was said."""
        text = "".join(self._text)
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
        text_or_none = text or (None if calls or refusal else "")
        return AssistantEntry(text_or_none, calls, refusal, keepsake=self._keepsake)

    def kept(self) -> AssistantEntry | None:
        """Return what a transcript keeps of the answer, None if that is nothing.

        Of an answer without its end, the text is kept and marked. Tool calls are kept only where the
        model ended in order to make them: elsewhere their arguments may be cut in the middle.
        """
        said = self.entry()
        if self.reason is None:
            return AssistantEntry(said.text, interrupted=True) if said.text else None
        if self.reason is FinishReason.TOOL_CALLS or not said.tool_calls:
            return said
        return AssistantEntry(said.text or "", refusal=said.refusal)
