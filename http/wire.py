"""The OpenAI chat completions API as structs: what a client sends, and what it gets.

Source: the API reference of `POST /v1/chat/completions`. Parts that are passed on untouched stay
`Raw`; what the reference requires and allows to be null is sent as null, everything else that is
empty is left out, because SDKs join and compare what they are given.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

# Requests


def given(raw: Raw) -> bool:
    """Say whether a field that is passed on as it is was there, and not null."""
    return bytes(raw) not in (b"", b"null")


class StreamOptions(msgspec.Struct, frozen=True):
    """`stream_options`."""

    include_usage: bool | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request; null is the same as absent."""

    model: str
    messages: list[Raw]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = Raw()
    parallel_tool_calls: bool | None = None
    response_format: Raw = Raw()
    logprobs: bool | None = None
    top_logprobs: int | None = None
    modalities: list[str] | None = None
    metadata: dict[str, str] | None = None
    user: Raw = Raw()
    functions: Raw = Raw()
    function_call: Raw = Raw()


class ResponseFormat(msgspec.Struct, frozen=True):
    """`response_format`; its schema is the provider's to check."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: Raw = Raw()


class FunctionCall(msgspec.Struct, frozen=True):
    """A function call in an assistant message."""

    name: str
    arguments: str


class CustomCall(msgspec.Struct, frozen=True):
    """A custom tool's call in an assistant message."""

    name: str
    input: str


class MessageToolCall(msgspec.Struct, frozen=True):
    """A tool call in an assistant message; one of the two forms."""

    id: str
    type: Literal["function", "custom"] = "function"
    function: FunctionCall | None = None
    custom: CustomCall | None = None


class ChatMessage(msgspec.Struct, frozen=True):
    """A message of any role."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | list[Raw] | None = None
    name: str | None = None
    tool_calls: list[Raw] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: object = None


class ContentPart(msgspec.Struct, frozen=True):
    """A part of a message's content."""

    type: Literal["text", "image_url", "input_audio", "file", "refusal"]
    text: str | None = None
    refusal: str | None = None
    image_url: Raw = Raw()
    input_audio: Raw = Raw()
    file: Raw = Raw()


class ImageUrl(msgspec.Struct, frozen=True):
    """`image_url` of a content part."""

    url: str
    detail: str | None = None


class NamedTool(msgspec.Struct, frozen=True):
    """The part of a tool, or of a choice, that has its name."""

    name: str


class RequestTool(msgspec.Struct, frozen=True):
    """A tool; one of the two forms."""

    type: Literal["function", "custom"]
    function: NamedTool | None = None
    custom: NamedTool | None = None


class AllowedTools(msgspec.Struct, frozen=True):
    """`allowed_tools` of a tool choice."""

    mode: Literal["auto", "required"]
    tools: list[RequestTool]


class ToolChoiceObject(msgspec.Struct, frozen=True):
    """A tool choice that is an object; one of the three forms."""

    type: Literal["function", "custom", "allowed_tools"]
    function: NamedTool | None = None
    custom: NamedTool | None = None
    allowed_tools: AllowedTools | None = None


# Answers


class PromptDetails(msgspec.Struct, frozen=True):
    """`prompt_tokens_details`."""

    cached_tokens: int = 0


class CompletionDetails(msgspec.Struct, frozen=True):
    """`completion_tokens_details`."""

    reasoning_tokens: int = 0


class CompletionUsage(msgspec.Struct, frozen=True):
    """`usage`, in tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class FunctionDelta(msgspec.Struct, frozen=True, kw_only=True):
    """`function` of a tool call; a fragment has arguments alone."""

    name: str | UnsetType = UNSET
    arguments: str


class CustomDelta(msgspec.Struct, frozen=True, kw_only=True):
    """`custom` of a tool call; a fragment has input alone."""

    name: str | UnsetType = UNSET
    input: str


class ToolCallOut(msgspec.Struct, frozen=True):
    """A tool call, or a fragment of one: then id and type stand in the first fragment only.

    One with further keys, which only its upstream knows, goes out as `Raw`.
    """

    index: int | UnsetType = UNSET
    id: str | UnsetType = UNSET
    type: Literal["function", "custom"] | UnsetType = UNSET
    function: FunctionDelta | UnsetType = UNSET
    custom: CustomDelta | UnsetType = UNSET


class Delta(msgspec.Struct, frozen=True):
    """What a chunk adds to the message."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    reasoning_content: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    tool_calls: tuple[ToolCallOut | Raw, ...] | UnsetType = UNSET


class ChunkChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The one choice of a chunk."""

    index: int = 0
    delta: Delta
    logprobs: None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """`chat.completion.chunk`; `usage` is null or absent except on the last."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: CompletionUsage | UnsetType | None = UNSET


class MessageOut(msgspec.Struct, frozen=True, kw_only=True):
    """The assistant's message of a whole answer."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: tuple[ToolCallOut | Raw, ...] | UnsetType = UNSET


class CompletionChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The one choice of a whole answer."""

    index: int = 0
    message: MessageOut
    logprobs: None = None
    finish_reason: str


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """`chat.completion`."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: tuple[CompletionChoice, ...]
    usage: CompletionUsage


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the models list; `created` in Unix seconds."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """The models list."""

    object: Literal["list"] = "list"
    data: tuple[Model, ...]
