"""What a file says, and where: a tree of values in which every value and every key knows its line.

It knows neither the syntax that it was read from nor what the keys mean. Lines count from 1.
"""

import json
import re

import msgspec

KeyPath = tuple[str | int, ...]
"""The way from the root to a value: keys of objects and indexes of arrays."""

_PLAIN_KEY = re.compile(r"[\w$-]{1,64}")
_QUOTED_LENGTH = 60


class Scalar(msgspec.Struct, frozen=True):
    """A string, a number, true, false or null; its text may be secret, so `repr` leaves it out."""

    line: int
    value: str | int | float | bool | None

    def __repr__(self) -> str:
        return f"Scalar(line={self.line})"


class Array(msgspec.Struct, frozen=True):
    """Values in order; `line` is that of the opening bracket."""

    line: int
    items: tuple["Value", ...]


class Member(msgspec.Struct, frozen=True):
    """A value of an object; `line` is that of its key."""

    line: int
    value: "Value"


class Object(msgspec.Struct, frozen=True):
    """Values by key, in the file's order; `line` is that of the opening brace."""

    line: int
    members: dict[str, Member]


Value = Scalar | Array | Object


def locate(root: Value, path: KeyPath) -> tuple[int, Value]:
    """Return the deepest part of `path` that exists: its line, and its value."""
    line, value = root.line, root
    for step in path:
        match value, step:
            case Object(members=members), str() if step in members:
                line, value = members[step].line, members[step].value
            case Array(items=items), int() if step < len(items):
                line, value = items[step].line, items[step]
            case _:
                break
    return line, value


def kind(value: Value) -> str:
    """Name what `value` is, never what it holds."""
    match value:
        case Object():
            return "an object"
        case Array():
            return "an array"
        case Scalar(value=None):
            return "null"
        case Scalar(value=bool(truth)):
            return "true" if truth else "false"
        case Scalar(value=str()):
            return "a string"
        case Scalar():
            return "a number"


def shown(value: Value) -> str:
    """Quote `value` as the file has it if it is a leaf, else name what it is."""
    match value:
        case Scalar(value=str(string)):
            return quote(string)
        case Scalar(value=leaf):
            return json.dumps(leaf)
        case _:
            return kind(value)


def render(path: KeyPath) -> str:
    """Write `path` as people do: `agents.list[0].model`, with odd keys in quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{quote(step)}]"
    return text


def quote(text: str) -> str:
    """Put `text` in quotes, on one line and not too long."""
    if len(text) > _QUOTED_LENGTH:
        text = f"{text[:_QUOTED_LENGTH]}…"
    return json.dumps(text, ensure_ascii=not text.isprintable())
