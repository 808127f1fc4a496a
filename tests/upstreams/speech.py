"""What an upstream hears and what it says, free of any wire format: the words that its parts share."""

from typing import Any, Literal

import msgspec

Json = dict[str, Any]

Reason = Literal["stop", "length", "filtered"]


class Called(msgspec.Struct, frozen=True):
    """A tool call, in a request's history or in an answer."""

    name: str
    arguments: Json
    id: str = ""


class Message(msgspec.Struct, frozen=True):
    """One message of a request; `tool` is the name of the tool whose result it is."""

    role: Literal["user", "assistant", "tool"]
    text: str = ""
    images: tuple[bytes, ...] = ()
    calls: tuple[Called, ...] = ()
    tool: str = ""


class Heard(msgspec.Struct, frozen=True):
    """A request, understood.

    `choice` is "auto", "none", "required" or the name of the tool that has to be called; `tools` are
    schemas by name; `schema` is what the answer has to follow; `thinks` is whether thinking would be
    shown; `usage` is whether a stream may tell the tokens; `choices` is how many answers are wanted.
    """

    model: str
    system: str
    messages: tuple[Message, ...]
    stream: bool
    tools: dict[str, Json] = {}
    choice: str = "auto"
    parallel: bool = True
    schema: Json | None = None
    thinks: bool = True
    usage: bool = True
    choices: int = 1

    @property
    def said(self) -> list[tuple[str, str]]:
        """The roles and texts of the messages."""
        return [(message.role, message.text) for message in self.messages]


class Tokens(msgspec.Struct, frozen=True):
    """What an answer is said to have cost; `prompt` counts the cached and the written ones."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    written: int = 0
    reasoning: int = 0


class Spoken(msgspec.Struct, frozen=True):
    """An answer."""

    text: str = ""
    thinking: str = ""
    refusal: str = ""
    calls: tuple[Called, ...] = ()
    reason: Reason = "stop"
    tokens: Tokens = Tokens()

    @property
    def words(self) -> list[str]:
        """The text in the pieces in which it is streamed."""
        return pieces(self.text)


class Refused(Exception):  # noqa: N818 - an answer, for which the caller is to blame
    """The request gets an answer of that status; `kind` is the vendor's name of the matter."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str | None = None,
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param


def pieces(text: str) -> list[str]:
    """Cut a text before each space; the pieces are never empty."""
    first, *rest = text.split(" ")
    return [piece for piece in (first, *(f" {word}" for word in rest)) if piece]
