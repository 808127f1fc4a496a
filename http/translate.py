"""From a turn's events to the bytes that a client reads; pure, and the same for the same events."""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from greenroom.actors.answer import Answer
from greenroom.actors.channels.channel import (
    Delta,
    Deltas,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.channels.openai.vendor_keys import from_extra
from greenroom.actors.entries import Keepsake
from greenroom.actors.turn import TurnAccepted, TurnEnded, TurnStarted
from greenroom.http import wire

_encoder = msgspec.json.Encoder()

_DONE = b"[DONE]"


def frame(data: bytes) -> bytes:
    """Return one server-sent event; `data` is one line of JSON."""
    return b"data: " + data + b"\n\n"


def identity_of(started: TurnStarted) -> tuple[str, str, int]:
    """Return an answer's id, its model as its client spells it, and when it was created."""
    return f"chatcmpl-{started.turn}", started.model, started.created


def usage_of(usage: Usage) -> wire.CompletionUsage:
    """Return a turn's usage in the API's form."""
    return wire.CompletionUsage(
        usage.prompt,
        usage.completion,
        usage.prompt + usage.completion,
        wire.PromptDetails(usage.cached),
        wire.CompletionDetails(usage.reasoning),
    )


class ChunkEncoder:
    """Encodes one streamed answer: role, deltas, finish, usage if asked, end.

    The role goes out with the first delta, because a turn that begins with a tool call has null
    content, and one that begins with text an empty one.

    Events count from 1. The same turn gives the same events, however its deltas were batched, so a client
    can go on after the last one that it has: those up to `starting_after` are left out.
    """

    def __init__(
        self, *, include_usage: bool, starting_after: int = 0, event_ids: bool = False
    ) -> None:
        self._id = ""
        self._model = ""
        self._created = 0
        self._include_usage = include_usage
        self._starting_after = starting_after
        self._event_ids = event_ids
        self._events = 0
        self._usage: UnsetType | None = None if include_usage else UNSET
        self._has_role = False
        self._custom: set[int] = set()

    def accept(self, _: TurnAccepted) -> bytes:
        """Say nothing yet: an answer begins with the model's first word."""
        return b""

    def start(self, started: TurnStarted) -> bytes:
        """Learn which answer it is; what there is to say of that is in every chunk."""
        self._id, self._model, self._created = identity_of(started)
        return b""

    def progress(self, deltas: Deltas) -> bytes:
        """Encode a batch, as one piece."""
        pieces = [] if self._has_role or not deltas else [self._role(deltas[0])]
        pieces.extend([self._chunk(self._delta(delta)) for delta in deltas])
        return b"".join(pieces)

    def end(self, ended: TurnEnded) -> bytes:
        """Encode a good end, as one piece."""
        pieces = [] if self._has_role else [self._role(None)]
        pieces.append(self._chunk(wire.Delta(), ended.reason.value))
        if self._include_usage:
            pieces.append(self._frame((), usage_of(ended.usage)))
        pieces.append(self._event(_DONE))
        return b"".join(pieces)

    def fail(self, error: bytes) -> bytes:
        """Encode a bad end, as one piece; `error` is an envelope."""
        return self._event(error) + self._event(_DONE)

    def _event(self, data: bytes) -> bytes:
        self._events += 1
        if self._events <= self._starting_after:
            return b""
        return (b"id: %d\n" % self._events if self._event_ids else b"") + frame(data)

    def _role(self, first: Delta | None) -> bytes:
        self._has_role = True
        content = None if isinstance(first, ToolCallStart) else ""
        return self._chunk(wire.Delta(role="assistant", content=content))

    def _chunk(self, delta: wire.Delta, finish: str | None = None) -> bytes:
        return self._frame((wire.ChunkChoice(delta=delta, finish_reason=finish),), self._usage)

    def _frame(
        self,
        choices: tuple[wire.ChunkChoice, ...],
        usage: wire.CompletionUsage | UnsetType | None,
    ) -> bytes:
        chunk = wire.Chunk(
            id=self._id, created=self._created, model=self._model, choices=choices, usage=usage
        )
        return self._event(_encoder.encode(chunk))

    def _delta(self, delta: Delta) -> wire.Delta:
        match delta:
            case TextDelta(text):
                return wire.Delta(content=text)
            case ReasoningDelta(text):
                return wire.Delta(reasoning_content=text)
            case RefusalDelta(text):
                return wire.Delta(refusal=text)
            case ToolCallStart(index, id_, name, custom, extra):
                if custom:
                    self._custom.add(index)
                call = _call(id_, name, "", custom=custom, index=index)
                return wire.Delta(tool_calls=(_with_keys(call, extra),))
            case ToolCallArguments(index, fragment):
                if index in self._custom:
                    part = wire.ToolCallOut(index, custom=wire.CustomDelta(input=fragment))
                else:
                    part = wire.ToolCallOut(index, function=wire.FunctionDelta(arguments=fragment))
                return wire.Delta(tool_calls=(part,))
            case Finish() | Usage() | Keepsake():
                msg = "the end of a turn is told by TurnEnded, not by progress"
                raise AssertionError(msg)


class CompletionBuilder:
    """Builds one whole answer from the same events."""

    def __init__(self) -> None:
        self._answer = Answer()
        self._reasoning: list[str] = []

    def progress(self, deltas: Deltas) -> None:
        """Add a batch."""
        self._answer.take(deltas)
        self._reasoning.extend(d.text for d in deltas if isinstance(d, ReasoningDelta))

    def end(self, started: TurnStarted, ended: TurnEnded) -> bytes:
        """Encode the `chat.completion` object."""
        id_, model, created = identity_of(started)
        self._answer.take((Finish(ended.reason),))
        entry = self._answer.entry()
        calls = tuple(
            _with_keys(
                _call(call.id, call.name, call.arguments, custom=call.kind == "custom"), call.extra
            )
            for call in entry.tool_calls
        )
        message = wire.MessageOut(
            content=entry.text,
            refusal=entry.refusal,
            reasoning_content="".join(self._reasoning) or UNSET,
            tool_calls=calls or UNSET,
        )
        choice = wire.CompletionChoice(message=message, finish_reason=ended.reason.value)
        completion = wire.Completion(
            id=id_, created=created, model=model, choices=(choice,), usage=usage_of(ended.usage)
        )
        return _encoder.encode(completion)


def _call(
    id_: str, name: str, arguments: str, *, custom: bool, index: int | UnsetType = UNSET
) -> wire.ToolCallOut:
    if custom:
        made = wire.CustomDelta(name=name, input=arguments)
        return wire.ToolCallOut(index, id_, "custom", custom=made)
    function = wire.FunctionDelta(name=name, arguments=arguments)
    return wire.ToolCallOut(index, id_, "function", function=function)


def _with_keys(call: wire.ToolCallOut, extra: bytes | None) -> wire.ToolCallOut | Raw:
    """Return a call with the keys that only its upstream knows; none is one of the call's own."""
    keys = from_extra(extra)
    if not keys:
        return call
    return Raw(_encoder.encode(call)[:-1] + b"," + _encoder.encode(keys)[1:])
