"""Calls of tools that run here are worked off before the turn ends, and no client sees them."""

import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import FinishReason, ToolCallStart, Usage
from greenroom.actors.entries import AssistantEntry, Entry, ToolEntry
from greenroom.actors.failure import FailureKind
from greenroom.actors.settings import Bounds
from greenroom.actors.stores.records import SessionName
from greenroom.actors.tools.tool import Call, ToolFailed
from greenroom.actors.tools.toolbox import ToolPolicy
from greenroom.actors.transcript import CUT_OFF
from greenroom.actors.turn import OnBusy, Progress, Sender, TurnEnded
from tests.actors.conftest import (
    FAULT,
    Outcome,
    PlayedChannel,
    Reader,
    a_system,
    said,
    set_stage,
    user,
    words,
)
from tests.actors.tools.conftest import (
    OUTER,
    a_tool,
    calling,
    inner_calls,
    inner_result,
    transcript_of,
)
from tests.stores import a_store

IN_VIRTUAL_TIME = True

ONCE = (calling(("c1", "look"), text="Let me see."), words("A cat."))


def starts(outcome: Outcome) -> list[ToolCallStart]:
    """The calls that a client was told of."""
    return [
        delta
        for event in outcome.events
        if isinstance(event, Progress)
        for delta in event.deltas
        if isinstance(delta, ToolCallStart)
    ]


def end_of(outcome: Outcome) -> TurnEnded:
    assert outcome.failure is None, outcome.failure
    end = outcome.events[-1]
    assert isinstance(end, TurnEnded)
    return end


# The loop


async def test_a_call_is_worked_off_and_the_model_goes_on_with_its_result() -> None:
    channel, store = PlayedChannel(*ONCE), a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, tools=[a_tool()])
        outcome = await stage.ask("k", user("What is there?"))
    step = (inner_calls(("c1", "look"), text="Let me see."), inner_result("c1"))
    assert channel.heard(0) == (user("What is there?"),)
    assert channel.heard(1) == (user("What is there?"), *step)
    assert [tool.name for tool in channel.prompts[1].tools] == ["look"]
    assert await transcript_of(store) == [user("What is there?"), *step, said("A cat.")]
    assert outcome.text == "Let me see.\n\nA cat."
    assert starts(outcome) == []
    assert end_of(outcome).reason is FinishReason.STOP


async def test_the_tokens_of_all_its_calls_are_a_turns() -> None:
    channel = PlayedChannel(*ONCE)
    async with a_system() as system:
        stage = await set_stage(system, channel, tools=[a_tool()])
        end = end_of(await stage.ask("k", user("a")))
    assert (end.usage.prompt, end.usage.completion) == (13, 7)


async def test_several_calls_run_at_once_and_each_has_its_result() -> None:
    async def slowly(call: Call) -> str:
        await trio.sleep({"c1": 30, "c2": 10, "c3": 20}[call.id])
        return f"found by {call.id}"

    wished = [(f"c{i}", "look") for i in (1, 2, 3)]
    channel, store = PlayedChannel(calling(*wished), words("Done.")), a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, tools=[a_tool(work=slowly)])
        await stage.ask("k", user("a"))
        assert trio.current_time() == 30
    kept = await transcript_of(store)
    assert kept[1] == inner_calls(*wished)
    assert kept[2:5] == [inner_result("c2"), inner_result("c3"), inner_result("c1")]


async def test_a_turn_may_go_through_many_steps() -> None:
    plays = [calling((f"c{i}", "look")) for i in range(10)]
    channel, store = PlayedChannel(*plays, words("Done.")), a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, tools=[a_tool()])
        outcome = await stage.ask("k", user("a"))
        again = await stage.ask("k", user("b"))
    assert outcome.text == "Done."
    assert len(channel.prompts) == 12
    assert len(channel.heard()) == 1 + 20 + 1 + 1
    assert again.text == "Done."


