"""Reads the answer of the Messages API, and of whatever speaks it too.

It knows the events and gives out what `Channel` promises, or a failure; `wire` has the shapes,
`answer_blocks` what an answer is made of. It knows nothing of sockets or time, and the cuts between
reads change nothing. The end is held back until the upstream has ended, and an answer that gave its stop
reason is whole even if `message_stop` never came: nothing of it could follow.
"""

from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from greenroom.actors.channels.answer_reader import AnswerReader, APage
from greenroom.actors.channels.anthropic.answer_blocks import AnswerBlocks, BadBlocks
from greenroom.actors.channels.anthropic.keepsake import Origin, keep
from greenroom.actors.channels.anthropic.wire import (
    Message,
    NotAnEvent,
    counts_of,
    read_event,
    usage_of,
)
from greenroom.actors.channels.channel import (
    Delta,
    Deltas,
    Finish,
    FinishReason,
    RefusalDelta,
    Stamp,
)
from greenroom.actors.channels.lines import TooLarge
from greenroom.actors.channels.loose import fields, items, text
from greenroom.actors.channels.sse import Event
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.failure import TurnFailed

_REASONS = {
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}
"""Stop reasons; any other, such as end_turn, means that the model stopped by itself."""

_TIERS = {"standard": "default", "priority": "priority", "batch": "flex"}
"""The API's tiers as OpenAI's."""

_MALFORMED = (NotAnEvent, TooLarge, APage, BadBlocks)


def _new_call_id() -> str:
    return f"toolu_{uuid4().hex[:24]}"


class AnthropicDecoder:
    """A `Decoder` of one answer.

    `errors` words its failures, `origin` tells where it came from, `custom` names the tools whose calls
    are custom ones, `new_id` names nameless calls.
    """

    def __init__(
        self,
        errors: UpstreamErrors,
        origin: Callable[[], Origin],
        custom: frozenset[str] = frozenset(),
        new_id: Callable[[], str] = _new_call_id,
    ) -> None:
        self._errors = errors
        self._origin = origin
        self._answer = AnswerReader()
        self._blocks = AnswerBlocks(custom, new_id)
        self._counts: dict[str, object] = {}
        self._stamp: Stamp | None = None
        self._reason: FinishReason | None = None
        self._answered = False
        self._failure: TurnFailed | None = None
        self._done = False

    @property
    def finished(self) -> bool:
        """Whether a stop reason has come."""
        return self._reason is not None

    @property
    def done(self) -> bool:
        """Whether `message_stop` has come, or a failure."""
        return self._done

    def feed(self, data: bytes) -> Deltas:
        """Return what `data` brings, possibly nothing; a failure waits for `end`."""
        out: list[Delta] = []
        try:
            for event in self._answer.feed(data):
                if not self._done:
                    self._take(event, out)
        except TurnFailed as failure:
            self._fail(failure)
        except _MALFORMED as error:
            self._fail(self._errors.broken(f"sent {error}"))
        return self._stamped(out)

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
        return self._stamped(out)

    def _stamped(self, out: list[Delta]) -> Deltas:
        """Return a batch behind what is to be told beside it; alone, that would pass for a first word."""
        if out and self._stamp is not None:
            stamp, self._stamp = self._stamp, None
            return (stamp, *out)
        return tuple(out)

    def _fail(self, failure: TurnFailed) -> None:
        self._failure = failure
        self._done = True

    def _read_rest(self, out: list[Delta]) -> None:
        event = self._answer.end()
        if event is not None and self._answer.whole:
            self._take(event, out)
            if self._reason is None and self._answered:
                self._reason = FinishReason.STOP
        elif event is not None:
            # What is no event here is half of one.
            with suppress(NotAnEvent):
                self._take(event, out)

    def _take(self, event: Event, out: list[Delta]) -> None:
        data = event.data.strip()
        if event.name == b"error":
            raise self._errors.of_event(data)
        if not data or data.startswith(b"[DONE]"):
            # Gateways that speak OpenAI's protocol on their other side end so.
            return
        message = read_event(data)
        kind = message.type or event.name.decode("ascii", "replace")
        if kind == "error" or message.error:
            raise self._errors.of_event(data)
        self._take_message(kind, message, out)

    def _take_message(self, kind: str, message: Message, out: list[Delta]) -> None:
        match kind:
            case "message_start":
                self._count(fields(message.message).get("usage"))
                self._answered = True
            case "content_block_start":
                self._answered = True
                out += self._blocks.start(message.index, fields(message.content_block))
            case "content_block_delta":
                self._answered = True
                if message.delta is not None:
                    out += self._blocks.add(message.index, message.delta)
            case "content_block_stop":
                self._blocks.stop()
            case "message_delta":
                self._counts |= counts_of(message.usage)
                if message.delta is not None:
                    self._stop(message.delta.stop_reason, message.delta.stop_details, out)
            case "message_stop":
                self._done = True
            case "message":
                self._count(message.usage)
                self._answered = True
                for index, block in enumerate(items(message.content)):
                    out += self._blocks.start(index, fields(block))
                self._stop(message.stop_reason, message.stop_details, out)
            case _:
                pass

    def _count(self, usage: object) -> None:
        """Take what is said of the whole call; its tier is told once."""
        self._counts |= counts_of(usage)
        tier = _TIERS.get(text(fields(usage).get("service_tier")))
        if tier and not self._answered:
            self._stamp = Stamp(tier=tier)

    def _stop(self, name: object, details: object, out: list[Delta]) -> None:
        """Note why the model stopped; what the API says about a refusal is the refusal's text."""
        if not (reason := text(name)):
            return
        explanation = text(fields(details).get("explanation"))
        if reason == "refusal" and explanation and self._reason is None:
            out.append(RefusalDelta(explanation))
        self._reason = _REASONS.get(reason, FinishReason.STOP)

    def _close(self, out: list[Delta]) -> None:
        reason = self._reason
        if reason is None:
            what = "ended its answer in the middle" if self._answered else "sent an empty answer"
            raise self._errors.broken(what)
        if not self._blocks.calls and reason is FinishReason.TOOL_CALLS:
            reason = FinishReason.STOP
        elif self._blocks.calls and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS
        out += self._blocks.close(cut=reason is not FinishReason.TOOL_CALLS)
        if self._blocks.has_thinking:
            out.append(keep(self._origin(), self._blocks.layout))
        out.append(Finish(reason))
        if (usage := usage_of(self._counts)) is not None:
            out.append(usage)
