"""What a model says as the API's objects: single deltas, calls, sounds, likelihoods, counts; pure.

It knows how the wire spells each of them, and nothing of the order in which they go out.
"""

from collections.abc import Collection

import msgspec
from msgspec import UNSET, Raw, UnsetType

from greenroom.actors.channels.channel import (
    AnnotationsDelta,
    AudioDelta,
    ChoiceDelta,
    Finish,
    FinishReason,
    LogprobsDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.channels.openai.vendor_keys import from_extra
from greenroom.http import wire

_encoder = msgspec.json.Encoder()


def usage_of(usage: Usage) -> wire.CompletionUsage:
    """Return a turn's usage in the API's form."""
    return wire.CompletionUsage(
        usage.prompt,
        usage.completion,
        usage.prompt + usage.completion,
        wire.PromptDetails(usage.cached, usage.audio_prompt, usage.cache_write),
        wire.CompletionDetails(
            usage.reasoning,
            usage.audio_completion,
            usage.accepted_prediction,
            usage.rejected_prediction,
        ),
    )


def finish_of(reason: FinishReason, *, legacy: bool) -> str:
    """Return a finish reason as a client with `functions` has it, or any other."""
    return "function_call" if legacy and reason is FinishReason.TOOL_CALLS else reason.value


def delta_of(delta: ChoiceDelta, custom: Collection[int], *, legacy: bool) -> wire.Delta | None:
    """Return what a delta adds to the message, None if that is nothing.

    `custom` are the indexes of the choice's custom calls so far, with one that begins.
    """
    told: wire.Delta | None = None
    match delta:
        case TextDelta(text):
            told = wire.Delta(content=text)
        case ReasoningDelta(text):
            told = wire.Delta(reasoning_content=text)
        case RefusalDelta(text):
            told = wire.Delta(refusal=text)
        case ToolCallStart() | ToolCallArguments():
            told = _function(delta) if legacy else _call(delta, custom)
        case AnnotationsDelta(items):
            told = wire.Delta(annotations=Raw(items))
        case AudioDelta():
            told = wire.Delta(audio=audio_of(delta))
        case Finish():
            told = wire.Delta()
        case LogprobsDelta():
            pass
    return told


def audio_of(audio: AudioDelta) -> wire.AudioOut:
    """Return what was spoken, or a fragment of it."""
    return wire.AudioOut(
        id=audio.id or UNSET,
        data=audio.data or UNSET,
        transcript=audio.transcript or UNSET,
        expires_at=UNSET if audio.expires is None else audio.expires,
    )


def call_of(
    id_: str, name: str, arguments: str, *, custom: bool, index: int | UnsetType = UNSET
) -> wire.ToolCallOut:
    """Return a tool call, whole or as it begins."""
    if custom:
        made = wire.CustomDelta(name=name, input=arguments)
        return wire.ToolCallOut(index, id_, "custom", custom=made)
    function = wire.FunctionDelta(name=name, arguments=arguments)
    return wire.ToolCallOut(index, id_, "function", function=function)


def with_keys(call: wire.ToolCallOut, extra: bytes | None) -> wire.ToolCallOut | Raw:
    """Return a call with the keys that only its upstream knows; none is one of the call's own."""
    keys = from_extra(extra)
    if not keys:
        return call
    return Raw(_encoder.encode(call)[:-1] + b"," + _encoder.encode(keys)[1:])


class Likelihoods:
    """The likelihood of tokens that belong together, in two lists: of text, and of a refusal."""

    __slots__ = ("_lists",)

    def __init__(self) -> None:
        self._lists: tuple[list[bytes], list[bytes]] | None = None

    def add(self, delta: LogprobsDelta) -> None:
        """Add some tokens."""
        self._lists = self._lists or ([], [])
        self._lists[delta.refusal].append(delta.tokens[1:-1])

    def take(self) -> wire.Likelihood | None:
        """Return all of them, and forget them; None if there are none."""
        if self._lists is None:
            return None
        (text, refusal), self._lists = self._lists, None
        return wire.Likelihood(content=_joined(text), refusal=_joined(refusal))


def _joined(lists: list[bytes]) -> Raw | None:
    return Raw(b"[" + b",".join(lists) + b"]") if lists else None


def _call(delta: ToolCallStart | ToolCallArguments, custom_calls: Collection[int]) -> wire.Delta:
    match delta:
        case ToolCallStart(index, id_, name, custom, extra):
            call = call_of(id_, name, "", custom=custom, index=index)
            return wire.Delta(tool_calls=(with_keys(call, extra),))
        case ToolCallArguments(index, fragment):
            if index in custom_calls:
                part = wire.ToolCallOut(index, custom=wire.CustomDelta(input=fragment))
            else:
                part = wire.ToolCallOut(index, function=wire.FunctionDelta(arguments=fragment))
            return wire.Delta(tool_calls=(part,))


def _function(delta: ToolCallStart | ToolCallArguments) -> wire.Delta | None:
    """Return a call as `function_call`, of which an answer has one."""
    if delta.index > 0:
        return None
    if isinstance(delta, ToolCallStart):
        return wire.Delta(function_call=wire.FunctionDelta(name=delta.name, arguments=""))
    return wire.Delta(function_call=wire.FunctionDelta(arguments=delta.fragment))
