"""What a transcript is made of, and what a model is asked.

Pure data, independent of any provider's wire format: channels translate it outwards, the HTTP layer
translates requests into it. Nothing here knows how an entry was sent or will be stored.
"""

from typing import Literal

import msgspec


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    """A piece of text in an entry of several parts."""

    text: str


class MediaPart(msgspec.Struct, frozen=True, tag="media"):
    """An image, a sound or a file: `raw` is the part as the client sent it, JSON of an OpenAI part."""

    kind: Literal["image_url", "input_audio", "file"]
    raw: bytes


Part = TextPart | MediaPart
Content = str | tuple[Part, ...]


UNNAMED = ""
"""The id of a call, and of its result, in a request of a client that has no ids: in no transcript."""


class ToolCall(msgspec.Struct, frozen=True):
    """A model's wish to have a tool run.

    `arguments` is the text that the model wrote: JSON for a function, free text for a custom tool.
    `extra` is what an upstream wants back with this very call, as a JSON object of further keys. An
    `inner` call is of a tool that runs here, and no client ever sees it.
    """

    id: str
    name: str
    arguments: str
    kind: Literal["function", "custom"] = "function"
    extra: bytes | None = None
    inner: bool = False


class Keepsake(msgspec.Struct, frozen=True, tag="keepsake"):
    """What an upstream wants back with an answer and nobody else can read, such as signed thinking.

    `data` is JSON that only the adapter of the API named `api` understands.
    """

    api: str
    data: bytes


class SystemEntry(msgspec.Struct, frozen=True, tag="system"):
    """Instructions; part of a prompt, never of a transcript."""

    content: Content


class UserEntry(msgspec.Struct, frozen=True, tag="user"):
    """What came from the user's side; a `pinned` entry is kept in every prompt, however long that gets.

    One with another `role` instructs: it stays in the transcript, unlike a `SystemEntry`, and a model is
    shown it as one. An `inner` one came from inside: a reminder, or what was waited for.
    """

    content: Content
    name: str | None = None
    pinned: bool = False
    role: Literal["user", "system", "developer"] = "user"
    inner: bool = False


class Speech(msgspec.Struct, frozen=True):
    """An answer that was spoken: its upstream's name of the sound, until `expires` (Unix seconds)."""

    id: str
    expires: int | None = None


class AssistantEntry(msgspec.Struct, frozen=True, tag="assistant"):
    """What the model answered; `interrupted` marks a text that was cut off in the middle.

    `keepsake` is what its upstream wants back; it is in no client's copy. Of `speech` the text is the
    transcript, None where only its upstream has that.
    """

    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    interrupted: bool = False
    keepsake: Keepsake | None = None
    speech: Speech | None = None


class ToolEntry(msgspec.Struct, frozen=True, tag="tool"):
    """The one result of one tool call; `synthetic` marks one that no tool gave.

    An `inner` one answers an inner call.
    """

    call_id: str
    content: Content
    synthetic: bool = False
    kind: Literal["function", "custom"] = "function"
    inner: bool = False


class SummaryEntry(msgspec.Struct, frozen=True, tag="summary"):
    """What stands for the entries before it, which no longer fit the model's window.

    Without a `text` they are left out of prompts and nothing tells of them; `pinned` are those among
    them that are kept all the same.
    """

    text: str | None = None
    pinned: tuple[UserEntry, ...] = ()


TranscriptEntry = UserEntry | AssistantEntry | ToolEntry
Entry = SystemEntry | TranscriptEntry


class Tool(msgspec.Struct, frozen=True):
    """A tool that the client runs; `definition` is the JSON that it sent, passed on untouched."""

    name: str
    definition: bytes
    kind: Literal["function", "custom"] = "function"


class ToolChoice(msgspec.Struct, frozen=True):
    """Which tools the model may or must call.

    With `names` only those count: one name and mode "required" is the named form. `definition` is
    the JSON that the client sent.
    """

    mode: Literal["none", "auto", "required"]
    definition: bytes
    names: tuple[str, ...] = ()


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a model draws its answer; None leaves a setting to the provider. `max_tokens` in tokens.

    `choices` is how many answers are wanted. With `top_logprobs` each token is told with how likely it
    was, and so many others in its place.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    choices: int = 1
    top_logprobs: int | None = None


class Prompt(msgspec.Struct, frozen=True):
    """One call of a model, whole.

    `model` is the upstream's own id. `extra` holds request fields that only OpenAI-type upstreams
    know, as JSON by name.
    """

    model: str
    entries: tuple[Entry, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    sampling: Sampling = Sampling()
    extra: dict[str, bytes] = {}


def text_of(content: Content) -> str:
    """Return the text of a content, its parts joined by line breaks; other parts are left out."""
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if isinstance(part, TextPart))
