"""What the models behind the Messages API take and do, told by their names.

The API refuses what a model does not take, and no answer says beforehand what that is, so a request
has to know. A Claude whose name is not understood counts as one of the newest, for each generation
took away what the one before allowed; a model of another maker, behind a server that speaks this API,
counts as one that takes what the API began with. Pure.

Sources: platform.claude.com, "Models overview", "Thinking", "Troubleshooting thinking", "Effort",
"Prefix checks on thinking blocks", "Structured outputs" and the migration guides up to Claude 5.5.
"""

import re
from functools import lru_cache
from typing import Literal

import msgspec


class Traits(msgspec.Struct, frozen=True):
    """What one model takes and does.

    - `max_output`: how many tokens it may write, thinking included.
    - `sampling`: whether it takes temperature, top_p and top_k; `one_sampler`: not the first two at once.
    - `thinking`: how it is made to think: with a budget of tokens, or as it sees fit.
    - `thinks_unasked`: whether it may think where the request says nothing about it.
    - `off`: the thinking configuration that turns it off, None where nothing does.
    - `efforts`: the levels of effort that it knows, lowest first.
    - `forced_tools`: whether it can be made to call a tool.
    - `bound_thinking`: whether thinking that comes back must follow what it followed at first.
    - `strict`: whether it can be held to a JSON schema.
    """

    max_output: int
    sampling: bool
    one_sampler: bool
    thinking: Literal["budget", "adaptive"] | None
    thinks_unasked: bool
    off: Literal["disabled", "between_tools"] | None
    efforts: tuple[str, ...]
    forced_tools: bool
    bound_thinking: bool
    strict: bool


Version = tuple[int, int]

_NEWEST: Version = (99, 0)

_NAME = re.compile(
    r"""
    claude
    (?:-(?P<major>\d{1,2})(?:[.-](?P<minor>\d))?)?                # claude-3-5-sonnet-20241022
    -(?P<family>[a-z]+)
    (?:-(?P<major_after>\d{1,2})(?!\d)(?:[.-](?P<minor_after>\d{1,2})(?!\d))?)?
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""A model's name anywhere in an id, as vendors of Claude's models put more before and behind it."""

_OTHERS = Traits(
    max_output=8192,
    sampling=True,
    one_sampler=False,
    thinking="budget",
    thinks_unasked=True,
    off="disabled",
    efforts=(),
    forced_tools=True,
    bound_thinking=False,
    strict=False,
)

_MYTHICAL = frozenset({"fable", "mythos"})


@lru_cache(maxsize=256)
def traits_of(model: str) -> Traits:
    """Return what the model of that id takes and does."""
    if "claude" not in model.lower():
        return _OTHERS
    name = _NAME.search(model)
    if name is None:
        return _claude("", _NEWEST)
    major, minor = name["major_after"] or name["major"], name["minor_after"] or name["minor"]
    version = (int(major), int(minor or 0)) if major else _NEWEST
    return _claude(name["family"].lower(), version)


def _claude(family: str, version: Version) -> Traits:
    mythical, opus = family in _MYTHICAL, family == "opus"
    always_thinks = mythical or (version >= (5, 5) and family not in {"sonnet", "haiku"})
    bound = version >= ((5, 1) if mythical else (5, 5))
    return Traits(
        max_output=_max_output(version, opus=opus),
        sampling=version < (4, 7),
        one_sampler=version >= (4, 1),
        thinking=None if version < (3, 7) else "budget" if version < (4, 6) else "adaptive",
        thinks_unasked=mythical or version >= (5, 0),
        off=_off(family, version, always_thinks=always_thinks),
        efforts=_efforts(version, opus=opus),
        forced_tools=not bound or family == "haiku",
        bound_thinking=bound,
        strict=version >= ((4, 1) if opus else (4, 5)),
    )


def _max_output(version: Version, *, opus: bool) -> int:
    if version >= (4, 6):
        return 128_000
    if version >= (3, 7):
        return 32_000 if opus and version < (4, 5) else 64_000
    return 8192 if version >= (3, 5) else 4096


def _off(
    family: str, version: Version, *, always_thinks: bool
) -> Literal["disabled", "between_tools"] | None:
    if always_thinks:
        return None
    return "between_tools" if family == "sonnet" and version >= (5, 5) else "disabled"


def _efforts(version: Version, *, opus: bool) -> tuple[str, ...]:
    if version >= ((4, 7) if opus else (5, 0)):
        return ("low", "medium", "high", "xhigh", "max")
    if version >= (4, 6):
        return ("low", "medium", "high", "max")
    return ("low", "medium", "high") if opus and version >= (4, 5) else ()
