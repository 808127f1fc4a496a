"""The lines of an `/api/chat` answer, typed as loosely as servers and proxies may write them.

It knows the wire's shapes, and leaves every decision to `reply`. Whatever is no more than a number or a
name is an `object` that the reader judges by itself, so that an odd field never costs the answer.
Source: docs.ollama.com, "Generate a chat message"; `ChatResponse` in Ollama's `api/types.go`.
"""

import msgspec

from greenroom.actors.channels.channel import Usage
from greenroom.actors.channels.loose import count


class Function(msgspec.Struct):
    """The function of a call; `arguments` should be an object."""

    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class Call(msgspec.Struct):
    """A tool call, which always comes whole; older servers give it no id."""

    id: str | None = None
    function: Function | None = None


class Message(msgspec.Struct):
    """What a line adds to the answer."""

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[Call] | None = None


class Line(msgspec.Struct):
    """A line of the answer; the last one is `done` and counts tokens, leaving out what is 0."""

    message: Message | None = None
    logprobs: object = None
    done: object = None
    done_reason: object = None
    prompt_eval_count: object = None
    eval_count: object = None
    error: object = None

    @property
    def usage(self) -> Usage:
        """The tokens that this line counts."""
        return Usage(count(self.prompt_eval_count), count(self.eval_count))


class NotALine(ValueError):  # noqa: N818 - a fact about what came in
    """The data is no line of an answer."""


_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)

_line = msgspec.json.Decoder(Line)


def read_line(data: bytes) -> Line:
    """Return the line in `data`, which is one JSON object; raises `NotALine`."""
    try:
        return _line.decode(data)
    except _UNREADABLE as error:
        raise NotALine("what is not its protocol") from error


def arguments_text(raw: msgspec.Raw) -> str:
    """Return a call's arguments as the text that `Channel` promises; raises `NotALine`.

    An object keeps the spelling that it came in. A string is taken for the JSON in it, as OpenAI's API
    would have it; nothing at all is the empty object.
    """
    try:
        value: object = msgspec.json.decode(raw)
        text = value if isinstance(value, str) else bytes(raw).decode()
    except _UNREADABLE as error:
        raise NotALine("what is not its protocol") from error
    return text if value is not None and text.strip() else "{}"
