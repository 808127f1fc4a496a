"""The leaves of a file: whether a single value fits its type, and what it becomes. Pure.

Messages quote the file's own text, never what a variable gave, and only where the type leaves no
room for a secret: numbers, choices, true and false. Elsewhere they name the value's kind.
"""

import math
from collections.abc import Mapping
from difflib import get_close_matches

from msgspec import inspect

from greenroom.actors.settings import Secret
from greenroom.http.config.nodes import Scalar, Value, kind, quote, shown
from greenroom.http.config.substitute import substitute, unusable

Number = inspect.IntType | inspect.FloatType


class Misfit(Exception):  # noqa: N818 - a fact about the file, not an error of the program
    """The value does not fit; its text says what would."""


def boolean(value: Value) -> bool:
    """Return true or false."""
    match value:
        case Scalar(value=bool(truth)):
            return truth
        case _:
            raise Misfit(f"expected true or false, got {shown(value)}")


def number(expected: Number, value: Value) -> int | float:
    """Return a number within the bounds of `expected`; `1e5` and `10.0` are integers, too."""
    found = value.value if isinstance(value, Scalar) else None
    whole = isinstance(expected, inspect.IntType)
    if whole and isinstance(found, float) and found.is_integer():
        found = int(found)
    if (
        isinstance(found, bool)
        or not isinstance(found, int if whole else (int, float))
        or not math.isfinite(found)
        or not _within(expected, found)
    ):
        noun = "an integer" if whole else "a number"
        raise Misfit(f"expected {noun}{_bounds(expected)}, got {shown(value)}")
    return found if whole else float(found)


def text(value: Value, environ: Mapping[str, str], *, empty: bool = True) -> str:
    """Return a string with its variables filled in; `empty` allows the empty one."""
    if not isinstance(value, Scalar) or not isinstance(value.value, str):
        raise Misfit(f"expected a string, got {kind(value)}")
    for name, fault in unusable(value.value, environ):
        raise Misfit(
            f"the environment variable {name} {fault}; set it, "
            f"or write $${{{name}}} to mean the text itself"
        )
    filled = substitute(value.value, environ)
    if not filled and not empty:
        raise Misfit("must not be empty")
    return filled


def choice(choices: tuple[str, ...], value: Value, environ: Mapping[str, str]) -> str:
    """Return one of `choices`."""
    hint = ""
    if isinstance(value, Scalar) and isinstance(value.value, str):
        found = text(value, environ)
        if found in choices:
            return found
        hint = suggestion(value.value, choices)
    raise Misfit(f"expected {alternatives(choices)}, got {shown(value)}{hint}")


def secret(value: Value, environ: Mapping[str, str]) -> Secret:
    """Return a secret without the white space around it, which no header could carry."""
    if not isinstance(value, Scalar):
        remedy = 'write "${NAME}" to take it from the environment'
        raise Misfit(f"expected a string, got {kind(value)}; {remedy}")
    found = text(value, environ).strip()
    if not found:
        raise Misfit("must not be empty; leave the key out instead")
    if not found.isprintable():
        raise Misfit("must not hold control characters")
    return Secret(found)


def alternatives(choices: tuple[str, ...]) -> str:
    """Write `"a", "b" or "c"`."""
    *others, last = map(quote, choices)
    return f"{', '.join(others)} or {last}" if others else last


def suggestion(wrong: str, choices: tuple[str, ...]) -> str:
    """Write `; did you mean "…"?` if one of `choices` looks like `wrong`, else nothing."""
    folded = {choice.casefold(): choice for choice in choices}
    close = get_close_matches(wrong.casefold(), folded, n=1)
    return f"; did you mean {quote(folded[close[0]])}?" if close else ""


def _within(expected: Number, found: float) -> bool:
    return (
        (expected.gt is None or found > expected.gt)
        and (expected.ge is None or found >= expected.ge)
        and (expected.lt is None or found < expected.lt)
        and (expected.le is None or found <= expected.le)
    )


def _bounds(expected: Number) -> str:
    match expected.gt, expected.ge, expected.le:
        case None, None, None:
            return ""
        case None, low, None:
            return f" of at least {low}"
        case None, low, high:
            return f" from {low} to {high}"
        case low, _, None:
            return f" above {low}"
        case low, _, high:
            return f" above {low} and up to {high}"
