"""What every channel is: a prompt in, batches of deltas out.

A channel translates and transports; it knows nothing of sessions, retries or concurrency limits,
which are the provider actor's. It raises `TurnFailed` and nothing else for whatever goes wrong
outside of this program.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Literal, Protocol

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


class LogprobsDelta(msgspec.Struct, frozen=True, tag="logprobs"):
    """How likely the tokens were of the text that comes next, or of the `refusal`.

    It comes only where it was asked for. `tokens` is a JSON list of token objects as OpenAI's API has
    them, on one line.
    """

    tokens: bytes
    refusal: bool = False


class AnnotationsDelta(msgspec.Struct, frozen=True, tag="annotations"):
    """What the answer cites; `items` is a JSON list of OpenAI's annotation objects, on one line."""

    items: bytes


class AudioDelta(msgspec.Struct, frozen=True, tag="audio", omit_defaults=True):
    """A fragment of what the model speaks, each part of which may come at any time.

    `id` names it in later requests, until `expires` (Unix seconds); `data` is base64 by itself,
    `transcript` text.
    """

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires: int | None = None


class Usage(msgspec.Struct, frozen=True, tag="usage"):
    """Tokens of one model call, all of its choices together.

    `prompt` counts those read from a cache (`cached`) and those written to it (`cache_write`),
    `completion` those of the `reasoning`; `audio_…` are those of sound in either. Of what a request
    predicted of its answer some were `accepted_prediction`, the others `rejected_prediction`.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    cache_write: int = 0
    audio_prompt: int = 0
    audio_completion: int = 0
    accepted_prediction: int = 0
    rejected_prediction: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        counts = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Usage(*(one + more for one, more in counts))


NOTHING = Usage()
"""What was used of a model that has told nothing of it."""


class Stamp(msgspec.Struct, frozen=True, tag="stamp", omit_defaults=True):
    """What an upstream says of the answer beside it: who made it, and at which tier.

    The last one counts. Both are OpenAI's `system_fingerprint` and `service_tier`.
    """

    fingerprint: str | None = None
    tier: str | None = None


Kind = Literal[
    "tool.started", "tool.ended", "approval.needed", "history.shortened", "model.retried"
]


class Inside(msgspec.Struct, frozen=True, tag="inside"):
    """What happens in a turn beside what is said, for clients that ask for it; `data` is a JSON object.

    No channel gives it: it is the turn's own.
    """

    kind: Kind
    data: bytes


class FinishReason(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """The model is done; usage may still follow, text and calls may not."""

    reason: FinishReason


ChoiceDelta = (
    TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallStart
    | ToolCallArguments
    | LogprobsDelta
    | AnnotationsDelta
    | AudioDelta
    | Finish
)


class OfChoice(msgspec.Struct, frozen=True, tag="choice"):
    """A delta of a further answer, where a prompt asks for several; `index` counts them from 1.

    Those of the first answer stand by themselves, so that one answer costs nothing for this.
    """

    index: int
    delta: ChoiceDelta


Delta = ChoiceDelta | OfChoice | Stamp | Keepsake | Usage | Inside
Deltas = tuple[Delta, ...]


class Notes(msgspec.Struct, frozen=True):
    """What is to be known of a call beside its answer.

    `dropped` names the request's fields that the upstream's API has no place for, as its client spells
    them; `request_id` is the upstream's own name of the call. `limits` are what it says of its rate
    limits, under the names of OpenAI's headers without "x-ratelimit-".
    """

    dropped: tuple[str, ...] = ()
    request_id: str | None = None
    limits: dict[str, str] = {}


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
    - each further choice, which comes only if it was asked for, keeps the same by itself, and has ended
      before the first one does;
    - a `Stamp` never comes alone;
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
