"""The events of the Messages API as they arrive, typed as loosely as the world writes them.

It knows the wire's shapes, and leaves every decision to `reply` and `answer_blocks`. Whatever a server
may get wrong without harm is an `object`. Source: platform.claude.com, "Streaming messages".
"""

from collections.abc import Mapping

import msgspec

from greenroom.actors.channels.channel import Usage
from greenroom.actors.channels.loose import count, fields, mended


class Delta(msgspec.Struct):
    """What an event adds to a block, or to the message itself."""

    type: str | None = None
    text: object = None
    thinking: object = None
    signature: object = None
    partial_json: object = None
    stop_reason: object = None
    stop_details: object = None


class Message(msgspec.Struct):
    """An event of whichever type, the whole message of a server that does not stream, or an error."""

    type: str | None = None
    index: object = None
    message: object = None
    content_block: object = None
    delta: Delta | None = None
    usage: object = None
    content: object = None
    stop_reason: object = None
    stop_details: object = None
    error: object = None


class NotAnEvent(ValueError):  # noqa: N818 - a fact about what came in
    """The data is no event of this API."""


_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)

_message = msgspec.json.Decoder(Message)

_COUNTS = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
)


def read_event(data: bytes) -> Message:
    """Return the event in `data`; raises `NotAnEvent`."""
    try:
        return _message.decode(data)
    except _UNREADABLE:
        pass
    try:
        return _message.decode(mended(data))
    except _UNREADABLE as error:
        raise NotAnEvent("what is not its protocol") from error


def counts_of(usage: object) -> dict[str, object]:
    """Return the counts that a `usage` object has; they are totals, so the last of each counts."""
    given = fields(usage)
    return {name: given[name] for name in _COUNTS if given.get(name) is not None}


def usage_of(counts: Mapping[str, object]) -> Usage | None:
    """Return the tokens of a call, or None if nothing was counted.

    The API leaves out of `input_tokens` what it read from a cache or wrote to one.
    """
    if not counts:
        return None
    written = count(counts.get("cache_creation_input_tokens"))
    cached = count(counts.get("cache_read_input_tokens"))
    return Usage(
        prompt=count(counts.get("input_tokens")) + written + cached,
        completion=count(counts.get("output_tokens")),
        cached=cached,
        reasoning=count(fields(counts.get("output_tokens_details")).get("thinking_tokens")),
        cache_write=written,
    )