async def test_what_a_tool_is_told_names_its_session_turn_and_call() -> None:
    heard: list[Call] = []

    async def listen(call: Call) -> str:
        heard.append(call)
        return "ok"

    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel(*ONCE), tools=[a_tool(work=listen)])
        await stage.ask("k", user("a"))
    [call] = heard
    assert (call.session, call.turn, call.id) == (SessionName("main", "k"), "t1", "c1")
    assert (call.key, call.arguments) == ("t1.c1", b"{}")


# What goes wrong


async def test_what_a_tool_could_not_do_is_told_to_the_model(trouble: list[str]) -> None:
    async def fails(_: Call) -> str:
        raise ToolFailed("there is no such cat")

    async def crashes(_: Call) -> str:
        raise ZeroDivisionError("of its own")

    async def hangs(_: Call) -> str:
        await trio.sleep_forever()
        raise AssertionError

    tools = [a_tool("fails", fails), a_tool("crashes", crashes), a_tool("hangs", hangs, seconds=5)]
    wished = [("a", "fails"), ("b", "crashes"), ("c", "hangs"), ("d", "nowhere")]
    channel, store = PlayedChannel(calling(*wished), words("Well.")), a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, tools=tools)
        outcome = await stage.ask("k", user("a"))
        assert trio.current_time() == 5
    assert outcome.text == "Well."
    kept = await transcript_of(store)
    results = {e.call_id: e.content for e in kept if isinstance(e, ToolEntry)}
    assert results == {
        "a": "Error: there is no such cat",
        "b": "Error: the tool failed.",
        "c": "Error: the tool took longer than 5 s.",
        "d": "Error: there is no tool named 'nowhere'.",
    }
    assert sorted(trouble) == ["tool.crashed", "tool.timed_out"]
    trouble.clear()


async def test_a_failure_behind_a_tools_work_leaves_what_was_done() -> None:
    channel, store = PlayedChannel(calling(("c1", "look")), [FAULT]), a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, tools=[a_tool()])
        outcome = await stage.ask("k", user("a"), streamed=False)
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.UPSTREAM_ERROR
    assert await transcript_of(store) == [
        user("a"),
        inner_calls(("c1", "look")),
        inner_result("c1"),
        AssistantEntry("", interrupted=True),
    ]


async def test_a_client_that_leaves_ends_its_tools_and_their_calls_have_results() -> None:
    ended: list[float] = []

    async def long(_: Call) -> str:
        try:
            await trio.sleep(1000)
        finally:
            ended.append(trio.current_time())
        return "done"

    channel, store = PlayedChannel(calling(("c1", "look")), words("Done.")), a_store()
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, store=store, tools=[a_tool(work=long)])
        reader = await Reader(stage, "k", user("a")).join(nursery)
        await trio.sleep(10)
        reader.leave()
        await wait_all_tasks_blocked()
        assert ended == [10]
        assert (await stage.ask("k", user("b"))).text == "Done."
    kept = await transcript_of(store)
    assert kept[:4] == [
        user("a"),
        inner_calls(("c1", "look")),
        ToolEntry("c1", CUT_OFF, synthetic=True, inner=True),
        AssistantEntry("", interrupted=True),
    ]


async def test_a_later_request_may_end_a_turn_at_its_tools() -> None:
    async def long(_: Call) -> str:
        await trio.sleep(1000)
        return "done"

    channel, store = PlayedChannel(calling(("c1", "look")), words("Done.")), a_store()
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, store=store, tools=[a_tool(work=long)])
        first = await Reader(stage, "k", user("a")).join(nursery)
        second = await stage.ask("k", user("b"), sender=Sender(on_busy=OnBusy.ROLLBACK))
    assert first.failure is not None
    assert second.text == "Done."
    assert await transcript_of(store) == [user("b"), said("Done.")]


# Calls that are the client's


