"""The chunks of OpenAI Chat Completions as they arrive, typed as loosely as the world writes them.

It knows the wire's shapes, and leaves every decision to `reply`. Only what is needed of a
chunk is named; whatever upstreams disagree on (counts, indexes, arguments) is an `object` that
the reader judges by itself, so that an odd field never costs the answer. Sources: the chunk object
in platform.openai.com's API reference; the OpenAI endpoints of Gemini, Groq, DeepSeek and vLLM.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from greenroom.actors.channels.channel import Usage
from greenroom.actors.channels.loose import count, fields, mended
from greenroom.actors.channels.openai.vendor_keys import vendor_keys

T = TypeVar("T")


class Function(msgspec.Struct):
    """The function of a call, or of the legacy `function_call`; `arguments` should be a string."""

    name: str | None = None
    arguments: object = None


class Custom(msgspec.Struct):
    """The custom tool of a call."""

    name: str | None = None
    input: object = None


class Call(msgspec.Struct):
    """A tool call or a fragment of one; the first has an identity, the others an index at best.

    `extra` has the keys that only its server knows.
    """

    index: object = None
    id: str | None = None
    function: Function | None = None
    custom: Custom | None = None
    extra: dict[str, msgspec.Raw] = {}


class Part(msgspec.Struct):
    """A part of a content that is a list, as Mistral's thinking models send it."""

    type: str | None = None
    text: str | None = None
    thinking: "str | list[Part] | None" = None


class Message(msgspec.Struct):
    """A `delta`, or the `message` of an answer that is not streamed."""

    content: str | list[Part] | None = None
    refusal: str | None = None
    reasoning_content: object = None
    reasoning: object = None
    reasoning_details: object = None
    tool_calls: list[dict[str, msgspec.Raw]] | None = None
    function_call: Function | None = None
    annotations: object = None
    audio: object = None


class Choice(msgspec.Struct):
    """One of the answers."""

    index: object = None
    delta: Message | None = None
    message: Message | None = None
    finish_reason: str | None = None
    logprobs: object = None
    usage: object = None


class Chunk(msgspec.Struct):
    """A chunk, a whole answer, or an error that stands in a chunk's place."""

    choices: list[Choice] | None = None
    usage: object = None
    service_tier: object = None
    system_fingerprint: object = None
    x_groq: object = None
    error: object = None
    kind: str | None = msgspec.field(default=None, name="object")
    type: str | None = None
    message: object = None
    detail: object = None


class NotAChunk(ValueError):  # noqa: N818 - a fact about what came in
    """The data is neither a chunk nor a list of chunks."""


_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)

_chunk = msgspec.json.Decoder(Chunk)
_chunks = msgspec.json.Decoder(list[Chunk])
_any = msgspec.json.Decoder()
_text = msgspec.json.Decoder(str | None)
_function = msgspec.json.Decoder(Function | None)
_custom = msgspec.json.Decoder(Custom | None)


def read_chunks(data: bytes) -> list[Chunk]:
    """Return the chunks in `data`, which is one or, from Gemini, a list of them; raises `NotAChunk`."""
    return _leniently(_read_strictly, data)


def read_chunk(data: bytes) -> Chunk | None:
    """Return the chunk in `data`, None if it is another thing, or not as it should be."""
    try:
        return _chunk.decode(data)
    except _UNREADABLE:
        return None


def read_call(keys: Mapping[str, msgspec.Raw]) -> Call:
    """Return the call, or the fragment of one, that has these keys; raises `NotAChunk`."""

    def read(name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        return _leniently(decoder.decode, bytes(keys[name])) if name in keys else None

    return Call(
        read("index", _any),
        read("id", _text),
        read("function", _function),
        read("custom", _custom),
        vendor_keys(keys),
    )


def message_alone(chunk: Chunk, *, with_logprobs: bool) -> Message | None:
    """Return a chunk's message if its content is all that the chunk says of a first choice."""
    if chunk.usage or chunk.x_groq or chunk.error or not chunk.choices or len(chunk.choices) > 1:
        return None
    [choice] = chunk.choices
    if choice.finish_reason or choice.usage or (with_logprobs and choice.logprobs):
        return None
    message = choice.delta
    if message is None or not (choice.index is None or choice.index == 0):
        return None
    others = msgspec.structs.astuple(message)[1:]
    return None if any(others) else message


def read_usage(value: object) -> Usage | None:
    """Return the token counts of a `usage` object, or None if it has none."""
    usage = fields(value)
    if usage.get("prompt_tokens") is None and usage.get("completion_tokens") is None:
        return None
    prompt = fields(usage.get("prompt_tokens_details"))
    cached = prompt.get("cached_tokens")
    written = prompt.get("cache_write_tokens")
    if written is None:
        written = prompt.get("cache_creation_tokens")
    details = fields(usage.get("completion_tokens_details"))
    return Usage(
        prompt=count(usage.get("prompt_tokens")),
        completion=count(usage.get("completion_tokens")),
        cached=count(usage.get("prompt_cache_hit_tokens") if cached is None else cached),
        reasoning=count(details.get("reasoning_tokens")),
        cache_write=count(written),
        audio_prompt=count(prompt.get("audio_tokens")),
        audio_completion=count(details.get("audio_tokens")),
        accepted_prediction=count(details.get("accepted_prediction_tokens")),
        rejected_prediction=count(details.get("rejected_prediction_tokens")),
    )


def _leniently(read: Callable[[bytes], T], data: bytes) -> T:
    try:
        return read(data)
    except _UNREADABLE:
        pass
    try:
        return read(mended(data))
    except _UNREADABLE as error:
        raise NotAChunk("what is not its protocol") from error


def _read_strictly(data: bytes) -> list[Chunk]:
    return _chunks.decode(data) if data.startswith(b"[") else [_chunk.decode(data)]
