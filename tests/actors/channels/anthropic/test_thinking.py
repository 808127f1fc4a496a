"""How much to think is said in the words of the model's generation, and never against its rules."""

import pytest

from greenroom.actors.channels.loose import fields
from greenroom.actors.entries import (
    AssistantEntry,
    Sampling,
    Tool,
    ToolCall,
    ToolChoice,
    ToolEntry,
    UserEntry,
)
from greenroom.actors.failure import FailureKind
from tests.actors.channels.anthropic.conftest import asked, dropped_by, extra, refusal_of
from tests.actors.channels.conftest import Json

BUDGET, BOTH, ADAPTIVE = "claude-sonnet-4-5", "claude-opus-4-5", "claude-opus-4-8"


def said(model: str, effort: str, **prompt: object) -> tuple[object, object]:
    """Return what a request says of thinking and of effort."""
    body = asked(model, extra=extra(reasoning_effort=effort), **prompt)
    return body.get("thinking"), fields(body.get("output_config")).get("effort")


def budget(tokens: int) -> Json:
    return {"type": "enabled", "budget_tokens": tokens}


AUTO: Json = {"type": "adaptive"}
OFF: Json = {"type": "disabled"}


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "level"),
    [
        (ADAPTIVE, "none", OFF, None),
        (ADAPTIVE, "minimal", AUTO, "low"),
        (ADAPTIVE, "medium", AUTO, "medium"),
        (ADAPTIVE, "xhigh", AUTO, "xhigh"),
        (ADAPTIVE, "max", AUTO, "max"),
        (ADAPTIVE, "ultra", AUTO, "ultra"),
        ("claude-sonnet-4-6", "xhigh", AUTO, "high"),
        ("claude-sonnet-4-6", "max", AUTO, "max"),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None),
        ("claude-haiku-5-5", "none", OFF, None),
        (BUDGET, "none", OFF, None),
        (BUDGET, "minimal", budget(2048), None),
        (BUDGET, "low", budget(2048), None),
        (BUDGET, "medium", budget(8192), None),
        (BUDGET, "high", budget(16384), None),
        (BUDGET, "max", budget(51200), None),
        (BOTH, "max", budget(51200), "high"),
        ("claude-3-5-haiku-20241022", "none", None, None),
        ("kimi-k2", "high", budget(6553), None),
        ("kimi-k2", "none", OFF, None),
    ],
)
def test_each_generation_is_told_in_its_words(
    model: str, effort: str, thinking: Json | None, level: str | None
) -> None:
    assert said(model, effort) == (thinking, level)
    assert dropped_by(model, extra=extra(reasoning_effort=effort)) == ()


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-fable-5"])
def test_a_model_that_always_thinks_thinks_little_instead_of_not(model: str) -> None:
    assert said(model, "none") == (None, "low")
    assert dropped_by(model, extra=extra(reasoning_effort="none")) == ("reasoning_effort",)


def test_a_model_that_never_thinks_cannot_be_told_how_much() -> None:
    model = "claude-3-5-haiku-20241022"
    assert said(model, "high") == (None, None)
    assert dropped_by(model, extra=extra(reasoning_effort="high")) == ("reasoning_effort",)


def test_a_budget_leaves_room_for_the_answer() -> None:
    assert said(BUDGET, "high", sampling=Sampling(max_tokens=10_000)) == (budget(8000), None)
    small = Sampling(max_tokens=1200)
    assert said(BUDGET, "high", sampling=small) == (None, None)
    effort = extra(reasoning_effort="high")
    assert dropped_by(BUDGET, sampling=small, extra=effort) == ("reasoning_effort",)


def test_an_effort_that_no_budget_is_known_for_is_refused() -> None:
    failure = refusal_of(BUDGET, extra=extra(reasoning_effort="ultra"))
    assert (failure.kind, failure.param) == (FailureKind.INVALID_REQUEST, "reasoning_effort")
    assert failure.code == "unsupported_value"


def test_the_apis_own_words_go_out_as_they_are() -> None:
    native = {"type": "adaptive", "display": "summarized"}
    body = asked(ADAPTIVE, extra=extra(thinking=native, reasoning_effort="low"))
    assert (body["thinking"], body["output_config"]) == (native, {"effort": "low"})
    assert asked(BUDGET, extra=extra(thinking=budget(1500)))["thinking"] == budget(1500)


TOOLS = (Tool("f", b'{"type": "function", "function": {"name": "f"}}'),)
FORCED = ToolChoice("required", b'"required"')


def test_a_model_that_is_forced_to_call_does_not_think_first() -> None:
    tools: Json = {"tools": TOOLS, "tool_choice": FORCED}
    effort = extra(reasoning_effort="high")
    assert said(ADAPTIVE, "high", **tools) == (None, "high")
    assert dropped_by(ADAPTIVE, extra=effort, **tools) == ()
    assert said(BUDGET, "high", **tools) == (None, None)
    assert dropped_by(BUDGET, extra=effort, **tools) == ("reasoning_effort",)
    assert said("claude-sonnet-5", "high", **tools) == (AUTO, "high")
    native = extra(thinking=budget(2000))
    assert "thinking" not in asked(BUDGET, extra=native, **tools)
    assert dropped_by(BUDGET, extra=native, **tools) == ("thinking",)


def test_a_model_that_thinks_draws_by_itself() -> None:
    thinks = extra(reasoning_effort="low", top_k=5)
    sampling = Sampling(temperature=0.5)
    model = "claude-sonnet-4-0"
    assert not {"temperature", "top_k"} & asked(model, extra=thinks, sampling=sampling).keys()
    assert dropped_by(model, extra=thinks, sampling=sampling) == ("temperature", "top_k")
    effort = extra(reasoning_effort="low")
    fitting = Sampling(temperature=1.5, top_p=0.95)
    body = asked(model, extra=effort, sampling=fitting)
    assert (body["temperature"], body["top_p"]) == (1.0, 0.95)
    assert dropped_by(model, extra=effort, sampling=Sampling(top_p=0.9)) == ("top_p",)
    off = extra(reasoning_effort="none")
    assert asked(model, extra=off, sampling=sampling)["temperature"] == 0.5


CALLED = AssistantEntry(None, (ToolCall("c", "f", "{}"),))


def test_a_budget_does_not_go_with_calls_that_were_made_without_thinking() -> None:
    entries = (UserEntry("a"), CALLED, ToolEntry("c", "x"))
    effort = extra(reasoning_effort="low")
    assert said(BUDGET, "low", entries=entries) == (None, None)
    assert dropped_by(BUDGET, entries=entries, extra=effort) == ("reasoning_effort",)
    assert said(BOTH, "low", entries=entries) == (None, "low")
    assert said(ADAPTIVE, "low", entries=entries) == (AUTO, "low")
    over = (*entries, AssistantEntry("b"), UserEntry("c"))
    assert said(BUDGET, "low", entries=over) == (budget(2048), None)
