"""The literals of JSON5: what a string, a number or a bare key stands for. Pure.

Rules: JSON5 1.0.0 sections 3, 5 and 6, and through it ECMAScript 5.1 section 7.8. No message ever
holds the text of a literal, which may be secret.
"""

import re

_NUMBER_LENGTH = 64
_ESCAPE = re.compile(
    r"\\(?:u(?P<u>[0-9a-fA-F]{4})|x(?P<x>[0-9a-fA-F]{2})|(?P<zero>0(?![0-9]))"
    r"|(?P<newline>\r\n|[\n\r\u2028\u2029])|(?P<character>[^ux0-9])|(?P<wrong>.))",
    re.DOTALL,
)
_CHARACTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SURROGATE = re.compile("[\ud800-\udfff]")


class LiteralFault(Exception):  # noqa: N818 - the file's, not the program's
    """The literal breaks a rule; its text says which."""


def parse_string(literal: str) -> str:
    """Return what the quoted `literal` stands for."""
    text = _ESCAPE.sub(_unescape, literal[1:-1])
    if not _SURROGATE.search(text):
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise LiteralFault("a string with half of a surrogate pair") from None


def parse_number(literal: str) -> int | float:
    """Return the number that `literal` stands for, an integer where it is written as one."""
    if len(literal) > _NUMBER_LENGTH:
        raise LiteralFault(f"a number of more than {_NUMBER_LENGTH} characters")
    digits = literal.lstrip("+-")
    sign = -1 if literal.startswith("-") else 1
    if digits[:2] in {"0x", "0X"}:
        return sign * int(digits, 16)
    if digits.isdecimal():
        return sign * int(digits)
    return sign * float(digits)


def parse_name(literal: str) -> str:
    """Return the key that the bare word `literal` stands for."""
    name = _ESCAPE.sub(_unescape, literal)
    if not re.sub("[$\u200c\u200d]", "_", name).isidentifier():
        raise LiteralFault("a bare word that is no name; put it in quotes")
    return name


def _unescape(escape: re.Match[str]) -> str:
    match escape.lastgroup:
        case "u" | "x" as group:
            return chr(int(escape[group], 16))
        case "zero":
            return "\0"
        case "newline":
            return ""
        case "character":
            return _CHARACTERS.get(escape["character"], escape["character"])
        case _:
            raise LiteralFault("an escape that does not exist after a backslash")
