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

from greenroom.actors.entries import Prompt


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
    """The model begins a tool call; `index` counts the calls of this answer from 0."""

    index: int
    id: str
    name: str
    custom: bool = False


class ToolCallArguments(msgspec.Struct, frozen=True, tag="tool_call_arguments"):
    """A fragment of the arguments of the call that began with the same `index`."""

    index: int
    fragment: str


class Usage(msgspec.Struct, frozen=True, tag="usage"):
    """Tokens of one model call: `prompt` counts the cached ones, `completion` the reasoning."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


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
    TextDelta | ReasoningDelta | RefusalDelta | ToolCallStart | ToolCallArguments | Usage | Finish
)
Deltas = tuple[Delta, ...]


class Channel(Protocol):
    """The adapter of one upstream API.

    `open` gives the answer to one prompt as batches, each what one network read brought, never
    empty. The promises, which `TurnFailed` at any moment ends:

    - every call has one `ToolCallStart`, indexes are dense from 0, its arguments follow it, and the
      fragments of two calls do not interleave;
    - exactly one `Finish`, after all text and calls; at most one `Usage`; then the iteration ends;
    - an answer that the upstream cut short raises, it never ends as if it were whole.

    Leaving the context closes the upstream's connection at once if the answer was not read whole.
    """

    def open(self, prompt: Prompt) -> AbstractAsyncContextManager[AsyncIterator[Deltas]]:
        """Send `prompt`; the context is entered once the upstream has begun to answer."""
        ...

    async def aclose(self) -> None:
        """Close what is open; no answer may be under way."""
        ...
