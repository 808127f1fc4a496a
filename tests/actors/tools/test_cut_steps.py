"""Between an answer with calls and what comes of it: who ends a turn there ends it."""

import sqlite3

import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import Finish, FinishReason, ToolCallArguments, ToolCallStart
from greenroom.actors.entries import AssistantEntry, ToolEntry
from greenroom.actors.failure import FailureKind
from greenroom.actors.kit import Hooks, Kit
from greenroom.actors.stores.sqlite.transactions import Point
from greenroom.actors.tools.tool import Call
from tests.actors.conftest import (
    PlayedChannel,
    Reader,
    Step,
    TheseTools,
    a_system,
    open_calls,
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

TAIL: list[Step] = [
    (ToolCallStart(0, "c1", "look"), ToolCallArguments(0, "{}"), Finish(FinishReason.TOOL_CALLS)),
    3.0,
]
"""An answer with a call whose stream takes three seconds to end after it is whole."""


class Counted:
    """A tool that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def work(self, _: Call) -> str:
        await trio.lowlevel.checkpoint()
        self.calls += 1
        return "done"


async def test_a_client_that_leaves_before_its_calls_are_made_has_none_made() -> None:
    tool, store = Counted(), a_store()
    channel = PlayedChannel(TAIL, words("Done."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, store=store, tools=[a_tool(work=tool.work)])
        reader = await Reader(stage, "k", user("a")).join(nursery)
        await trio.sleep(1)
        reader.leave()
        await wait_all_tasks_blocked()
        assert channel.left == [1]
        await trio.sleep(100)
        assert tool.calls == 0
        assert len(channel.prompts) == 1
    assert open_calls(await transcript_of(store)) == []


class Strict(Hooks):
    """Does not like what the model says."""

    async def after_model(self, answer: AssistantEntry) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError(answer.text)


async def test_a_hook_that_raises_fails_the_turn(trouble: list[str]) -> None:
    for play in (calling(("c1", "look")), words("Done.")):
        tool, store = Counted(), a_store()
        async with a_system() as system:
            kit = Kit((TheseTools([a_tool(work=tool.work)]),), hooks=Strict())
            stage = await set_stage(system, PlayedChannel(play), store=store, kit=kit)
            outcome = await stage.ask("k", user("a"), streamed=False)
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.INTERNAL
        assert tool.calls == 0
        assert open_calls(await transcript_of(store)) == []
    trouble.clear()


async def test_calls_that_cannot_be_kept_are_not_made(trouble: list[str]) -> None:
    tool = Counted()
    commits = 0

    def full(point: Point) -> None:
        nonlocal commits
        if point is Point.BEFORE_COMMIT:
            commits += 1
            if commits == 2:
                raise sqlite3.OperationalError("database or disk is full")

    store = a_store(full)
    async with a_system() as system:
        channel = PlayedChannel(calling(("c1", "look")), words("Done."))
        stage = await set_stage(system, channel, store=store, tools=[a_tool(work=tool.work)])
        outcome = await stage.ask("k", user("a"))
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.STORE
        assert tool.calls == 0
        assert (await stage.ask("k", user("b"))).text == "Done."
    trouble.clear()


async def test_a_result_that_cannot_be_kept_fails_the_turn_as_the_stores() -> None:
    commits = 0

    def full(point: Point) -> None:
        nonlocal commits
        if point is Point.BEFORE_COMMIT:
            commits += 1
            if commits == 3:
                raise sqlite3.OperationalError("database or disk is full")

    async with a_system() as system:
        channel = PlayedChannel(calling(("c1", "look")), words("Done."))
        stage = await set_stage(system, channel, store=a_store(full), tools=[a_tool()])
        outcome = await stage.ask("k", user("a"))
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.STORE


async def test_calls_of_one_id_in_two_answers_are_two() -> None:
    keys: list[str] = []

    async def note(call: Call) -> str:
        await trio.lowlevel.checkpoint()
        keys.append(call.key)
        return "ok"

    channel = PlayedChannel(calling(("c", "look")), calling(("c", "look")), words("Done."))
    async with a_system() as system:
        stage = await set_stage(system, channel, tools=[a_tool(work=note)])
        assert (await stage.ask("k", user("a"))).text == "Done."
    assert keys == ["t1.c", "t1.c_2"]


async def test_whatever_a_tool_gives_its_call_has_a_result(trouble: list[str]) -> None:
    async def half(_: Call) -> str:
        await trio.lowlevel.checkpoint()
        return "a \ud800 half"

    async def leaves(_: Call) -> str:
        await trio.lowlevel.checkpoint()
        raise SystemExit(3)

    tools = [a_tool("half", half), a_tool("leaves", leaves)]
    store = a_store()
    async with a_system() as system:
        channel = PlayedChannel(calling(("a", "half"), ("b", "leaves")), words("Done."))
        stage = await set_stage(system, channel, store=store, tools=tools)
        assert (await stage.ask("k", user("a"))).text == "Done."
    kept = await transcript_of(store)
    results = {e.call_id: e.content for e in kept if isinstance(e, ToolEntry)}
    assert results == {"a": "a ? half", "b": "Error: the tool failed."}
    assert trouble == ["tool.crashed"]
    trouble.clear()


async def test_an_answer_that_says_nothing_more_is_what_was_said_on_the_way() -> None:
    channel = PlayedChannel(calling(("c1", "look"), text="I save it."), words(), words("Yes."))
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, tools=[a_tool()])
        told = (await stage.ask("k", user("a"))).text
        assert told == "I save it."
        await stage.ask("k", user("a"), said(told), user("b"))
    kept = await transcript_of(store)
    assert kept[1:4] == [
        inner_calls(("c1", "look"), text="I save it."),
        inner_result("c1"),
        said(""),
    ]
    assert kept[4:] == [user("b"), said("Yes.")]


async def test_texts_with_breaks_of_their_own_are_the_same_on_both_sides() -> None:
    texts = ["ab", "\n", "t3\n\n"]
    plays = [calling((f"c{n}", "look"), text=text) for n, text in enumerate(texts)]
    channel, store = PlayedChannel(*plays, words("End."), words("Yes.")), a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, tools=[a_tool()])
        told = (await stage.ask("k", user("a"))).text
        before = await transcript_of(store)
        await stage.ask("k", user("a"), said(told), user("b"), tools=[OUTER])
    assert await transcript_of(store) == [*before, user("b"), said("Yes.")]
