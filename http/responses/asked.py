"""What a response tells of its request, from its first event to its last retrieval.

It is kept with the turn as JSON, so fields may be added with a default, and none may change its meaning.
"""

from typing import Literal

import msgspec
from msgspec import Raw

from greenroom.http.responses.ids import response_id
from greenroom.http.responses.objects import (
    ConversationRef,
    IncompleteDetails,
    Item,
    Response,
    ResponseError,
    ResponseUsage,
    Status,
)

PLAIN_TEXT = Raw(b'{"format":{"type":"text"}}')
NO_REASONING = Raw(b'{"effort":null,"summary":null}')


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag_field="api", tag="responses"):
    """A request's fields as its response echoes them.

    What was not sent has the API's default; of these, a model's own may differ. With `summarises`, what
    the model thinks is told as a summary.
    """

    background: bool = False
    store: bool = True
    conversation: str | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] = {}
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: Raw = NO_REASONING
    summarises: bool = False
    safety_identifier: str | None = None
    service_tier: str = "auto"
    temperature: float = 1.0
    text: Raw = PLAIN_TEXT
    tool_choice: Raw = Raw(b'"auto"')
    tools: tuple[Raw, ...] = ()
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    truncation: Literal["auto", "disabled"] = "auto"
    user: str | None = None

    def encode(self) -> bytes:
        """Return what is kept of it."""
        return msgspec.json.encode(self)


class _Other(msgspec.Struct, frozen=True, tag_field="api", tag="other"):
    """Beside it, a tag has to be there: alone, a struct is taken for what it is without one."""


_decoder = msgspec.json.Decoder(Asked | _Other)


def decode_asked(kept: bytes | None) -> Asked | None:
    """Return what was kept, None if it is of no response."""
    if kept is None:
        return None
    try:
        found = _decoder.decode(kept)
    except msgspec.DecodeError:
        return None  # another API's
    return found if isinstance(found, Asked) else None


class Outcome(msgspec.Struct, frozen=True):
    """How far a response is; `completed_at` in Unix seconds."""

    status: Status
    output: tuple[Item, ...] = ()
    usage: ResponseUsage | None = None
    error: ResponseError | None = None
    incomplete: IncompleteDetails | None = None
    completed_at: int | None = None


def response_of(asked: Asked, turn: str, model: str, created: int, outcome: Outcome) -> Response:
    """Return the response that a turn is."""
    conversation = asked.conversation
    return Response(
        id=response_id(turn),
        created_at=created,
        status=outcome.status,
        background=asked.background,
        completed_at=outcome.completed_at,
        error=outcome.error,
        incomplete_details=outcome.incomplete,
        instructions=asked.instructions,
        max_output_tokens=asked.max_output_tokens,
        max_tool_calls=asked.max_tool_calls,
        model=model,
        output=outcome.output,
        parallel_tool_calls=asked.parallel_tool_calls,
        previous_response_id=asked.previous_response_id,
        conversation=None if conversation is None else ConversationRef(conversation),
        prompt_cache_key=asked.prompt_cache_key,
        reasoning=asked.reasoning,
        safety_identifier=asked.safety_identifier,
        service_tier=asked.service_tier,
        store=asked.store,
        temperature=asked.temperature,
        text=asked.text,
        tool_choice=asked.tool_choice,
        tools=asked.tools,
        top_p=asked.top_p,
        presence_penalty=asked.presence_penalty,
        frequency_penalty=asked.frequency_penalty,
        truncation=asked.truncation,
        usage=outcome.usage,
        user=asked.user,
        metadata=asked.metadata,
    )
