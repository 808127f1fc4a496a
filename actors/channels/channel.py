"""What every channel is: a prompt in, batches of deltas out.

A channel translates and transports; it knows nothing of sessions, retries or concurrency limits,
which are the provider actor's. It raises `TurnFailed` and nothing else for whatever goes wrong
outside of this program.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

import msgspec

from greenroom.actors.entries import Keepsake, Prompt


class TextDelta(msgspec.Struct, frozen=True, tag="text"):
    """A fragment of the answer's text."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, tag="reasoning"):
    """A fragment of the model's thinking."""

    text: str


class RefusalDelta(msgspec.Struct, frozen=True, tag="refusal"):
    """A fragment of the model's refusal to answer."""

    text: str


class ToolCallStart(msgspec.Struct, frozen=True, tag="tool_call_start"):
    """The model begins a tool call; `index` counts the calls of this answer from 0.

    `extra` is as `ToolCall` has it.
    """

    index: int
    id: str
    name: str
    custom: bool = False
    extra: bytes | None = None


class ToolCallArguments(msgspec.Struct, frozen=True, tag="tool_call_arguments"):
    """A fragment of the arguments of the call that began with the same `index`."""

    index: int
    fragment: str


class Usage(msgspec.Struct, frozen=True, tag="usage"):
    """Tokens of one model call.

    `prompt` counts those read from a cache (`cached`) and those written to it (`cache_write`),
    `completion` those of the `reasoning`.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    cache_write: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.cached + other.cached,
            self.reasoning + other.reasoning,
            self.cache_write + other.cache_write,
        )


class FinishReason(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """The model is done; usage may still follow, text and calls may not."""

    reason: FinishReason


Delta = (
    TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallStart
    | ToolCallArguments
    | Keepsake
    | Usage
    | Finish
)
Deltas = tuple[Delta, ...]


class Notes(msgspec.Struct, frozen=True):
    """What is to be known of a call beside its answer.

    `dropped` names the request's fields that the upstream's API has no place for, as its client spells
    them; `request_id` is the upstream's own name of the call.
    """

    dropped: tuple[str, ...] = ()
    request_id: str | None = None


class Reading(AsyncIterator[Deltas]):
    """An answer while it comes; see `Channel` for what it promises."""

    notes: Notes = Notes()


class Channel(Protocol):
    """The adapter of one upstream API.

    `open` gives the answer to one prompt as batches, each what one network read brought, never
    empty. The promises, which `TurnFailed` at any moment ends:

    - every call has one `ToolCallStart`, indexes are dense from 0, its arguments follow it, and the
      fragments of two calls do not interleave;
    - at most one `Keepsake`, then exactly one `Finish`, after all text and calls; at most one `Usage`;
      then the iteration ends;
    - an answer that the upstream cut short raises, it never ends as if it were whole.

    Leaving the context closes the upstream's connection at once if the answer was not read whole.
    """

    def open(self, prompt: Prompt) -> AbstractAsyncContextManager[Reading]:
        """Send `prompt`; the context is entered once the upstream has begun to answer.

        What the API cannot do is refused with `TurnFailed` (INVALID_REQUEST), naming the field.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open; no answer may be under way."""
        ...
