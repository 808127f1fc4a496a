"""A model's name tells what it takes, in whatever form its vendor spells it."""

import pytest

from greenroom.actors.channels.anthropic.models import Traits, traits_of

SPELLINGS = {
    "claude-opus-4-6": ["anthropic/claude-opus-4.6", "us.anthropic.claude-opus-4-6-v1:0"],
    "claude-sonnet-4-5": [
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5@20250929",
        "Claude-Sonnet-4.5",
    ],
    "claude-opus-4-0": ["claude-opus-4-20250514", "claude-4-opus-20250514", "claude-opus-4"],
    "claude-3-5-sonnet": ["claude-3-5-sonnet-20241022", "claude-3.5-sonnet", "claude-3-5-haiku"],
    "claude-3-haiku-20240307": ["claude-3-opus-20240229"],
    "claude-mythos-preview": ["claude-fable-5-2", "claude-mythos-5-2", "claude-opus-latest"],
    "claude-sonnet-5": ["claude-sonnet-5-20260101", "claude-haiku-5-0"],
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_other_spellings_are_the_same_model(name: str) -> None:
    assert {traits_of(other) for other in SPELLINGS[name]} == {traits_of(name)}


def seen(name: str, *traits: str) -> list[object]:
    return [getattr(traits_of(name), trait) for trait in traits]


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-fable-5-2", 128_000),
        ("claude-haiku-5-5", 128_000),
        ("claude-sonnet-4-6", 128_000),
        ("claude-haiku-4-5", 64_000),
        ("claude-opus-4-5", 64_000),
        ("claude-sonnet-4-20250514", 64_000),
        ("claude-opus-4-1", 32_000),
        ("claude-3-7-sonnet-20250219", 64_000),
        ("claude-3-5-haiku-20241022", 8192),
        ("claude-3-haiku-20240307", 4096),
        ("kimi-k2", 8192),
    ],
)
def test_how_much_a_model_may_write(model: str, tokens: int) -> None:
    assert traits_of(model).max_output == tokens


@pytest.mark.parametrize(
    ("model", "sampling", "one_sampler"),
    [
        ("claude-opus-4-7", False, True),
        ("claude-sonnet-5", False, True),
        ("claude-haiku-5-5", False, True),
        ("claude-mythos-preview", False, True),
        ("claude-opus-4-6", True, True),
        ("claude-opus-4-1", True, True),
        ("claude-sonnet-4-20250514", True, False),
        ("glm-4.6", True, False),
    ],
)
def test_which_models_take_sampling(model: str, sampling: bool, one_sampler: bool) -> None:
    assert seen(model, "sampling", "one_sampler") == [sampling, one_sampler]


@pytest.mark.parametrize(
    ("model", "thinking", "unasked", "off"),
    [
        ("claude-fable-5", "adaptive", True, None),
        ("claude-mythos-preview", "adaptive", True, None),
        ("claude-opus-5-5", "adaptive", True, None),
        ("claude-sonnet-5-5", "adaptive", True, "between_tools"),
        ("claude-haiku-5-5", "adaptive", True, "disabled"),
        ("claude-opus-5", "adaptive", True, "disabled"),
        ("claude-sonnet-5", "adaptive", True, "disabled"),
        ("claude-opus-4-8", "adaptive", False, "disabled"),
        ("claude-sonnet-4-6", "adaptive", False, "disabled"),
        ("claude-opus-4-5", "budget", False, "disabled"),
        ("claude-haiku-4-5", "budget", False, "disabled"),
        ("claude-3-5-sonnet-20241022", None, False, "disabled"),
        ("deepseek-chat", "budget", True, "disabled"),
        ("claude-of-tomorrow", "adaptive", True, None),
    ],
)
def test_how_a_model_is_made_to_think(
    model: str, thinking: str | None, unasked: bool, off: str | None
) -> None:
    assert seen(model, "thinking", "thinks_unasked", "off") == [thinking, unasked, off]


@pytest.mark.parametrize(
    ("model", "highest"),
    [
        ("claude-opus-4-7", "xhigh max"),
        ("claude-sonnet-5", "xhigh max"),
        ("claude-opus-4-6", "high max"),
        ("claude-sonnet-4-6", "high max"),
        ("claude-opus-4-5", "medium high"),
        ("claude-sonnet-4-5", ""),
        ("claude-haiku-4-5", ""),
        ("qwen3", ""),
    ],
)
def test_which_efforts_a_model_knows(model: str, highest: str) -> None:
    assert " ".join(traits_of(model).efforts[-2:]) == highest


@pytest.mark.parametrize(
    ("model", "forced", "bound"),
    [
        ("claude-fable-5-1", False, True),
        ("claude-fable-5", True, False),
        ("claude-opus-5-5", False, True),
        ("claude-opus-5", True, False),
        ("claude-sonnet-5-5", False, True),
        ("claude-haiku-5-5", True, True),
        ("claude-sonnet-4-5", True, False),
        ("llama3", True, False),
    ],
)
def test_what_the_newest_models_no_longer_allow(model: str, forced: bool, bound: bool) -> None:
    assert seen(model, "forced_tools", "bound_thinking") == [forced, bound]


@pytest.mark.parametrize(
    ("model", "strict"),
    [
        ("claude-opus-4-1", True),
        ("claude-haiku-4-5", True),
        ("claude-sonnet-4-0", False),
        ("minimax-m2", False),
    ],
)
def test_which_models_are_held_to_a_schema(model: str, strict: bool) -> None:
    assert traits_of(model).strict is strict


def test_an_unknown_claude_is_one_of_the_newest() -> None:
    newest: Traits = traits_of("claude-fable-5-2")
    assert traits_of("claude") == traits_of("claude-nova") == traits_of("claude-nova-7") == newest
