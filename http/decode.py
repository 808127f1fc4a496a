"""From bytes to typed JSON, with errors that name the field by its path in the request."""

import re
from typing import TypeVar

import msgspec

from greenroom.http.errors import ApiError, invalid

T = TypeVar("T")

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>.*)`$")
_OUTSIDE_OF_STRUCTURE = bytes(b for b in range(256) if b not in b'"[]{}')
_AS_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_JSON_NAMES = {"str": "string", "bool": "boolean", "int": "integer", "float": "number"}
_QUOTED = re.compile(r"`[^`]*`")
_WORD = re.compile(r"\w+")
_MOST_VALUES = 1_000_000
_STRING = re.compile(rb'"[^"]*"')


def decode(data: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T], param: str = "") -> T:
    """Decode `data`; `param` is the path that leads to it, empty for the body itself.

    Raises:
        ApiError: 400; its `param` is the path of the value that is wrong.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _wrong(str(error), param) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(error) from None


def check_text(body: bytes) -> None:
    """Refuse a body that is not UTF-8, also where it is passed on and not read.

    Raises:
        ApiError: 400.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise _unreadable(error) from None


def check_depth(body: bytes, limit: int) -> None:
    """Refuse JSON that is nested more than `limit` deep, in time linear in the body's size.

    Only brackets outside of strings count. Removing the innermost pairs once takes one level off.

    Raises:
        ApiError: 400.
    """
    opened = body.count(b"[") + body.count(b"{")
    if opened <= limit:
        return
    if opened > _MOST_VALUES:
        raise invalid(
            "We could not parse the JSON body of your request: it has more than "
            f"{_MOST_VALUES} objects and arrays.",
            code="too_many_values",
        )
    # Pairs of backslashes go first, so that one before a quote is one that escapes it.
    without_escapes = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    structure = without_escapes.translate(None, _OUTSIDE_OF_STRUCTURE)
    structure = _STRING.sub(b"", structure).translate(_AS_ONE_KIND)
    too_deep = b"[" * (limit + 1)
    for _ in range(limit):
        shallower = structure.replace(b"[]", b"")
        if too_deep in shallower:
            break
        if not shallower or shallower == structure:
            return  # flat enough, or no JSON at all, which the decoder will say
        structure = shallower
    raise invalid(
        f"We could not parse the JSON body of your request: it is nested more than {limit} deep.",
        code="nesting_too_deep",
    )


def _unreadable(error: Exception) -> ApiError:
    return invalid(
        f"We could not parse the JSON body of your request: {error}.", code="invalid_json"
    )


def _wrong(text: str, param: str) -> ApiError:
    found = _AT.match(text)
    assert found is not None  # noqa: S101 - the pattern matches every text
    what = _QUOTED.sub(_in_json_words, found["what"])
    path = (param + (found["path"] or "")).lstrip(".")
    missing = _MISSING.match(what)
    if missing is not None:
        path = f"{path}.{missing['name']}".lstrip(".")
        return invalid(
            f"Missing required parameter: '{path}'.", path, code="missing_required_parameter"
        )
    where = f"Invalid '{path}'" if path else "Invalid request body"
    code = "invalid_type" if what.startswith("Expected") else "invalid_value"
    return invalid(f"{where}: {what[:1].lower()}{what[1:]}.", path or None, code=code)


def _in_json_words(quoted: re.Match[str]) -> str:
    return _WORD.sub(lambda word: _JSON_NAMES.get(word[0], word[0]), quoted[0])
