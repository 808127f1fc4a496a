"""How much a model is to think, from OpenAI's `reasoning_effort` and the API's own `thinking`, pure.

Generations differ: the oldest that think are given a budget of tokens, later ones decide by themselves
and know levels of effort, the newest cannot be stopped. What a client says in the API's own words goes
out as it is, unless the rest of the request makes it impossible. Source: platform.claude.com,
"Thinking", "Extended thinking", "Effort".
"""

import msgspec

from greenroom.actors.channels.anthropic.content import Block
from greenroom.actors.channels.anthropic.fields import Fields, refused
from greenroom.actors.channels.anthropic.models import Traits
from greenroom.actors.channels.loose import fields

_SAME = {"minimal": "low"}

_ORDER = ("low", "medium", "high", "xhigh", "max")

_BUDGETS = {"low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 65_536}
"""Tokens of thinking for each effort, at most."""

_SMALLEST_BUDGET = 1024


class Thinking(msgspec.Struct, frozen=True):
    """What a request says about thinking: in `thinking`, and in `output_config.effort`.

    `field` is the client's, which `config` stems from.
    """

    config: Block | None = None
    effort: str | None = None
    field: str = "reasoning_effort"

    @property
    def asked(self) -> bool:
        """Whether the model is asked to think."""
        return self.config is not None and self.config.get("type") in {"enabled", "adaptive"}

    def goes_back(self, traits: Traits) -> bool:
        """Whether thinking of earlier answers is to be sent: not to a model that is not to think."""
        if self.config is None:
            return traits.thinks_unasked
        return self.config.get("type") != "disabled"

    def without_budget(self, request: Fields) -> "Thinking":
        """Return the same for a request that a budget does not go with, which drops one."""
        if self.config is None or self.config.get("type") != "enabled":
            return self
        request.drop(self.field)
        return Thinking(None, self.effort)


def thinking_of(request: Fields, traits: Traits, max_tokens: int, *, forced: bool) -> Thinking:
    """Return what to say about thinking; `forced` is whether the model is made to call a tool.

    Raises `TurnFailed` for what means nothing.
    """
    native = request.take("thinking")
    if native is not None and not isinstance(native, dict):
        raise refused("thinking", "`thinking` must be an object.", "invalid_type")
    effort = request.take("reasoning_effort")
    if effort is not None and not isinstance(effort, str):
        raise refused("reasoning_effort", "`reasoning_effort` must be a string.", "invalid_type")
    level = _SAME.get(effort, effort) if effort else None
    thinking = _of_effort(level, request, traits, max_tokens) if level else Thinking()
    if native is not None:
        thinking = Thinking(fields(native), thinking.effort, "thinking")
    elif forced and traits.thinking == "adaptive" and not traits.thinks_unasked:
        # A model that is forced does not think first, and some refuse to be asked to.
        thinking = Thinking(None, thinking.effort)
    return thinking.without_budget(request) if forced else thinking


def _of_effort(level: str, request: Fields, traits: Traits, max_tokens: int) -> Thinking:
    if level == "none":
        return _none(request, traits)
    effort = _nearest(level, traits.efforts)
    match traits.thinking:
        case "adaptive":
            return Thinking({"type": "adaptive"}, effort)
        case "budget":
            if level not in _BUDGETS:
                known = ", ".join(("none", *_SAME, *_ORDER))
                raise refused("reasoning_effort", f"`reasoning_effort` must be one of {known}.")
            # An answer keeps at least a fifth of the tokens that it may have.
            budget = min(_BUDGETS[level], max_tokens * 4 // 5)
            if budget >= _SMALLEST_BUDGET:
                return Thinking({"type": "enabled", "budget_tokens": budget}, effort)
        case None:
            pass
    request.drop("reasoning_effort")
    return Thinking(None, effort)


def _none(request: Fields, traits: Traits) -> Thinking:
    """Return how not to think; a model that always does is told to think little."""
    if traits.thinking is None:
        return Thinking()
    if traits.off is not None:
        return Thinking({"type": traits.off})
    request.drop("reasoning_effort")
    return Thinking(None, traits.efforts[0])


def _nearest(level: str, known: tuple[str, ...]) -> str | None:
    """Return the level that a model knows and that goes no further; an unheard-of one is left to it."""
    if not known or level in known or level not in _ORDER:
        return level if known else None
    lower = [other for other in known if _ORDER.index(other) <= _ORDER.index(level)]
    return lower[-1] if lower else known[0]
