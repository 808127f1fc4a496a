"""Read JSON5 into nodes that know their lines. Pure: text in, nodes out.

The format: JSON5 1.0.0 (https://spec.json5.org). Reading takes time in proportion to the text,
stops at the first fault, and is bounded in depth, so no text can hang or crash it. No message shows
a name, a string or a number out of the text: a secret with its quotes forgotten is a syntax error,
too.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from greenroom.http.config.literals import LiteralFault, parse_name, parse_number, parse_string
from greenroom.http.config.nodes import Array, KeyPath, Member, Object, Scalar, Value, quote

MAX_DEPTH = 64
"""How deep arrays and objects may stand in one another."""

_TOKEN = re.compile(
    r"""
      (?P<space>[\t\n\v\f\r\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]++)
    | (?P<comment>//[^\n\r\u2028\u2029]*+|/\*.*?\*/)
    | (?P<mark>[{}\[\]:,])
    | (?P<string>"(?:[^"\\\n\r]++|\\(?:\r\n|.))*+"|'(?:[^'\\\n\r]++|\\(?:\r\n|.))*+')
    | (?P<number>[+-]?(?:
          0[xX][0-9a-fA-F]++
        | (?:(?:0|[1-9][0-9]*+)(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?
        | Infinity | NaN
      )(?![\w$\\]))
    | (?P<word>(?:[\w$\u200c\u200d]++|\\u[0-9a-fA-F]{4})++)
    | (?P<unclosed>/\*|["'])
    """,
    re.VERBOSE | re.DOTALL,
)
_CONSTANTS = {"true": True, "false": False, "null": None}
_KINDS = {"string": "a string", "number": "a number", "word": "a bare word"}


class SyntaxFault(Exception):  # noqa: N818 - the file's, not the program's
    """The text is not JSON5, or nests too deep: `message` says what was wrong in `line`."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class Repetition(NamedTuple):
    """A key that an object has already: where it stands again."""

    path: KeyPath
    line: int


class Reading(NamedTuple):
    """What a text says; of a repeated key the first value stands."""

    root: Value
    repetitions: tuple[Repetition, ...]


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def read(text: str) -> Reading:
    """Read the one value that `text` is; raises `SyntaxFault`."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(newline.end() for newline in re.finditer(r"\r\n|\n|\r", text))]
        self._repetitions: list[Repetition] = []
        self._tokens = self._scan()
        self._next = next(self._tokens)

    def read(self) -> Reading:
        root = self._value(())
        if self._next.kind != "end":
            raise self._refusal(self._next, "the end of the file")
        return Reading(root, tuple(self._repetitions))

    def _scan(self) -> Iterator[_Token]:
        index = 0
        while index < len(self._text):
            found = _TOKEN.match(self._text, index)
            if found is None or found.lastgroup is None:
                raise self._fault(index, f"unexpected character {quote(self._text[index])}")
            if found.lastgroup == "unclosed":
                what = "comment" if found[0] == "/*" else "string"
                raise self._fault(index, f"this {what} is never closed")
            if found.lastgroup not in {"space", "comment"}:
                yield _Token(found.lastgroup, found[0], index)
            index = found.end()
        yield _Token("end", "", index)

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _skip(self, mark: str) -> bool:
        if self._next.kind != "mark" or self._next.text != mark:
            return False
        self._take()
        return True

    def _value(self, path: KeyPath) -> Value:
        token = self._take()
        line = self._line(token.start)
        match token.kind, token.text:
            case "mark", "{" | "[" if len(path) == MAX_DEPTH:
                raise self._fault(token.start, f"nested more than {MAX_DEPTH} levels deep")
            case "mark", "{":
                return Object(line, self._members(path))
            case "mark", "[":
                return Array(line, self._items(path))
            case "string" | "number", _:
                return Scalar(line, self._literal(token))
            case "word", "true" | "false" | "null" as word:
                return Scalar(line, _CONSTANTS[word])
            case "word", _:
                raise self._refusal(token, "a value", "; strings need quotes")
            case _:
                raise self._refusal(token, "a value")

    def _members(self, path: KeyPath) -> dict[str, Member]:
        members: dict[str, Member] = {}
        while not self._skip("}"):
            line = self._line(self._next.start)
            key = self._key()
            if not self._skip(":"):
                raise self._refusal(self._next, '":"')
            value = self._value((*path, key))
            if key in members:
                self._repetitions.append(Repetition((*path, key), line))
            else:
                members[key] = Member(line, value)
            if not self._skip(",") and self._next.text != "}":
                raise self._refusal(self._next, '"," or "}"')
        return members

    def _items(self, path: KeyPath) -> tuple[Value, ...]:
        items: list[Value] = []
        while not self._skip("]"):
            items.append(self._value((*path, len(items))))
            if not self._skip(",") and self._next.text != "]":
                raise self._refusal(self._next, '"," or "]"')
        return tuple(items)

    def _key(self) -> str:
        token = self._take()
        if token.kind not in {"string", "word"} and token.text not in {"Infinity", "NaN"}:
            raise self._refusal(token, 'a key or "}"')
        try:
            return parse_string(token.text) if token.kind == "string" else parse_name(token.text)
        except LiteralFault as fault:
            raise self._fault(token.start, str(fault)) from None

    def _literal(self, token: _Token) -> str | int | float:
        try:
            return (parse_string if token.kind == "string" else parse_number)(token.text)
        except LiteralFault as fault:
            raise self._fault(token.start, str(fault)) from None

    def _line(self, index: int) -> int:
        return bisect_right(self._starts, index)

    def _refusal(self, token: _Token, expected: str, remedy: str = "") -> SyntaxFault:
        found = quote(token.text) if token.kind == "mark" else _KINDS.get(token.kind)
        found = found or "the end of the file"
        return self._fault(token.start, f"expected {expected}, found {found}{remedy}")

    def _fault(self, index: int, message: str) -> SyntaxFault:
        line = self._line(index)
        column = index - self._starts[line - 1] + 1
        return SyntaxFault(line, f"{message} (column {column})")
