"""The Responses and Conversations APIs as structs: what a client sends.

Source: as in `objects`. Parts that are passed on stay `Raw`. Where what a client sends is translated, an
unknown field is an error, because it would be lost.
"""

from typing import Literal

import msgspec
from msgspec import Raw


class ConversationParam(msgspec.Struct, frozen=True):
    """`conversation`, as an object."""

    id: str


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`stream_options`; nothing is ever obfuscated here."""

    include_obfuscation: bool | None = None


class Reasoning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`reasoning`."""

    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto"] | None = None
    mode: Literal["standard"] | None = None


class Format(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`text.format`; its schema is the provider's to check."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: Raw = Raw()
    strict: bool | None = None


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`text`."""

    format: Format | None = None
    verbosity: str | None = None


class ResponseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request; null is the same as absent."""

    model: str
    input: str | list[Raw] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    background: bool | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: str | ConversationParam | None = None
    instructions: str | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = Raw()
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    text: Text | None = None
    reasoning: Reasoning | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: int | None = None
    truncation: Literal["auto", "disabled"] | None = None
    include: list[str] | None = None
    metadata: dict[str, str] | None = None
    user: Raw = Raw()
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None


class Tool(msgspec.Struct, frozen=True):
    """A tool; those that are hosted elsewhere are known by their type."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: Raw = Raw()
    strict: bool | None = None
    format: Raw = Raw()
    defer_loading: bool | None = None
    async_: bool | None = msgspec.field(default=None, name="async")
    allowed_callers: list[str] | None = None


class ToolFormat(msgspec.Struct, frozen=True):
    """`format` of a custom tool."""

    type: Literal["text", "grammar"]
    syntax: str | None = None
    definition: str | None = None


class ChosenTool(msgspec.Struct, frozen=True):
    """A tool that a choice names."""

    type: str
    name: str | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    """A tool choice that is an object."""

    type: str
    name: str | None = None
    mode: Literal["auto", "required"] = "auto"
    tools: list[ChosenTool] | None = None


class Part(msgspec.Struct, frozen=True):
    """A part of a message's content, or of a tool's output."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: Raw = Raw()
    prompt_cache_breakpoint: Raw = Raw()


class Thought(msgspec.Struct, frozen=True):
    """A part of what a model thought."""

    text: str


class InputItem(msgspec.Struct, frozen=True):
    """An item of the input, of any type; without one it is a message."""

    type: str | None = None
    id: str | None = None
    role: str | None = None
    content: str | list[Raw] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    output: str | list[Raw] | None = None
    summary: list[Thought] | None = None


class ConversationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request that makes a conversation."""

    items: list[Raw] | None = None
    metadata: dict[str, str] | None = None


class ConversationUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request that changes a conversation."""

    metadata: dict[str, str] | None


class NewItems(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request that adds items to a conversation."""

    items: list[Raw]
