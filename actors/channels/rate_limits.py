"""What an upstream says of its rate limits, from its answer's headers: pure, one vocabulary for all.

The vocabulary is OpenAI's, without its prefix: `limit-requests`, `remaining-tokens`, `reset-requests` and
so on; a reset is a time from now, as `6m0s` or `20ms`. Anthropic says the same in other words and gives
the moment of the reset, which is counted from the answer's own `date`. Sources: platform.openai.com,
"Rate limits"; platform.claude.com, "Rate limits", "Response headers".
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_WHAT = ("limit", "remaining", "reset")
_OF = ("requests", "tokens")

_NAMES = [
    (what, f"{what}-{of}", f"x-ratelimit-{what}-{of}", f"anthropic-ratelimit-{of}-{what}")
    for what in _WHAT
    for of in _OF
]
"""What each limit is of, its name, and the headers that tell it."""

_VALUE = re.compile(r"[\w.:+-]{1,64}", re.ASCII)


def rate_limits(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what there is of them; header names are lower case."""
    found: dict[str, str] = {}
    for what, name, header, anthropics in _NAMES:
        value = headers.get(header)
        if value is None and (theirs := headers.get(anthropics)):
            value = _from_now(theirs, headers.get("date")) if what == "reset" else theirs
        if value is not None and _VALUE.fullmatch(value):
            found[name] = value
    return found


def reached(requests: int, seconds: float) -> dict[str, str]:
    """Return what a bound of ours on requests is once it is reached, and when to try again."""
    return {
        "limit-requests": str(requests),
        "remaining-requests": "0",
        "reset-requests": duration(seconds),
    }


def duration(seconds: float) -> str:
    """Return a time as OpenAI's headers have it: `6m0s`, `1.5s`, `20ms`."""
    if seconds < 1:
        return f"{round(max(seconds, 0) * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    shown = f"{rest:.3f}".rstrip("0").rstrip(".")
    return f"{int(minutes)}m{shown}s" if minutes else f"{shown}s"


def _from_now(moment: str, date: str | None) -> str | None:
    """Return how long it is until a moment (RFC 3339), None if it is none."""
    try:
        then = datetime.fromisoformat(moment)
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return duration((then - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
