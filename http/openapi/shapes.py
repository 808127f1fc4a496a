"""What is known of a request's fields beyond their structs: parts that go on unread, and bounds.

It says nothing that the checks do not hold; a test sends what is within and without.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from greenroom.http import embeddings, stored_objects, values, wire
from greenroom.http.openapi.stand_ins import Types

_Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
_FullText = Annotated[str, Meta(min_length=1)]
_Unread = dict[str, Any]


# Content parts, by their type


class TextPart(msgspec.Struct, tag_field="type", tag="text"):
    """Text."""

    text: str


class ImagePart(msgspec.Struct, tag_field="type", tag="image_url"):
    """An image, as a data URL or, where the configuration allows it, an http(s) URL."""

    image_url: wire.ImageUrl


class AudioPart(msgspec.Struct, tag_field="type", tag="input_audio"):
    """Sound, in base64."""

    input_audio: wire.InputAudio


class FilePart(msgspec.Struct, tag_field="type", tag="file"):
    """A file."""

    file: _Unread


class RefusalPart(msgspec.Struct, tag_field="type", tag="refusal"):
    """An earlier refusal."""

    refusal: str


_Part = TextPart | ImagePart | AudioPart | FilePart | RefusalPart
_Content = str | Annotated[list[_Part], Meta(min_length=1)]


# Messages, by their role


class SystemMessage(msgspec.Struct, tag_field="role", tag="system"):
    """An instruction for this request."""

    content: _Content
    name: str | None = None


class DeveloperMessage(msgspec.Struct, tag_field="role", tag="developer"):
    """The same as a system message."""

    content: _Content
    name: str | None = None


class UserMessage(msgspec.Struct, tag_field="role", tag="user"):
    """What a user says."""

    content: _Content
    name: str | None = None


class AssistantMessage(msgspec.Struct, tag_field="role", tag="assistant"):
    """An earlier answer; it has content, a refusal, calls or sound."""

    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[wire.MessageToolCall] | None = None
    function_call: wire.FunctionCall | None = None
    audio: wire.AudioName | None = None
    name: str | None = None
    reasoning_content: Any = None


class ToolMessage(msgspec.Struct, tag_field="role", tag="tool"):
    """The result of a call of the assistant's message before it."""

    content: _Content
    tool_call_id: _FullText


class FunctionMessage(msgspec.Struct, tag_field="role", tag="function"):
    """The result of a function, as older clients send it."""

    name: _FullText
    content: _Content | None = None


Message = (
    SystemMessage
    | DeveloperMessage
    | UserMessage
    | AssistantMessage
    | ToolMessage
    | FunctionMessage
)


# Tools


class FunctionTool(msgspec.Struct, tag_field="type", tag="function"):
    """A function that the client runs."""

    function: wire.FunctionDefinition


class CustomTool(msgspec.Struct, tag_field="type", tag="custom"):
    """A tool of one text."""

    custom: wire.CustomDefinition


class NamedFunction(msgspec.Struct, tag_field="type", tag="function"):
    """The choice of one function."""

    function: wire.NamedTool


class NamedCustom(msgspec.Struct, tag_field="type", tag="custom"):
    """The choice of one custom tool."""

    custom: wire.NamedTool


class SomeTools(msgspec.Struct, tag_field="type", tag="allowed_tools"):
    """The choice among some tools."""

    allowed_tools: wire.AllowedTools


_Tools = Annotated[list[FunctionTool | CustomTool], Meta(max_length=128)]
_Metadata = Annotated[
    dict[
        Annotated[str, Meta(max_length=values.LONGEST_METADATA_KEY)],
        Annotated[str, Meta(max_length=values.LONGEST_METADATA_VALUE)],
    ],
    Meta(max_length=values.MOST_METADATA),
]
_Limit = Annotated[int, Meta(ge=1, le=values.INT64 - 1)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Model = Annotated[
    str,
    Meta(
        pattern=r"\S",
        description="An agent (`openclaw`, `openclaw:beta`), or a model (`provider/model`).",
    ),
]
_Token = Annotated[int, Meta(ge=0, le=values.INT64 - 1)]
_Inputs = Annotated[list[_FullText], Meta(min_length=1, max_length=embeddings.MOST_INPUTS)]
_Tokens = Annotated[list[_Token], Meta(min_length=1)]

TYPES: Types = {
    (wire.ChatRequest, "model"): _Model,
    (wire.ChatRequest, "messages"): Annotated[list[Message], Meta(min_length=1)],
    (wire.ChatRequest, "temperature"): Annotated[float, Meta(ge=0, le=2)] | None,
    (wire.ChatRequest, "top_p"): Annotated[float, Meta(ge=0, le=1)] | None,
    (wire.ChatRequest, "frequency_penalty"): _Penalty | None,
    (wire.ChatRequest, "presence_penalty"): _Penalty | None,
    (wire.ChatRequest, "max_tokens"): _Limit | None,
    (wire.ChatRequest, "max_completion_tokens"): _Limit | None,
    (wire.ChatRequest, "n"): Annotated[int, Meta(ge=1, le=values.MOST_CHOICES)] | None,
    (wire.ChatRequest, "top_logprobs"): (
        Annotated[int, Meta(ge=0, le=values.MOST_LOGPROBS)] | None
    ),
    (wire.ChatRequest, "stop"): (
        _FullText | Annotated[list[_FullText], Meta(max_length=values.MOST_STOPS)] | None
    ),
    (wire.ChatRequest, "seed"): Annotated[int, Meta(ge=-values.INT64, le=values.INT64 - 1)] | None,
    (wire.ChatRequest, "logit_bias"): (
        dict[str, Annotated[float, Meta(ge=-values.MOST_BIAS, le=values.MOST_BIAS)]] | None
    ),
    (wire.ChatRequest, "modalities"): list[Literal["text", "audio"]] | None,
    (wire.ChatRequest, "metadata"): _Metadata | None,
    (wire.ChatRequest, "tools"): _Tools | None,
    (wire.ChatRequest, "tool_choice"): (
        Literal["none", "auto", "required"] | NamedFunction | NamedCustom | SomeTools | None
    ),
    (wire.ChatRequest, "functions"): (
        Annotated[list[wire.FunctionDefinition], Meta(max_length=128)] | None
    ),
    (wire.ChatRequest, "function_call"): Literal["none", "auto"] | wire.NamedTool | None,
    (wire.FunctionDefinition, "name"): _Name,
    (wire.CustomDefinition, "name"): _Name,
    (wire.JsonSchema, "name"): _Name,
    (wire.AllowedTools, "tools"): Annotated[list[NamedFunction | NamedCustom], Meta(min_length=1)],
    (wire.ImageUrl, "url"): Annotated[str, Meta(pattern=r"^(data:image/|https?://)")],
    (stored_objects.MetadataUpdate, "metadata"): _Metadata | None,
    (embeddings.EmbeddingRequest, "model"): _Model,
    (embeddings.EmbeddingRequest, "dimensions"): Annotated[int, Meta(ge=1, le=2**31)] | None,
    (embeddings.EmbeddingObject, "embedding"): list[float] | str,
}
"""The fields of which more is known than their structs say."""

ONE_OF: dict[tuple[str, str], list[object]] = {
    ("EmbeddingRequest", "input"): [
        _FullText,
        _Inputs,
        _Tokens,
        Annotated[list[_Tokens], Meta(min_length=1, max_length=embeddings.MOST_INPUTS)],
    ]
}
"""Fields of which msgspec can tell no schema, by the names of schema and field: one of these."""
