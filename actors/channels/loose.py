"""Values of a JSON that nobody promised anything about: each is what it should be, or empty.

Upstreams disagree on types as much as on names; an odd field is never worth an answer. Pure.
"""

import json
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


def mended(data: bytes) -> bytes:
    """Return JSON without what only lax writers write: NaN, Infinity and halves of surrogate pairs.

    Python servers write the former, among logprobs; JavaScript proxies the latter, when they cut text.
    Raises `ValueError` or `RecursionError` for what is no JSON even so.
    """
    value = json.loads(data, parse_constant=lambda _: None)
    text = json.dumps(value, ensure_ascii=False)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
