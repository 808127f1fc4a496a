"""Reads one of an answer's choices: its fragments in, deltas out, in the order that `Channel` promises.

It knows in which ways servers write text, thinking, calls and reasons; nothing of events, of other
choices, or of what stands beside them. Its end is held back until the upstream has ended, for some go on
after their finish reason. Pure, bounded memory.
"""

from collections.abc import Callable

import msgspec

from greenroom.actors.channels.channel import (
    AnnotationsDelta,
    AudioDelta,
    ChoiceDelta,
    Delta,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
)
from greenroom.actors.channels.logprobs import logprobs_of
from greenroom.actors.channels.loose import fields, items, text
from greenroom.actors.channels.openai.calls import ToolCalls
from greenroom.actors.channels.openai.wire import Call, Choice, Message, Part, read_call
from greenroom.actors.channels.think_tags import ThinkTags

_REASONS = {
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "safety": FinishReason.CONTENT_FILTER,
    "recitation": FinishReason.CONTENT_FILTER,
    "blocklist": FinishReason.CONTENT_FILTER,
    "prohibited_content": FinishReason.CONTENT_FILTER,
    "spii": FinishReason.CONTENT_FILTER,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
}
"""Finish reasons in lower case; any other name means that the model stopped by itself."""

_GAVE_UP = frozenset(
    {
        "error",
        "function_call_filter",
        "insufficient_system_resource",
        "malformed_function_call",
        "unexpected_tool_call",
    }
)
"""Finish reasons of an answer that is none, from OpenRouter, DeepSeek and Gemini."""


class GaveUp(ValueError):  # noqa: N818 - a fact about what came in
    """The model's answer ended without being one."""


class ChoiceReader:
    """One choice; `new_id` names nameless calls, `tells_logprobs` is whether they were asked for."""

    __slots__ = (
        "_calls",
        "_modern_calls",
        "_new_id",
        "_tells_logprobs",
        "_text",
        "answered",
        "reason",
    )

    def __init__(self, new_id: Callable[[], str], *, tells_logprobs: bool) -> None:
        self._text = ThinkTags()
        self._new_id = new_id
        self._calls: ToolCalls | None = None
        self._tells_logprobs = tells_logprobs
        self._modern_calls = False
        self.answered = False
        self.reason: FinishReason | None = None

    @property
    def has_calls(self) -> bool:
        """Whether any tool call came."""
        return bool(self._calls)

    @property
    def begun(self) -> bool:
        """Whether all content that comes is text."""
        return self._text.past

    def take(self, choice: Choice, out: list[Delta]) -> None:
        """Add what a fragment brings to `out`; raises `GaveUp`, `BadCalls` or `NotAChunk`."""
        self.answered = True
        if self._tells_logprobs and choice.logprobs:
            told = fields(choice.logprobs)
            out += logprobs_of(told.get("content"))
            out += logprobs_of(told.get("refusal"), refusal=True)
        if message := choice.delta or choice.message:
            self._take_message(message, out)
        if not choice.finish_reason:
            return
        # Gemini adds its own name of the reason behind a colon.
        name = choice.finish_reason.lower().partition(":")[0]
        if name in _GAVE_UP:
            raise GaveUp
        if name and self.reason in {None, FinishReason.STOP}:
            self.reason = _REASONS.get(name, FinishReason.STOP)

    def flush(self) -> list[ChoiceDelta]:
        """Return the text that was held back, nothing more of which can come."""
        return [*self._text.end()]

    def close(self) -> list[ChoiceDelta]:
        """Return the rest up to the finish, once there is a reason; raises `BadCalls`."""
        out = self.flush()
        reason = self.reason
        assert reason is not None, "a choice ends for a reason"  # noqa: S101 - an invariant
        if not self._calls and reason is FinishReason.TOOL_CALLS:
            reason = FinishReason.STOP
        elif self._calls and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS
        if self._calls:
            out += self._calls.end(cut=reason is not FinishReason.TOOL_CALLS)
        out.append(Finish(reason))
        return out

    def _take_message(self, message: Message, out: list[Delta]) -> None:
        reasoning, said = _content(message)
        if reasoning:
            # A server that sends thinking apart sends no tags.
            out += self._text.end()
            out.append(ReasoningDelta(reasoning))
        if said:
            out += self._text.feed(said)
        if message.refusal:
            out.append(RefusalDelta(message.refusal))
        if message.audio:
            out += _audio(fields(message.audio))
        if message.annotations:
            cited = [item for item in items(message.annotations) if fields(item)]
            if cited:
                out.append(AnnotationsDelta(msgspec.json.encode(cited)))
        if message.tool_calls or message.function_call:
            self._take_calls(message, out)

    def _take_calls(self, message: Message, out: list[Delta]) -> None:
        calls = [read_call(keys) for keys in message.tool_calls or ()]
        if message.function_call and not calls and not self._modern_calls:
            calls = [Call(index=0, function=message.function_call)]
        elif calls:
            self._modern_calls = True
        if not calls:
            return
        out += self._text.end()
        if self._calls is None:
            self._calls = ToolCalls(self._new_id)
        for call in calls:
            out += self._calls.feed(call)


def _audio(audio: dict[str, object]) -> list[ChoiceDelta]:
    expires = audio.get("expires_at")
    delta = AudioDelta(
        id=text(audio.get("id")) or None,
        data=text(audio.get("data")) or None,
        transcript=text(audio.get("transcript")) or None,
        expires=expires if isinstance(expires, int) else None,
    )
    return [] if delta == AudioDelta() else [delta]


def _content(message: Message) -> tuple[str, str]:
    """Return a message's thinking and its text."""
    content = message.content or ""
    if type(content) is str and not (
        message.reasoning_content or message.reasoning or message.reasoning_details
    ):
        return "", content  # as most are
    if isinstance(content, str):
        return _reasoning(message), content
    thinking = "".join(_text_of(part.thinking) for part in content if part.type == "thinking")
    return _reasoning(message) or thinking, _text_of(content)


def _reasoning(message: Message) -> str:
    """Return the thinking under whichever of its names; a server that sends two means the same."""
    for value in (message.reasoning_content, message.reasoning):
        if value and isinstance(value, str):
            return value
    if not message.reasoning_details:
        return ""
    details = [fields(detail) for detail in items(message.reasoning_details)]
    texts = [detail.get("text") or detail.get("summary") for detail in details]
    return "".join(text for text in texts if isinstance(text, str))


def _text_of(content: str | list[Part] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.text or "" for part in content if part.type in {None, "text"})
