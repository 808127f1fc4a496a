"""What a model is asked: the agent's instructions, the request's, and the session's transcript."""

from typing import Literal

import pytest

from greenroom.actors.channels.channel import (
    Deltas,
    Finish,
    FinishReason,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    Keepsake,
    Sampling,
    Tool,
    ToolCall,
    ToolChoice,
    ToolEntry,
)
from greenroom.actors.failure import FailureKind
from greenroom.actors.transcript import ABANDONED
from greenroom.actors.turn import Submit, TurnEnded, TurnRequest
from tests.actors.conftest import (
    HERE,
    PlayedChannel,
    a_system,
    calls,
    result,
    said,
    set_stage,
    system,
    user,
    wishes,
    words,
)

# What the model is asked


async def test_the_agents_instructions_come_first_then_the_requests() -> None:
    channel = PlayedChannel()
    async with a_system() as house:
        stage = await set_stage(house, channel, instructions="Be kind.")
        await stage.ask("k", user("a"), system("Be brief."), system("Be true."))
    expected = (system("Be kind."), system("Be brief."), system("Be true."), user("a"))
    assert channel.heard() == expected


async def test_the_instructions_of_a_request_count_for_its_turn_alone() -> None:
    channel = PlayedChannel(words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        await stage.ask("k", system("Be brief."), user("a"))
        await stage.ask("k", user("b"))
        await stage.ask(
            "k", system("Be long."), user("a"), said("Yes."), user("b"), said("Yes."), user("c")
        )
    assert channel.heard(1) == (user("a"), said("Yes."), user("b"))
    assert channel.heard(2)[0] == system("Be long.")
    assert channel.heard(2)[1:] == (user("a"), said("Yes."), user("b"), said("Yes."), user("c"))


async def test_all_fields_of_a_request_reach_the_model() -> None:
    channel = PlayedChannel()
    turn = TurnRequest(
        "t1",
        HERE,
        (user("a"),),
        tools=(Tool("look", b"{}"),),
        tool_choice=ToolChoice("auto", b'"auto"'),
        parallel_tool_calls=False,
        sampling=Sampling(temperature=0.5, max_tokens=9),
        extra={"logprobs": b"true"},
    )
    async with a_system() as house:
        stage = await set_stage(house, channel)
        async with stage.host.sessions.address("k").stream(Submit(turn)) as events:
            async for _ in events:
                pass
    (prompt,) = channel.prompts
    assert prompt.model == HERE.model
    assert prompt.entries == turn.entries
    assert prompt.tools == turn.tools
    assert prompt.tool_choice == turn.tool_choice
    assert prompt.parallel_tool_calls is False
    assert prompt.sampling == turn.sampling
    assert prompt.extra == turn.extra


# Tools


@pytest.mark.parametrize(
    "again",
    [
        pytest.param((), id="what is new"),
        pytest.param((user("a"), calls("c1", "c2")), id="the whole again"),
        pytest.param((calls("c1", "c2"),), id="the calls again"),
    ],
)
async def test_calls_end_a_turn_and_their_results_begin_the_next(again: tuple[Entry, ...]) -> None:
    channel = PlayedChannel(wishes("c1", "c2"), words("Done."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        outcome = await stage.ask("k", user("a"))
        end = outcome.events[-1]
        assert isinstance(end, TurnEnded)
        assert (end.reason, end.usage) == (FinishReason.TOOL_CALLS, Usage())
        assert (await stage.ask("k", *again, result("c1"), result("c2"))).text == "Done."
    assert channel.heard() == (user("a"), calls("c1", "c2"), result("c1"), result("c2"))


@pytest.mark.parametrize("custom", [False, True])
@pytest.mark.parametrize("whole", [False, True])
async def test_what_an_upstream_wants_back_is_there_whatever_its_client_kept_of_it(
    custom: bool, whole: bool
) -> None:
    kept = Keepsake("x", b"[1]")
    answer: Deltas = (
        ToolCallStart(0, "c1", "look", custom, b'{"signature":"s"}'),
        ToolCallArguments(0, "{}"),
        kept,
        Finish(FinishReason.TOOL_CALLS),
    )
    channel = PlayedChannel((answer,), words("Done."))
    kind: Literal["function", "custom"] = "custom" if custom else "function"
    bare = ToolCall("c1", "look", "{}", kind)
    again = (user("a"), AssistantEntry(None, (bare,))) if whole else ()
    async with a_system() as house:
        stage = await set_stage(house, channel)
        await stage.ask("k", user("a"))
        assert (await stage.ask("k", *again, result("c1"))).text == "Done."
    call = ToolCall("c1", "look", "{}", kind, b'{"signature":"s"}')
    asked = AssistantEntry(None, (call,), keepsake=kept)
    assert channel.heard() == (user("a"), asked, result("c1"))


async def test_calls_of_an_answer_that_was_cut_short_wait_for_no_result() -> None:
    cut: tuple[Deltas, ...] = (*wishes("c1")[:-1], (Finish(FinishReason.LENGTH),))
    channel = PlayedChannel(cut, words("Well."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        assert (await stage.ask("k", user("a"))).ended
        refused = await stage.ask("k", result("c1"))
        assert refused.failure is not None
        assert refused.failure.kind is FailureKind.INVALID_REQUEST
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("a"), said(""), user("b"))


async def test_who_goes_on_without_results_abandons_the_calls() -> None:
    channel = PlayedChannel(wishes("c1"), words("Well."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        await stage.ask("k", user("a"))
        await stage.ask("k", user("b"))
    abandoned = ToolEntry("c1", ABANDONED, synthetic=True)
    assert channel.heard() == (user("a"), calls("c1"), abandoned, user("b"))


async def test_results_that_come_one_by_one_are_refused_and_nothing_is_lost() -> None:
    channel = PlayedChannel(wishes("c1", "c2"), words("Done."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        await stage.ask("k", user("a"))
        for one in ("c1", "c2"):
            outcome = await stage.ask("k", result(one))
            assert outcome.failure is not None
            assert outcome.failure.kind is FailureKind.INVALID_REQUEST
        assert (await stage.ask("k", result("c1"), result("c2"))).text == "Done."
