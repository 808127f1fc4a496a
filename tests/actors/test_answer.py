"""An answer is what its deltas say, however they were cut into batches; without its end it is marked."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.answer import Answer
from greenroom.actors.channels.channel import (
    Delta,
    Deltas,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import AssistantEntry, ToolCall

STOP = Finish(FinishReason.STOP)
CALLS = Finish(FinishReason.TOOL_CALLS)


def answer_of(*deltas: Delta) -> Answer:
    answer = Answer()
    answer.take(deltas)
    return answer


def entry_of(*deltas: Delta) -> AssistantEntry | None:
    return answer_of(*deltas).kept()


def test_text_is_joined_as_it_came() -> None:
    assert entry_of(TextDelta("Good"), TextDelta(" "), TextDelta("day"), STOP) == AssistantEntry(
        "Good day"
    )


def test_calls_are_joined_each_by_itself() -> None:
    entry = entry_of(
        TextDelta("Let me see."),
        ToolCallStart(0, "c1", "look"),
        ToolCallArguments(0, '{"a"'),
        ToolCallArguments(0, ":1}"),
        ToolCallStart(1, "c2", "sh", custom=True),
        ToolCallArguments(1, "ls"),
        CALLS,
    )
    calls = (ToolCall("c1", "look", '{"a":1}'), ToolCall("c2", "sh", "ls", "custom"))
    assert entry == AssistantEntry("Let me see.", calls)


def test_a_call_without_arguments_has_none() -> None:
    entry = entry_of(ToolCallStart(0, "c1", "now"), CALLS)
    assert entry == AssistantEntry(None, (ToolCall("c1", "now", ""),))


def test_a_refusal_is_kept_beside_the_text() -> None:
    assert entry_of(RefusalDelta("I will"), RefusalDelta(" not."), STOP) == AssistantEntry(
        None, refusal="I will not."
    )


def test_reasoning_is_no_part_of_what_was_said() -> None:
    assert entry_of(ReasoningDelta("Hm."), TextDelta("Yes."), STOP) == AssistantEntry("Yes.")


def test_an_answer_that_says_nothing_is_an_answer() -> None:
    assert entry_of(STOP) == AssistantEntry("")


def test_without_its_end_the_text_is_kept_and_marked() -> None:
    assert entry_of(TextDelta("Once upon")) == AssistantEntry("Once upon", interrupted=True)


def test_without_its_end_no_call_is_kept_for_its_arguments_may_be_cut() -> None:
    entry = entry_of(
        TextDelta("See:"), ToolCallStart(0, "c1", "look"), ToolCallArguments(0, '{"a":1}')
    )
    assert entry == AssistantEntry("See:", interrupted=True)


def test_without_its_end_and_without_text_there_is_nothing_to_keep() -> None:
    assert entry_of() is None
    assert entry_of(ToolCallStart(0, "c1", "look"), ReasoningDelta("Hm."), Usage(1, 1)) is None


def test_reason_and_usage_are_the_channels() -> None:
    before = answer_of(TextDelta("a"))
    assert (before.reason, before.usage) == (None, Usage())
    after = answer_of(TextDelta("a"), Finish(FinishReason.LENGTH), Usage(3, 2, 1, 1))
    assert (after.reason, after.usage) == (FinishReason.LENGTH, Usage(3, 2, 1, 1))


@st.composite
def some_deltas(draw: st.DrawFn) -> list[Delta]:
    """What a channel may give, in an order that it promises."""
    a_text = st.text("ab ", max_size=3)
    spoken: st.SearchStrategy[Delta] = st.one_of(
        st.builds(TextDelta, a_text),
        st.builds(ReasoningDelta, a_text),
        st.builds(RefusalDelta, a_text),
    )
    deltas: list[Delta] = [*draw(st.lists(spoken, max_size=6))]
    for index in range(draw(st.integers(0, 3))):
        deltas.append(ToolCallStart(index, f"c{index}", "look", draw(st.booleans())))
        deltas += [ToolCallArguments(index, f) for f in draw(st.lists(a_text, max_size=3))]
    if draw(st.booleans()):
        deltas.append(Finish(draw(st.sampled_from(FinishReason))))
        deltas += draw(st.lists(st.builds(Usage, st.integers(0, 9)), max_size=1))
    return deltas


@given(deltas=some_deltas(), cuts=st.lists(st.integers(0, 20)))
def test_the_cuts_between_batches_change_nothing(deltas: list[Delta], cuts: list[int]) -> None:
    places = sorted({0, len(deltas), *(cut for cut in cuts if cut < len(deltas))})
    batches: list[Deltas] = [tuple(deltas[a:b]) for a, b in pairwise(places)]
    whole, cut = answer_of(*deltas), Answer()
    for batch in batches:
        cut.take(batch)
    assert cut.kept() == whole.kept()
    assert (cut.reason, cut.usage) == (whole.reason, whole.usage)


@pytest.mark.parametrize("reason", [FinishReason.LENGTH, FinishReason.CONTENT_FILTER])
def test_calls_that_the_model_did_not_end_for_are_shown_and_not_kept(reason: FinishReason) -> None:
    answer = answer_of(
        TextDelta("Let me see."),
        ToolCallStart(0, "call_0", "look"),
        ToolCallArguments(0, '{"a": "lo'),
        Finish(reason),
    )
    assert [call.arguments for call in answer.entry().tool_calls] == ['{"a": "lo']
    assert answer.kept() == AssistantEntry("Let me see.")
