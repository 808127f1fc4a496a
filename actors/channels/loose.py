"""Values of a JSON that nobody promised anything about: each is what it should be, or empty.

Upstreams disagree on types as much as on names; an odd field is never worth an answer. Pure.
"""

import math
from typing import cast


def fields(value: object) -> dict[str, object]:
    """Return `value` if it is a JSON object, else an empty one."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """Return `value` if it is a JSON list, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def text(value: object) -> str:
    """Return `value` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int:
    """Return `value` as a number of tokens: a whole one, not below 0."""
    return max(0, int(value)) if isinstance(value, int | float) and math.isfinite(value) else 0
