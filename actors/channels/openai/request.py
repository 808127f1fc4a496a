"""A prompt as the body of a Chat Completions request, pure.

It knows the request's wire format, what models call their limit, which answers cannot be streamed, and
what servers want back of their answers. What a client sent as JSON (parts, tools, the tool choice, extra
fields) goes out byte for byte.
Source: platform.openai.com, API reference, "Create chat completion".
"""

import re
from collections.abc import Mapping

import msgspec

from greenroom.actors.channels.loose import fields, items
from greenroom.actors.channels.openai.dialects import Dialect
from greenroom.actors.channels.openai.keepsake import fields_back
from greenroom.actors.channels.openai.vendor_keys import from_extra
from greenroom.actors.entries import (
    AssistantEntry,
    Content,
    Entry,
    Prompt,
    Sampling,
    SystemEntry,
    TextPart,
    ToolCall,
    ToolEntry,
    UserEntry,
)

_WANTS_COMPLETION_TOKENS = re.compile(
    r"(?:ft:)?(?:o\d{1,2}(?![\da-z])|gpt-(?:[5-9]|1\d)(?!\d))", re.IGNORECASE
)
"""OpenAI's o-series and gpt-5 and later, which refuse `max_tokens`; others know nothing else."""

_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})

_STREAMED_SOUND = "pcm16"
"""The one format of sound that can be cut anywhere; OpenAI streams no other."""

_PLAIN = Sampling()
"""What most clients ask for: nothing."""

_Wire = dict[str, object]


class Destination(msgspec.Struct, frozen=True):
    """The provider that a request is for, by its id, and how its server departs from the rest.

    `now` is the time in Unix seconds, by which its names of sounds expire.
    """

    provider: str
    dialect: Dialect = Dialect()
    now: float = 0.0


def encode_prompt(prompt: Prompt, to: Destination) -> bytes:
    """Return the request's body; it asks for a stream with usage, if what it asks for can be one."""
    messages = (_message(entry, prompt.model, to) for entry in prompt.entries)
    body: _Wire = {
        "model": prompt.model,
        "messages": [message for message in messages if message is not None],
    }
    if _can_be_streamed(prompt.extra):
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if prompt.tools:
        # Without tools, OpenAI refuses the fields about them.
        body["tools"] = [msgspec.Raw(tool.definition) for tool in prompt.tools]
        if prompt.tool_choice is not None:
            body["tool_choice"] = msgspec.Raw(prompt.tool_choice.definition)
        if prompt.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = prompt.parallel_tool_calls
    body |= _sampling(prompt.sampling, prompt.model)
    # Never a second answer, nor a second name for the limit.
    barred = {"n"} if prompt.sampling.max_tokens is None else {"n", *_LIMITS}
    for name in prompt.extra.keys() - body.keys() - barred:
        body[name] = msgspec.Raw(prompt.extra[name])
    return msgspec.json.encode(body)


def _sampling(sampling: Sampling, model: str) -> _Wire:
    if sampling == _PLAIN:
        return {}
    wire: _Wire = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        _limit_name(model): sampling.max_tokens,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "stop": sampling.stop or None,
        "seed": sampling.seed,
        "n": None if sampling.choices == 1 else sampling.choices,
        "logprobs": None if sampling.top_logprobs is None else True,
        "top_logprobs": sampling.top_logprobs or None,
    }
    return {name: value for name, value in wire.items() if value is not None}


def _can_be_streamed(extra: Mapping[str, bytes]) -> bool:
    """Say whether an answer can come in pieces; what a client says of sound is JSON of any kind."""
    if "modalities" not in extra or "audio" not in items(_value(extra, "modalities")):
        return True
    return fields(_value(extra, "audio")).get("format") == _STREAMED_SOUND


def _value(extra: Mapping[str, bytes], name: str) -> object:
    try:
        value: object = msgspec.json.decode(extra.get(name, b"null"))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return value


def _limit_name(model: str) -> str:
    """Return what this model calls its limit; a vendor's prefix does not count."""
    name = model.rpartition("/")[2]
    return "max_completion_tokens" if _WANTS_COMPLETION_TOKENS.match(name) else "max_tokens"


def _message(entry: Entry, model: str, to: Destination) -> _Wire | None:
    """Return an entry as a message, or None where there is nothing to send."""
    match entry:
        case SystemEntry(content):
            return {"role": "system", "content": _content(content)}
        case UserEntry(content, name):
            message: _Wire = {"role": "user", "content": _content(content)}
            return message if name is None else message | {"name": name}
        case AssistantEntry():
            return _assistant(entry, model, to)
        case ToolEntry(call_id, content):
            return {"role": "tool", "tool_call_id": call_id, "content": _content(content)}


def _assistant(entry: AssistantEntry, model: str, to: Destination) -> _Wire | None:
    """Return an answer as a message; a refusal goes as its text, which every server takes.

    What was spoken goes by its name, and once that has expired as its transcript.
    """
    message: _Wire = {"role": "assistant", "content": entry.text or entry.refusal}
    speech = entry.speech
    if speech is not None and (speech.expires is None or to.now < speech.expires):
        message |= {"content": None, "audio": {"id": speech.id}}
    elif not (message["content"] or entry.tool_calls):
        return None
    if entry.tool_calls:
        strict = to.dialect.strict
        message["tool_calls"] = [_call(call, strict=strict) for call in entry.tool_calls]
    return message | fields_back(entry.keepsake, to.provider, to.dialect, model)


def _call(call: ToolCall, *, strict: bool) -> _Wire:
    """Return a call, with the keys that its server wants back unless it is a `strict` one's turn."""
    wire: _Wire = {} if strict else dict(from_extra(call.extra))
    if call.kind == "custom":
        custom: _Wire = {"name": call.name, "input": call.arguments}
        return wire | {"id": call.id, "type": "custom", "custom": custom}
    # Servers parse the arguments, and refuse the whole prompt for a text that is no JSON object.
    arguments = call.arguments if _is_object(call.arguments) else "{}"
    function: _Wire = {"name": call.name, "arguments": arguments}
    return wire | {"id": call.id, "type": "function", "function": function}


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False


def _content(content: Content) -> str | list[object]:
    if isinstance(content, str):
        return content
    return [
        {"type": "text", "text": part.text} if isinstance(part, TextPart) else msgspec.Raw(part.raw)
        for part in content
    ]
