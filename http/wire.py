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
    """`stream_options`; whether chunks are padded against eavesdroppers is nothing to ours."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class JsonSchema(msgspec.Struct, frozen=True):
    """`json_schema` of a response format; what its schema says is the provider's to judge."""

    name: str
    description: str | None = None
    schema: dict[str, Raw] | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct, frozen=True):
    """`response_format`."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class Prediction(msgspec.Struct, frozen=True):
    """`prediction`: text that the answer will mostly repeat."""

    type: Literal["content"]
    content: str | list[Raw]


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request: every field of the reference; null is the same as absent."""

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
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    modalities: list[str] | None = None
    audio: dict[str, Raw] | None = None
    reasoning_effort: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    user: Raw = Raw()
    functions: list[Raw] | None = None
    function_call: Raw = Raw()
    logit_bias: dict[str, float] | None = None
    verbosity: str | None = None
    prediction: Prediction | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Raw] | None = None
    prompt_cache_retention: str | None = None
    moderation: dict[str, Raw] | None = None
    web_search_options: dict[str, Raw] | None = None


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


class AudioName(msgspec.Struct, frozen=True):
    """`audio` of an assistant message: the id of what was spoken."""

    id: str


class ChatMessage(msgspec.Struct, frozen=True):
    """A message of any role; `function_call` and the role `function` are those of older clients."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | list[Raw] | None = None
    name: str | None = None
    tool_calls: list[Raw] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None
    refusal: str | None = None
    audio: AudioName | None = None
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


class InputAudio(msgspec.Struct, frozen=True):
    """`input_audio` of a content part; `data` is base64."""

    data: str
    format: str


class FunctionDefinition(msgspec.Struct, frozen=True):
    """A function that the model may call; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str | None = None
    parameters: dict[str, Raw] | None = None
    strict: bool | None = None


class CustomDefinition(msgspec.Struct, frozen=True):
    """A tool of one text, which a grammar may bind."""

    name: str
    description: str | None = None
    format: dict[str, Raw] | None = None


class RequestTool(msgspec.Struct, frozen=True):
    """A tool; one of the two forms."""

    type: Literal["function", "custom"]
    function: FunctionDefinition | None = None
    custom: CustomDefinition | None = None


class NamedTool(msgspec.Struct, frozen=True):
    """A tool that a choice names."""

    name: str


class AllowedTool(msgspec.Struct, frozen=True):
    """One of the tools that a choice allows; one of the two forms."""

    type: Literal["function", "custom"]
    function: NamedTool | None = None
    custom: NamedTool | None = None


class AllowedTools(msgspec.Struct, frozen=True):
    """`allowed_tools` of a tool choice."""

    mode: Literal["auto", "required"]
    tools: list[AllowedTool]


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
    audio_tokens: int = 0
    cache_write_tokens: int = 0


class CompletionDetails(msgspec.Struct, frozen=True):
    """`completion_tokens_details`."""

    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


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


class AudioOut(msgspec.Struct, frozen=True, kw_only=True):
    """What was spoken, or a fragment of it; `data` is base64, `expires_at` in Unix seconds."""

    id: str | UnsetType = UNSET
    data: str | UnsetType = UNSET
    transcript: str | UnsetType = UNSET
    expires_at: int | UnsetType = UNSET


class Likelihood(msgspec.Struct, frozen=True, kw_only=True):
    """`logprobs` of a choice: token objects as their upstream gave them."""

    content: Raw | None = None
    refusal: Raw | None = None


class Delta(msgspec.Struct, frozen=True):
    """What a chunk adds to the message; `function_call` answers a request with `functions`."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    reasoning_content: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    tool_calls: tuple[ToolCallOut | Raw, ...] | UnsetType = UNSET
    function_call: FunctionDelta | UnsetType = UNSET
    annotations: Raw | UnsetType = UNSET
    audio: AudioOut | UnsetType = UNSET


class ChunkChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One choice of a chunk, which has one at most."""

    index: int = 0
    delta: Delta
    logprobs: Likelihood | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """`chat.completion.chunk`; `usage` is null or absent except on the last."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: CompletionUsage | UnsetType | None = UNSET
    service_tier: str | UnsetType = UNSET
    system_fingerprint: str | UnsetType = UNSET


class MessageOut(msgspec.Struct, frozen=True, kw_only=True):
    """The assistant's message of a whole answer; `function_call` answers one with `functions`."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: tuple[ToolCallOut | Raw, ...] | UnsetType = UNSET
    function_call: FunctionDelta | UnsetType = UNSET
    annotations: Raw | UnsetType = UNSET
    audio: AudioOut | UnsetType = UNSET


class CompletionChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One choice of a whole answer."""

    index: int = 0
    message: MessageOut
    logprobs: Likelihood | None = None
    finish_reason: str


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """`chat.completion`; `metadata` is there where it is read from the store."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: tuple[CompletionChoice, ...]
    usage: CompletionUsage
    service_tier: str | UnsetType = UNSET
    system_fingerprint: str | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET


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


class Health(msgspec.Struct, frozen=True):
    """The answer of a probe: the process lives."""

    ok: bool = True
    status: str = "live"


class AgentAlive(msgspec.Struct, frozen=True):
    """How many sessions an agent has alive."""

    id: str
    model: str
    live_sessions: int


class Ready(msgspec.Struct, frozen=True):
    """The answer of a probe: whether the agents answer; with the bearer, how they are."""

    ready: bool
    agents: tuple[AgentAlive, ...] | UnsetType | None = UNSET