async def test_calls_of_both_kinds_in_one_answer() -> None:
    wished = [("c1", "look"), ("c2", "outer"), ("c3", "look")]
    channel, store = PlayedChannel(calling(*wished, text="Both."), words("Done.")), a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, tools=[a_tool()])
        first = await stage.ask("k", user("a"), tools=[OUTER])
        assert end_of(first).reason is FinishReason.TOOL_CALLS
        assert starts(first) == [ToolCallStart(0, "c2", "outer")]
        assert len(channel.prompts) == 1
        second = await stage.ask("k", ToolEntry("c2", "from outside"), tools=[OUTER])
    assert second.text == "Done."
    kept = await transcript_of(store)
    assert kept[:2] == [user("a"), inner_calls(*wished, text="Both.")]
    assert set(kept[2:4]) == {inner_result("c1"), inner_result("c3")}
    assert kept[4:] == [ToolEntry("c2", "from outside"), said("Done.")]


async def test_a_client_that_sends_all_it_has_seen_goes_on_from_there() -> None:
    wished = [("c1", "look"), ("c2", "outer")]
    plays = [*ONCE, calling(*wished, text="Both."), words("Done."), words("Yes.")]
    channel, store = PlayedChannel(*plays), a_store()
    outer = AssistantEntry("Both.", inner_calls(("c2", "outer")).tool_calls)
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, tools=[a_tool()])
        copy: list[Entry] = [user("a"), said((await stage.ask("k", user("a"))).text)]
        await stage.ask("k", *copy, user("b"), tools=[OUTER])
        copy += [user("b"), outer, ToolEntry("c2", "from outside")]
        done = await stage.ask("k", *copy, tools=[OUTER])
        last = await stage.ask("k", *copy, said(done.text), user("c"), tools=[OUTER])
    assert last.text == "Yes."
    assert await transcript_of(store) == [
        user("a"),
        inner_calls(("c1", "look"), text="Let me see."),
        inner_result("c1"),
        said("A cat."),
        user("b"),
        inner_calls(*wished, text="Both."),
        inner_result("c1"),
        ToolEntry("c2", "from outside"),
        said("Done."),
        user("c"),
        said("Yes."),
    ]


async def test_a_clients_tool_of_the_same_name_is_refused_before_anything_is_said() -> None:
    channel = PlayedChannel(words("Yes."))
    async with a_system() as system:
        stage = await set_stage(system, channel, tools=[a_tool("outer")])
        outcome = await stage.ask("k", user("a"), tools=[OUTER])
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.INVALID_REQUEST
    assert outcome.failure.param == "tools"
    assert channel.prompts == []


# Bounds


async def limited(bounds: Bounds, *, steps: int) -> Outcome:
    channel = PlayedChannel(calling(("c", "look"), text="On.", usage=Usage(60, 40)))
    async with a_system() as system:
        stage = await set_stage(system, channel, tools=[a_tool()], bounds=bounds)
        outcome = await stage.ask("k", user("a"))
        assert len(channel.prompts) == steps
    return outcome


async def test_a_turn_ends_at_its_bounds_and_says_so() -> None:
    outcome = await limited(Bounds(steps=3), steps=3)
    assert end_of(outcome).reason is FinishReason.LENGTH
    assert outcome.text.endswith("On.\n\n[This turn has ended at its limit of 3 steps.]")
    outcome = await limited(Bounds(tokens=250), steps=3)
    assert end_of(outcome).reason is FinishReason.LENGTH
    assert outcome.text.endswith("[This turn has ended at its limit of 250 tokens.]")


async def test_what_a_policy_does_not_allow_is_not_there() -> None:
    channel = PlayedChannel(words("Yes."))
    tools = [a_tool(name) for name in ("files_read", "files_write", "look")]
    policy = ToolPolicy(allow=("files_*",), deny=("*_write",))
    async with a_system() as system:
        stage = await set_stage(system, channel, tools=tools, policy=policy)
        await stage.ask("k", user("a"))
    assert [tool.name for tool in channel.prompts[0].tools] == ["files_read"]
