"""Reads the answer of OpenAI Chat Completions, and of whatever calls itself compatible with it.

It knows in which ways servers differ, and gives out what `Channel` promises: text and calls in
order, then one `Finish`, then one `Usage`, or a failure. It knows nothing of sockets or time, and the
cuts between reads change nothing. `wire` has the shapes, `calls` the order of calls.

The end of the answer is held back until the upstream has ended, for some go on after their finish
reason, and some count tokens in every chunk.
"""

from collections.abc import Callable
from contextlib import suppress

import msgspec

from greenroom.actors.channels.answer_reader import AnswerReader, APage
from greenroom.actors.channels.call_ids import new_call_id
from greenroom.actors.channels.channel import (
    Delta,
    Deltas,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Usage,
)
from greenroom.actors.channels.lines import TooLarge
from greenroom.actors.channels.loose import fields, items, text
from greenroom.actors.channels.openai.calls import BadCalls, ToolCalls
from greenroom.actors.channels.openai.keepsake import Thinking
from greenroom.actors.channels.openai.wire import (
    Call,
    Choice,
    Chunk,
    Message,
    NotAChunk,
    Part,
    read_call,
    read_chunks,
    read_usage,
)
from greenroom.actors.channels.sse import Event
from greenroom.actors.channels.think_tags import ThinkTags
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.failure import TurnFailed

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

_MALFORMED = (NotAChunk, TooLarge, APage, BadCalls)


class OpenAIDecoder:
    """A `Decoder` of one answer of `provider`; `errors` words its failures.

    `new_id` names nameless calls.
    """

    def __init__(
        self,
        errors: UpstreamErrors,
        new_id: Callable[[], str] = new_call_id,
        *,
        provider: str = "",
    ) -> None:
        self._errors = errors
        self._answer = AnswerReader()
        self._text = ThinkTags()
        self._thinking = Thinking(provider)
        self._calls = ToolCalls(new_id)
        self._reason: FinishReason | None = None
        self._usage: Usage | None = None
        self._answered = False
        self._modern_calls = False
        self._failure: TurnFailed | None = None
        self._done = False

    @property
    def finished(self) -> bool:
        """Whether a finish reason has come."""
        return self._reason is not None

    @property
    def done(self) -> bool:
        """Whether `[DONE]` has come, or a failure."""
        return self._done

    def feed(self, data: bytes) -> Deltas:
        """Return what `data` brings, possibly nothing; a failure waits for `end`."""
        out: list[Delta] = []
        try:
            self._read(data, out)
        except TurnFailed as failure:
            self._fail(failure, out)
        except _MALFORMED as error:
            self._fail(self._errors.broken(f"sent {error}"), out)
        return tuple(out)

    def end(self) -> Deltas:
        """Return the rest; raises `TurnFailed`."""
        if self._failure is not None:
            raise self._failure
        out: list[Delta] = []
        try:
            if not self._done:
                self._read_rest(out)
            self._close(out)
        except _MALFORMED as error:
            raise self._errors.broken(f"sent {error}") from error
        self._done = True
        return tuple(out)

    def _fail(self, failure: TurnFailed, out: list[Delta]) -> None:
        out += self._text.end()
        self._failure = failure
        self._done = True

    def _read(self, data: bytes, out: list[Delta]) -> None:
        for event in self._answer.feed(data):
            if not self._done:
                self._take(event, out)

    def _read_rest(self, out: list[Delta]) -> None:
        event = self._answer.end()
        if event is not None and self._answer.whole:
            self._take(event, out)
            if self._reason is None and self._answered:
                self._reason = FinishReason.STOP
        elif event is not None:
            # What is no chunk here is half of one.
            with suppress(NotAChunk):
                self._take(event, out)

    def _take(self, event: Event, out: list[Delta]) -> None:
        data = event.data.strip()
        if event.name == b"error":
            raise self._errors.of_event(data)
        if data.startswith(b"[DONE]"):
            self._done = True
        elif data:
            for chunk in read_chunks(data):
                if _is_error(chunk):
                    raise self._errors.of_event(data)
                self._take_chunk(chunk, out)

    def _take_chunk(self, chunk: Chunk, out: list[Delta]) -> None:
        groq = fields(chunk.x_groq)
        usages = [chunk.usage, groq.get("usage")]
        for choice in chunk.choices or ():
            if choice.index is None or choice.index == 0:
                usages.append(choice.usage)
                self._take_choice(choice, out)
        for usage in filter(None, usages):
            self._usage = read_usage(usage) or self._usage
        if error := groq.get("error"):
            said = text(error) or text(fields(error).get("message"))
            raise self._errors.of_event(msgspec.json.encode({"error": said}))

    def _take_choice(self, choice: Choice, out: list[Delta]) -> None:
        self._answered = True
        if message := choice.delta or choice.message:
            self._take_message(message, out)
        # Gemini adds its own name of the reason behind a colon.
        name = (choice.finish_reason or "").lower().partition(":")[0]
        if name in _GAVE_UP:
            raise self._errors.broken("gave up its answer in the middle")
        if name and self._reason in {None, FinishReason.STOP}:
            self._reason = _REASONS.get(name, FinishReason.STOP)

    def _take_message(self, message: Message, out: list[Delta]) -> None:
        self._thinking.take(message)
        reasoning, said = _content(message)
        if reasoning:
            # A server that sends thinking apart sends no tags.
            out += self._text.end()
            out.append(ReasoningDelta(reasoning))
        if said:
            out += self._text.feed(said)
        if message.refusal:
            out.append(RefusalDelta(message.refusal))
        calls = [read_call(keys) for keys in message.tool_calls or ()]
        if message.function_call and not calls and not self._modern_calls:
            calls = [Call(index=0, function=message.function_call)]
        elif calls:
            self._modern_calls = True
        if calls:
            out += self._text.end()
        for call in calls:
            out += self._calls.feed(call)

    def _close(self, out: list[Delta]) -> None:
        out += self._text.end()
        reason = self._reason
        if reason is None:
            what = "ended its answer in the middle" if self._answered else "sent an empty answer"
            raise self._errors.broken(what)
        if not self._calls and reason is FinishReason.TOOL_CALLS:
            reason = FinishReason.STOP
        elif self._calls and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS
        out += self._calls.end(cut=reason is not FinishReason.TOOL_CALLS)
        if self._calls and (kept := self._thinking.keepsake()):
            out.append(kept)
        out.append(Finish(reason))
        if self._usage is not None:
            out.append(self._usage)


def _is_error(chunk: Chunk) -> bool:
    """Whether an error stands where a chunk should: in an envelope, or flat."""
    if chunk.error:
        return True
    flat = "error" in {chunk.kind, chunk.type} or bool(chunk.message or chunk.detail)
    return chunk.choices is None and flat


def _content(message: Message) -> tuple[str, str]:
    """Return a message's thinking and its text."""
    content = message.content or ""
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
