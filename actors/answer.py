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
from greenroom.actors.entries import AssistantEntry, ToolCall


class Answer:
    """What a model has said so far."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[tuple[ToolCallStart, list[str]]] = []
        self.usage = Usage()
        self.reason: FinishReason | None = None

    def take(self, deltas: Deltas) -> None:
        """Add one batch, in the order that a channel promises."""
        for delta in deltas:
            match delta:
                case TextDelta(text):
                    self._text.append(text)
                case ToolCallArguments(index, fragment):
                    self._calls[index][1].append(fragment)
                case ToolCallStart():
                    self._calls.append((delta, []))
                case RefusalDelta(text):
                    self._refusal.append(text)
                case Usage():
                    self.usage = delta
                case Finish(reason):
                    self.reason = reason
                case ReasoningDelta():
                    # Shown while it happens; it is no part of what was said.
                    pass

    def entry(self) -> AssistantEntry | None:
        """Return the answer as an entry, or None if there is nothing to keep.

        Of an answer without its end, the text is kept and marked; tool calls are not, because the
        arguments of a call may be cut in the middle.
        """
        text = "".join(self._text)
        refusal = "".join(self._refusal) or None
        if self.reason is None:
            if not text:
                return None
            return AssistantEntry(text, refusal=refusal, interrupted=True)
        calls = tuple(
            ToolCall(
                start.id, start.name, "".join(pieces), "custom" if start.custom else "function"
            )
            for start, pieces in self._calls
        )
        return AssistantEntry(text or (None if calls or refusal else ""), calls, refusal)
