"""The objects of the Responses API that go out: items, their parts, and the response itself.

Source: OpenAI's API reference, "Responses", and the Open Responses specification, which wants every field
that may be null to be there.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

ItemStatus = Literal["in_progress", "completed", "incomplete"]
Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]


class Typed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What says its type first."""


# Parts


class OutputText(Typed, frozen=True, kw_only=True, tag="output_text"):
    """Text of the model's."""

    annotations: tuple[Raw, ...] = ()
    logprobs: tuple[()] = ()
    text: str


class RefusalPart(Typed, frozen=True, kw_only=True, tag="refusal"):
    """A refusal of the model's."""

    refusal: str


class ReasoningText(Typed, frozen=True, kw_only=True, tag="reasoning_text"):
    """Thinking as the model wrote it."""

    text: str


class SummaryText(Typed, frozen=True, kw_only=True, tag="summary_text"):
    """Thinking, told as a summary of it."""

    text: str


class InputText(Typed, frozen=True, kw_only=True, tag="input_text"):
    """Text of the user's side."""

    text: str


OutputPart = OutputText | RefusalPart | ReasoningText
InputPart = InputText | Raw

# Items


class MessageItem(Typed, frozen=True, kw_only=True, tag="message"):
    """A message."""

    id: str
    status: ItemStatus
    role: Literal["assistant", "user", "system", "developer"]
    content: tuple[OutputPart | InputPart, ...]


class ReasoningItem(Typed, frozen=True, kw_only=True, tag="reasoning"):
    """What the model thought: as a summary, or as it is."""

    id: str
    summary: tuple[SummaryText, ...]
    content: tuple[ReasoningText, ...] | UnsetType = UNSET
    status: ItemStatus


class FunctionCallItem(Typed, frozen=True, kw_only=True, tag="function_call"):
    """A call of a function."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus


class CustomCallItem(Typed, frozen=True, kw_only=True, tag="custom_tool_call"):
    """A call of a custom tool."""

    id: str
    call_id: str
    name: str
    input: str
    status: ItemStatus


class FunctionOutputItem(Typed, frozen=True, kw_only=True, tag="function_call_output"):
    """What a function gave back."""

    id: str
    call_id: str
    output: str | tuple[InputPart, ...]
    status: ItemStatus = "completed"


class CustomOutputItem(Typed, frozen=True, kw_only=True, tag="custom_tool_call_output"):
    """What a custom tool gave back."""

    id: str
    call_id: str
    output: str | tuple[InputPart, ...]
    status: ItemStatus = "completed"


CallItem = FunctionCallItem | CustomCallItem
Item = MessageItem | ReasoningItem | CallItem | FunctionOutputItem | CustomOutputItem | Raw
"""One with further keys, which only its upstream knows, goes out as `Raw`."""

# The response


class InputDetails(msgspec.Struct, frozen=True):
    """`input_tokens_details`."""

    cached_tokens: int
    cache_write_tokens: int


class OutputDetails(msgspec.Struct, frozen=True):
    """`output_tokens_details`."""

    reasoning_tokens: int


class ResponseUsage(msgspec.Struct, frozen=True):
    """`usage`, in tokens."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class ResponseError(msgspec.Struct, frozen=True):
    """Why a response failed."""

    code: str
    message: str


class IncompleteDetails(msgspec.Struct, frozen=True):
    """Why a response is not complete."""

    reason: Literal["max_output_tokens", "content_filter"]


class ConversationRef(msgspec.Struct, frozen=True):
    """The conversation that a response belongs to."""

    id: str


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A response; times are Unix seconds."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Status
    background: bool
    completed_at: int | None
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    model: str
    output: tuple[Item, ...]
    parallel_tool_calls: bool
    previous_response_id: str | None
    conversation: ConversationRef | None
    prompt_cache_key: str | None
    reasoning: Raw
    safety_identifier: str | None
    service_tier: str
    store: bool
    temperature: float
    text: Raw
    tool_choice: Raw
    tools: tuple[Raw, ...]
    top_logprobs: int = 0
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    truncation: Literal["auto", "disabled"]
    usage: ResponseUsage | None
    user: str | None
    metadata: dict[str, str]


class ResponseDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted."""

    id: str
    object: Literal["response"] = "response"
    deleted: bool = True


class ItemList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of items; the ids are null only where it is empty."""

    object: Literal["list"] = "list"
    data: tuple[Item, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation; `created_at` in Unix seconds."""

    id: str
    object: Literal["conversation"] = "conversation"
    created_at: int
    metadata: dict[str, str]


class ConversationDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted."""

    id: str
    object: Literal["conversation.deleted"] = "conversation.deleted"
    deleted: bool = True
