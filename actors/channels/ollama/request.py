"""A prompt as the body of an `/api/chat` request, pure.

It knows which of OpenAI's fields Ollama's API has a place for, and where: sampling goes into `options`,
a response format becomes `format`, a reasoning effort `think`. Fields that Ollama itself knows pass if
a client gives them. Whatever has no place is left out and named, or refused where its client would take
the answer for something that it is not. `messages` has the entries. Source: docs.ollama.com, "Generate a
chat message" and "Modelfile"; `ChatRequest` in Ollama's `api/types.go`.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from greenroom.actors.channels.loose import fields
from greenroom.actors.channels.ollama.messages import Messages
from greenroom.actors.channels.ollama.refusals import malformed, unsupported
from greenroom.actors.entries import Prompt, Sampling, Tool, ToolChoice

_Wire = dict[str, object]

_NATIVE = ("format", "keep_alive", "shift", "think", "truncate")
"""Ollama's own fields, which pass as they are."""

_NATIVE_OPTIONS = ("min_p", "repeat_penalty", "top_k")
"""Sampling that other servers take at the top, under the names of Ollama's options."""

_TAKEN = {
    *_NATIVE,
    *_NATIVE_OPTIONS,
    "modalities",
    "options",
    "response_format",
    "reasoning_effort",
}

_EFFORTS: dict[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "ultra": "max",
    "max": "max",
}
"""What a reasoning effort is as `think`, as Ollama's own OpenAI endpoint has it."""

_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)


_NULL = msgspec.Raw(b"null")


class _Schema(msgspec.Struct):
    schema: msgspec.Raw = _NULL


class _Format(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class Encoded(msgspec.Struct, frozen=True):
    """A request's body, and the names of the fields that it has no place for."""

    body: bytes
    dropped: tuple[str, ...]


_format = msgspec.json.Decoder(_Format)
_text = msgspec.json.Decoder(str)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def encode_prompt(prompt: Prompt, context_window: int | None) -> Encoded:
    """Return the request's body; it asks for a stream.

    `context_window`, in tokens, is what the model is known to have: Ollama then loads it with that much,
    and refuses what is longer instead of leaving out the beginning. Raises `TurnFailed`
    (INVALID_REQUEST), naming the field, for what Ollama's API cannot do.
    """
    dropped: list[str] = []
    body: _Wire = {
        "model": prompt.model,
        "messages": Messages(dropped).write(prompt.entries),
        "stream": True,
    }
    if tools := _offered(prompt, dropped):
        body["tools"] = [msgspec.Raw(tool.definition) for tool in tools]
    sampling = prompt.sampling
    if sampling.choices != 1:
        raise unsupported("n", "`n` must be 1: Ollama's API gives one answer.")
    if sampling.top_logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": sampling.top_logprobs}
    options: _Wire = dict(_sampling(sampling))
    if context_window is not None:
        options["num_ctx"] = context_window
        body["truncate"] = False
    # Null is absent, as everywhere in OpenAI's API.
    extra = {name: raw for name, raw in prompt.extra.items() if raw.strip() != b"null"}
    _refuse(extra)
    if options := _options(extra, options, dropped):
        body["options"] = options
    body |= _native(extra, dropped)
    dropped += sorted(extra.keys() - _TAKEN)
    return Encoded(msgspec.json.encode(body), tuple(dict.fromkeys(dropped)))


def _sampling(sampling: Sampling) -> _Wire:
    wire: _Wire = {
        "num_predict": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "stop": sampling.stop or None,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
    }
    return {name: value for name, value in wire.items() if value is not None}


def _offered(prompt: Prompt, dropped: list[str]) -> list[Tool]:
    """Return the tools that the model is shown.

    Ollama has no tool choice. None is to show no tool, some is to show no other; that a call must come
    is more than can be promised, so it is noted as left out.
    """
    choice = prompt.tool_choice
    if not prompt.tools or (choice is not None and choice.mode == "none"):
        return []
    tools = [tool for tool in prompt.tools if _is_allowed(tool, choice)]
    if choice is not None and choice.mode == "required":
        dropped.append("tool_choice")
    if prompt.parallel_tool_calls is False:
        dropped.append("parallel_tool_calls")
    for tool in tools:
        if tool.kind != "function":
            raise unsupported(
                "tools",
                f"Ollama's API knows functions only; '{tool.name}' is a tool of type '{tool.kind}'.",
            )
        if _is_strict(tool):
            dropped.append("tools[].function.strict")
    return tools


def _is_allowed(tool: Tool, choice: ToolChoice | None) -> bool:
    return choice is None or not choice.names or tool.name in choice.names


def _is_strict(tool: Tool) -> bool:
    definition = fields(msgspec.json.decode(tool.definition))
    return bool(fields(definition.get("function")).get("strict"))


def _refuse(extra: Mapping[str, bytes]) -> None:
    """Refuse what would change the form of the answer: its client would look for what is not there."""
    if _value(extra, "modalities") not in (None, [], ["text"]):
        raise unsupported("modalities", "`modalities` must be text alone: Ollama's API gives text.")


def _options(extra: Mapping[str, bytes], ours: _Wire, dropped: list[str]) -> _Wire:
    """Return the options: the client's own, under those that its other fields and the settings give."""
    theirs: _Wire = {}
    if "options" in extra:
        try:
            theirs |= _fields.decode(extra["options"])
        except _UNREADABLE:
            raise malformed("options", "`options` must be an object.") from None
    dropped += [f"options.{name}" for name in theirs if name in ours]
    named: _Wire = {name: msgspec.Raw(extra[name]) for name in _NATIVE_OPTIONS if name in extra}
    dropped += [f"options.{name}" for name in theirs if name in named]
    return theirs | named | ours


def _native(extra: Mapping[str, bytes], dropped: list[str]) -> _Wire:
    """Return the fields beside the options; Ollama's own names win over OpenAI's."""
    wire: _Wire = {name: msgspec.Raw(extra[name]) for name in _NATIVE if name in extra}
    for name, place, read in (
        ("response_format", "format", _format_of),
        ("reasoning_effort", "think", _think_of),
    ):
        if name not in extra:
            continue
        if place in wire:
            dropped.append(name)
        elif (value := read(extra[name])) is not None:
            wire[place] = value
    return wire


def _format_of(raw: bytes) -> object:
    """Return `format`: a schema, or "json" for any object; None for text."""
    try:
        wanted = _format.decode(raw)
    except _UNREADABLE:
        what = "`response_format` must be of type text, json_object or json_schema."
        raise malformed("response_format", what) from None
    if wanted.type == "text":
        return None
    schema = wanted.json_schema.schema if wanted.json_schema else _NULL
    return "json" if wanted.type == "json_object" or schema == _NULL else schema


def _think_of(raw: bytes) -> object:
    try:
        return _EFFORTS[_text.decode(raw)]
    except (*_UNREADABLE, KeyError):
        what = f"`reasoning_effort` must be one of {', '.join(_EFFORTS)}."
        raise unsupported("reasoning_effort", what) from None


def _value(extra: Mapping[str, bytes], name: str) -> object:
    """Return a field's value, None where it is absent."""
    try:
        return msgspec.json.decode(extra[name]) if name in extra else None
    except _UNREADABLE:
        raise malformed(name, f"`{name}` is not valid JSON.") from None
