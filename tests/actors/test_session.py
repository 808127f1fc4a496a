"""One turn at a time, as they came; what was acknowledged is kept, what failed left no trace."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.channels.channel import Deltas, Finish, FinishReason, TextDelta, Usage
from greenroom.actors.entries import (
    AssistantEntry,
    UserEntry,
    text_of,
)
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.turn import Progress, Served, TurnEnded, TurnEvent, TurnStarted
from greenroom.runtime import ActorStopped
from tests.actors.conftest import (
    FAULT,
    HERE,
    SLOW,
    STOP,
    Outcome,
    PlayedChannel,
    Reader,
    Stage,
    Step,
    a_system,
    has_a_free_permit,
    result,
    said,
    set_stage,
    system,
    user,
    wishes,
    words,
)
from tests.stores import Disk, a_store

# Order


async def test_a_turn_starts_goes_on_and_ends() -> None:
    async with a_system() as house:
        stage = await set_stage(house, PlayedChannel(words("Good ", "day.")))
        outcome = await stage.ask("k", user("Hello"))
    *events, end = outcome.events
    assert events == [
        TurnStarted("t1", Served(HERE, 1)),
        Progress((TextDelta("Good "),)),
        Progress((TextDelta("day."),)),
    ]
    assert isinstance(end, TurnEnded)
    assert (end.reason, end.usage) == (FinishReason.STOP, Usage(3, 2))


async def test_turns_that_race_for_a_new_session_run_one_after_the_other_as_they_came(
    autojump_clock: MockClock,
) -> None:
    arrived: list[str] = []
    spans: dict[str, tuple[float, float]] = {}
    channel = PlayedChannel((1.0, (TextDelta("a"),), 1.0, (TextDelta("b"),), 1.0, STOP))

    async def race(stage: Stage, text: str) -> None:
        stream = stage.open("new", user(text))
        arrived.append(text)
        async with stream as events:
            assert isinstance(await anext(events), TurnStarted)
            start = trio.current_time()
            rest = [event async for event in events]
        spans[text] = start, trio.current_time()
        assert [type(event) for event in rest] == [Progress, Progress, TurnEnded]

    async with a_system() as house:
        stage = await set_stage(house, channel)
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(race, stage, f"turn {number}")
    assert [
        text_of(prompt.entries[-1].content)
        for prompt in channel.prompts
        if isinstance(prompt.entries[-1], UserEntry)
    ] == arrived
    assert channel.most_under_way == 1
    assert [spans[text] for text in arrived] == [(3 * i + 1, 3 * i + 3) for i in range(50)]
    assert [len(prompt.entries) for prompt in channel.prompts] == [2 * i + 1 for i in range(50)]


async def test_sessions_run_in_parallel(autojump_clock: MockClock) -> None:
    channel = PlayedChannel(SLOW)
    async with a_system() as house:
        stage = await set_stage(house, channel)
        async with trio.open_nursery() as nursery:
            readers = [Reader(stage, f"k{i}", user("Hi")) for i in range(20)]
            for reader in readers:
                nursery.start_soon(reader.read)
    assert {reader.done_at for reader in readers} == {10}
    assert channel.most_under_way == 20


async def test_sessions_know_nothing_of_each_other() -> None:
    channel = PlayedChannel(words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        await stage.ask("one", user("a"))
        await stage.ask("two", user("b"))
        await stage.ask("one", user("c"))
    assert channel.heard(1) == (user("b"),)
    assert channel.heard(2) == (user("a"), said("Yes."), user("c"))


# Waiting


async def test_past_the_bound_on_waiting_a_turn_is_refused_and_the_session_named(
    autojump_clock: MockClock,
) -> None:
    channel = PlayedChannel(SLOW)
    async with a_system() as house, trio.open_nursery() as nursery:
        stage = await set_stage(house, channel, waiting_turns=2)
        one, two, three = [await Reader(stage, "Ann's", user(text)).join(nursery) for text in "abc"]
        outcome = await stage.ask("Ann's", user("d"))
        assert outcome == Outcome(
            (),
            Failure(
                FailureKind.BUSY,
                "Session 'Ann's' has 2 turns waiting, which is its limit. Try again later.",
                code="session_queue_full",
                retry_after=1.0,
                limits={
                    "limit-requests": "2",
                    "remaining-requests": "0",
                    "reset-requests": "1s",
                },
            ),
        )
        assert trio.current_time() == 0
        other = await stage.ask("Bob's", user("e"))
        assert other.ended
        await trio.sleep(5)
        assert (await stage.ask("Ann's", user("f"))).ended
    assert [reader.done_at for reader in (one, two, three)] == [10, 20, 30]
    assert [len(prompt.entries) for prompt in channel.prompts] == [1, 1, 3, 5, 7]


async def test_without_places_to_wait_a_turn_is_refused_only_while_another_runs(
    autojump_clock: MockClock,
) -> None:
    async with a_system() as house, trio.open_nursery() as nursery:
        stage = await set_stage(house, PlayedChannel(SLOW), waiting_turns=0)
        one = await Reader(stage, "k", user("a")).join(nursery)
        refused = await stage.ask("k", user("b"))
        assert refused.failure is not None
        assert refused.failure.kind is FailureKind.BUSY
        await trio.sleep(11)
        assert one.done_at == 10
        assert (await stage.ask("k", user("c"))).ended


async def test_a_client_that_leaves_while_waiting_frees_its_place_and_never_runs(
    autojump_clock: MockClock,
) -> None:
    channel = PlayedChannel(SLOW)
    async with a_system() as house, trio.open_nursery() as nursery:
        stage = await set_stage(house, channel, waiting_turns=2)
        _, two, three = [await Reader(stage, "k", user(t)).join(nursery) for t in "abc"]
        two.leave()
        await wait_all_tasks_blocked()
        four = await Reader(stage, "k", user("d")).join(nursery)
    assert two.done_at == 0
    assert (three.done_at, four.done_at) == (20, 30)
    texts = [prompt.entries[-1] for prompt in channel.prompts]
    assert texts == [user("a"), user("c"), user("d")]


async def test_a_client_that_is_gone_before_its_turn_is_taken_up_calls_no_model() -> None:
    channel = PlayedChannel(words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        async with stage.open("k", user("a")):
            pass
        await wait_all_tasks_blocked()
        assert not channel.prompts
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("b"),)


# Ends


async def test_a_client_that_leaves_stops_the_model_at_once_and_the_next_turn_begins(
    autojump_clock: MockClock,
) -> None:
    channel = PlayedChannel(SLOW)
    async with a_system() as house, trio.open_nursery() as nursery:
        stage = await set_stage(house, channel)
        one = await Reader(stage, "k", user("a")).join(nursery)
        two = await Reader(stage, "k", user("b")).join(nursery)
        await trio.sleep(4)
        one.leave()
    assert channel.left == [4, 14]
    assert two.done_at == 14
    cut = AssistantEntry("One ", interrupted=True)
    assert channel.heard() == (user("a"), cut, user("b"))


async def test_a_client_that_leaves_before_any_text_leaves_no_trace(
    autojump_clock: MockClock,
) -> None:
    channel = PlayedChannel((10.0, *words("Yes.")))
    async with a_system() as house, trio.open_nursery() as nursery:
        stage = await set_stage(house, channel)
        one = await Reader(stage, "k", user("a")).join(nursery)
        await trio.sleep(4)
        one.leave()
        await stage.ask("k", user("b"))
    assert channel.left == [4, 14]
    assert channel.heard() == (user("b"),)


async def test_a_client_that_leaves_after_the_end_changes_nothing() -> None:
    channel = PlayedChannel(words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        async with stage.open("k", user("a")) as events:
            while not isinstance(await anext(events), TurnEnded):
                pass
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("a"), said("Yes."), user("b"))


async def test_a_turn_that_fails_before_its_answer_leaves_no_trace() -> None:
    channel = PlayedChannel(words("Yes."), (FAULT,), words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        await stage.ask("k", user("a"))
        outcome = await stage.ask("k", user("b"))
        assert outcome == Outcome((), FAULT.failure)
        await stage.ask("k", user("c"))
    assert channel.heard() == (user("a"), said("Yes."), user("c"))


async def test_not_even_one_that_was_to_cut_the_transcript() -> None:
    channel = PlayedChannel(words("Yes."), (FAULT,), words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        await stage.ask("k", user("a"))
        await stage.ask("k", user("edited"), said("Yes."), user("b"))
        await stage.ask("k", user("c"))
    assert channel.heard(1) == (user("edited"), said("Yes."), user("b"))
    assert channel.heard(2) == (user("a"), said("Yes."), user("c"))


async def test_a_turn_that_fails_in_the_middle_keeps_its_text_and_marks_it() -> None:
    channel = PlayedChannel(((TextDelta("Once "),), (TextDelta("up"),), FAULT), words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        outcome = await stage.ask("k", user("a"))
        assert (outcome.text, outcome.failure) == ("Once up", FAULT.failure)
        await stage.ask("k", user("b"))
    cut = AssistantEntry("Once up", interrupted=True)
    assert channel.heard() == (user("a"), cut, user("b"))


@pytest.mark.parametrize("ends", ["fails", "is left"])
async def test_a_turn_that_is_not_streamed_leaves_no_trace_when_it(
    autojump_clock: MockClock, ends: str
) -> None:
    steps: tuple[Step, ...] = ((TextDelta("Once "),), 10.0, FAULT)
    channel = PlayedChannel(steps, words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        with trio.move_on_after(5 if ends == "is left" else 50):
            outcome = await stage.ask("k", user("a"), streamed=False)
            assert outcome.failure == FAULT.failure
        assert (await stage.ask("k", user("b"), streamed=False)).ended
        await stage.ask("k", user("c"))
    assert channel.left[0] == (5 if ends == "is left" else 10)
    assert channel.heard() == (user("b"), said("Yes."), user("c"))


async def test_calls_that_fail_in_the_middle_leave_no_trace() -> None:
    channel = PlayedChannel((*wishes("c1")[:-1], FAULT), words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        await stage.ask("k", user("a"))
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("b"),)


async def test_a_request_that_the_transcript_refuses_is_refused_and_the_next_runs(
    autojump_clock: MockClock,
) -> None:
    channel = PlayedChannel(SLOW)
    async with a_system() as house, trio.open_nursery() as nursery:
        stage = await set_stage(house, channel)
        one, two, three = [
            await Reader(stage, "k", entry).join(nursery)
            for entry in (user("a"), result("c9"), user("b"))
        ]
    assert two.failure is not None
    assert two.failure.kind is FailureKind.INVALID_REQUEST
    assert two.failure.param == "messages[0].tool_call_id"
    assert [reader.done_at for reader in (one, two, three)] == [10, 10, 20]
    assert channel.heard() == (user("a"), said("One two."), user("b"))


async def test_the_place_in_a_refusal_counts_the_messages_as_they_were_sent() -> None:
    async with a_system() as house:
        stage = await set_stage(house, PlayedChannel())
        outcome = await stage.ask("k", system("s"), user("a"), system("s"), result("c9"))
    assert outcome.failure is not None
    assert outcome.failure.param == "messages[3].tool_call_id"


async def test_an_answer_without_its_end_is_a_failure_and_kept_as_interrupted() -> None:
    channel = PlayedChannel(((TextDelta("Once"),),), words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel)
        outcome = await stage.ask("k", user("a"))
        assert outcome.failure == Failure(FailureKind.INTERNAL, "The model's answer has no end.")
        await stage.ask("k", user("b"))
    assert channel.heard()[1] == AssistantEntry("Once", interrupted=True)


@pytest.mark.parametrize("after", [FAULT, 1e9], ids=["a fault", "silence"])
async def test_an_answer_that_has_its_end_is_whole_whatever_comes_after_it(
    autojump_clock: MockClock, after: Step
) -> None:
    whole: Deltas = (TextDelta("Yes."), Finish(FinishReason.STOP))
    channel = PlayedChannel((whole, after), words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel, time_limit=60)
        outcome = await stage.ask("k", user("a"))
        assert (outcome.ended, outcome.failure) == (True, None)
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("a"), said("Yes."), user("b"))


async def test_past_the_agents_time_limit_a_turn_fails(autojump_clock: MockClock) -> None:
    channel = PlayedChannel(SLOW)
    async with a_system() as house:
        stage = await set_stage(house, channel, time_limit=8)
        outcome = await stage.ask("k", user("a"))
        assert trio.current_time() == 8
        assert outcome.text == "One "
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.UPSTREAM_TIMEOUT
        assert channel.left == [8]


@pytest.mark.parametrize("limit", [float("inf"), 1e6])
async def test_a_turn_may_be_long(autojump_clock: MockClock, limit: float) -> None:
    async with a_system() as house:
        stage = await set_stage(house, PlayedChannel((1e5, *words("Yes."))), time_limit=limit)
        assert (await stage.ask("k", user("a"))).ended


async def test_a_run_that_crashes_is_our_fault_and_the_session_lives_on(
    trouble: list[str],
) -> None:
    bug = RuntimeError("a bug in a channel")
    channel = PlayedChannel(words("Yes."), ((TextDelta("One"),), bug), words("Yes."))
    async with a_system() as house:
        stage = await set_stage(house, channel, max_concurrent=1)
        await stage.ask("k", user("a"))
        outcome = await stage.ask("k", user("b"))
        assert outcome.failure == Failure(FailureKind.INTERNAL, "The run crashed.")
        assert (await stage.ask("k", user("c"))).ended
    cut = AssistantEntry("One", interrupted=True)
    assert channel.heard() == (user("a"), said("Yes."), user("b"), cut, user("c"))
    assert trouble == ["actor.crashed"]
    trouble.clear()


async def test_a_turn_that_cannot_be_kept_is_not_acknowledged_and_the_next_one_works() -> None:
    disk = Disk()
    channel = PlayedChannel(words("Yes."))
    events: list[TurnEvent] = []
    async with a_system() as house:
        stage = await set_stage(house, channel, store=a_store(disk.watch))
        async with stage.open("k", user("a")) as stream:
            events += [await anext(stream), await anext(stream)]
            disk.is_full = True
            with pytest.raises(TurnFailed) as caught:
                await anext(stream)
        assert caught.value.failure.kind is FailureKind.STORE
        assert [type(event) for event in events] == [TurnStarted, Progress]
        refused = await stage.ask("k", user("b"))
        assert refused.failure is not None
        assert refused.failure.kind is FailureKind.STORE
        assert len(channel.prompts) == 1, "what is not accepted does not run"
        disk.is_full = False
        assert (await stage.ask("k", user("c"))).ended
    cut = AssistantEntry("", interrupted=True)
    assert channel.heard() == (user("a"), cut, user("c"))


async def test_when_the_agent_is_killed_every_client_is_told(autojump_clock: MockClock) -> None:
    stopped: list[str] = []
    channel = PlayedChannel(SLOW)

    async def read(stage: Stage, text: str) -> None:
        with pytest.raises(ActorStopped):
            await stage.ask("k", user(text))
        stopped.append(text)

    async with a_system() as house, trio.open_nursery() as nursery:
        stage = await set_stage(house, channel, max_concurrent=1)
        for text in "abc":
            nursery.start_soon(read, stage, text)
            await wait_all_tasks_blocked()
        await trio.sleep(2)
        stage.agent.kill()
        await stage.agent.stopped()
        assert channel.left == [2]
        assert await has_a_free_permit(stage.provider)
    assert sorted(stopped) == ["a", "b", "c"]
