"""A run calls the model, passes on what it says but for the end, and leaves a result however it went."""

from collections.abc import Sequence
from random import Random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.calling import Upstreams
from greenroom.actors.channels.channel import (
    Deltas,
    Finish,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from greenroom.actors.entries import AssistantEntry, Prompt
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.provider import Lease, Provider, ProviderMessage
from greenroom.actors.recording import Recording
from greenroom.actors.run import Begin, Run, RunResult
from greenroom.actors.settings import ProviderSettings, Retry
from greenroom.actors.turn import OnDisconnect, Progress, Served, TurnEvent, TurnStarted
from greenroom.runtime import Crashed, Ending, Finished, Ref, System
from greenroom.runtime.reply import ReplyStream
from tests.actors.conftest import (
    HERE,
    NO_TOOLS,
    PATIENCE_S,
    PlayedChannel,
    Step,
    a_system,
    draft_of,
    has_a_free_permit,
    turn_of,
    untimed,
    user,
    words,
)

PROMPT = Prompt("m", (user("Hello"),))
STARTED = TurnStarted("t1", Served(HERE, 1))


class Stand:
    """A run with a provider and a client, by itself."""

    def __init__(self, channel: PlayedChannel, provider: Ref[ProviderMessage]) -> None:
        self.channel = channel
        self.provider = provider
        self.recording = Recording(OnDisconnect.CANCEL)
        self.stream: ReplyStream[TurnEvent] = ReplyStream(16)
        self.ended = trio.Event()
        self.ending: Ending | None = None

    async def begin(self, system: System, time_limit: float = 600) -> Ref[Begin]:
        upstreams = Upstreams({HERE.provider: self.provider}, PATIENCE_S, Random(1))
        self.recording.join(self.stream.port)
        turn, draft = turn_of("t1"), draft_of(PROMPT)
        run = Run(
            turn,
            draft,
            upstreams,
            self.recording,
            self.stream.port,
            NO_TOOLS,
            time_limit=time_limit,
        )
        ref = await system.spawn(run, "t1")
        ref.on_end(self._note)
        ref.tell(Begin())
        return ref

    async def result(self) -> RunResult:
        await self.ended.wait()
        assert isinstance(self.ending, Finished), self.ending
        assert isinstance(self.ending.value, RunResult)
        return self.ending.value

    def events(self) -> list[TurnEvent]:
        events: list[TurnEvent] = []
        while (event := self.stream.receive_nowait()) is not None:
            events.append(untimed(event))
        return events

    def _note(self, ending: Ending) -> None:
        self.ending = ending
        self.ended.set()


async def a_stand(system: System, *steps: Step) -> Stand:
    channel = PlayedChannel(steps)
    settings = ProviderSettings(HERE.provider, "scripted", max_concurrent=1, retry=Retry(times=0))
    return Stand(
        channel, await system.spawn(Provider(settings, lambda _: channel, Random(1)), "provider")
    )


async def test_the_prompt_goes_to_the_channel_and_the_answer_into_the_result() -> None:
    async with a_system() as system:
        stand = await a_stand(system, *words("Good ", "day."))
        await stand.begin(system)
        result = await stand.result()
    assert stand.channel.prompts == [PROMPT]
    assert result.failure is None
    assert stand.recording.answer.kept() == AssistantEntry("Good day.")
    assert stand.recording.answer.usage == Usage(3, 2)


async def test_the_client_hears_the_start_and_the_batches_and_not_the_end() -> None:
    one: Deltas = (ReasoningDelta("Hm."), TextDelta("Good "))
    last: Deltas = (TextDelta("day."), Finish(FinishReason.STOP))
    async with a_system() as system:
        stand = await a_stand(system, one, last, (Usage(3, 2),))
        await stand.begin(system)
        await stand.result()
    assert stand.events() == [STARTED, Progress(one), Progress((TextDelta("day."),))]


async def test_the_start_is_told_once_the_model_has_begun(autojump_clock: MockClock) -> None:
    async with a_system() as system:
        stand = await a_stand(system, 5.0, (TextDelta("a"),), 5.0, *words("b"))
        await stand.begin(system)
        assert untimed(await anext(stand.stream)) == STARTED
        assert trio.current_time() == 5


FAULT = TurnFailed.of(FailureKind.UPSTREAM_OVERLOADED, "No room.", retry_after=7)


@pytest.mark.parametrize(
    ("steps", "text"), [((FAULT,), None), (((TextDelta("a"),), (TextDelta("b"),), FAULT), "ab")]
)
async def test_a_failure_of_the_channel_is_the_runs_with_what_there_was(
    steps: Sequence[Step], text: str | None
) -> None:
    async with a_system() as system:
        stand = await a_stand(system, *steps)
        await stand.begin(system)
        result = await stand.result()
        assert result.failure == FAULT.failure
        entry = stand.recording.answer.kept()
        assert entry == (None if text is None else AssistantEntry(text, interrupted=True))
        assert await has_a_free_permit(stand.provider)


async def test_a_client_that_leaves_ends_the_run_at_once(autojump_clock: MockClock) -> None:
    async with a_system() as system:
        stand = await a_stand(system, (TextDelta("a"),), 50.0, *words("b"))
        await stand.begin(system)
        await trio.sleep(3)
        stand.stream.leave()
        result = await stand.result()
        assert trio.current_time() == 3
        assert stand.channel.left == [3]
        assert result.failure is not None
        assert result.failure.kind is FailureKind.INTERRUPTED
        assert stand.recording.answer.kept() == AssistantEntry("a", interrupted=True)
        assert await has_a_free_permit(stand.provider)


async def test_for_a_client_that_left_before_it_no_model_is_called() -> None:
    async with a_system() as system:
        stand = await a_stand(system, *words("a"))
        stand.stream.leave()
        await stand.begin(system)
        result = await stand.result()
        assert result.failure is not None
        assert result.failure.kind is FailureKind.INTERRUPTED
        assert not stand.channel.prompts
        await wait_all_tasks_blocked()
        assert await has_a_free_permit(stand.provider)


@pytest.mark.parametrize(
    "steps", [(50.0, *words("a")), ((TextDelta("a"),), 50.0, *words("b"))], ids=["before", "after"]
)
async def test_a_model_that_is_silent_past_the_limit_is_left(
    autojump_clock: MockClock, steps: Sequence[Step]
) -> None:
    async with a_system() as system:
        stand = await a_stand(system, *steps)
        await stand.begin(system, time_limit=20)
        result = await stand.result()
        assert trio.current_time() == 20
        assert stand.channel.left == [20]
        assert result.failure == Failure(
            FailureKind.UPSTREAM_TIMEOUT, "The turn took longer than its limit of 20 s."
        )
        assert await has_a_free_permit(stand.provider)


async def test_waiting_for_a_permit_counts_to_the_limit(autojump_clock: MockClock) -> None:
    async with a_system() as system:
        stand = await a_stand(system, *words("a"))
        async with stand.provider.stream(Lease("m")) as lease:
            await anext(lease)
            await stand.begin(system, time_limit=20)
            result = await stand.result()
            assert trio.current_time() == 20
            assert not stand.channel.prompts
        assert result.failure is not None
        assert result.failure.kind is FailureKind.UPSTREAM_TIMEOUT


async def test_so_does_a_client_that_does_not_read(autojump_clock: MockClock) -> None:
    async with a_system() as system:
        stand = await a_stand(system, *words(*"abcdefghijklmnopqrstuvwxyz"))
        await stand.begin(system, time_limit=20)
        result = await stand.result()
        assert trio.current_time() == 20
        assert result.failure is not None
        assert result.failure.kind is FailureKind.UPSTREAM_TIMEOUT
        assert len(stand.events()) == 16


async def test_an_answer_without_an_end_in_sight_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.actors.run.MAX_ANSWER", 5)
    async with a_system() as system:
        stand = await a_stand(system, *words(*"abcdefghijklmno"))
        await stand.begin(system)
        result = await stand.result()
        assert result.failure == Failure(
            FailureKind.UPSTREAM_ERROR, "The answer is longer than 5 characters."
        )
        assert stand.recording.answer.kept() == AssistantEntry("abcdef", interrupted=True)
        assert stand.events()[-1] == Progress((TextDelta("f"),)), "kept is what was sent"
        assert stand.channel.under_way == 0
        assert await has_a_free_permit(stand.provider)


async def test_a_busy_provider_is_the_runs_failure() -> None:
    async with a_system() as system:
        channel = PlayedChannel()
        settings = ProviderSettings(
            HERE.provider, "scripted", max_concurrent=1, retry=Retry(times=0), max_waiting=0
        )
        stand = Stand(
            channel,
            await system.spawn(Provider(settings, lambda _: channel, Random(1)), "provider"),
        )
        async with stand.provider.stream(Lease("m")) as lease:
            await anext(lease)
            await stand.begin(system)
            result = await stand.result()
        assert result.failure is not None
        assert (result.failure.kind, result.failure.code) == (FailureKind.BUSY, "provider_busy")


async def test_a_provider_that_is_gone_is_our_own_fault(trouble: list[str]) -> None:
    async with a_system() as system:
        stand = await a_stand(system)
        stand.provider.stop()
        await stand.provider.stopped()
        await stand.begin(system)
        result = await stand.result()
        assert result.failure == Failure(FailureKind.INTERNAL, "Provider 'here' is not running.")
    assert trouble == ["run.provider_gone"]
    trouble.clear()


async def test_a_channel_that_breaks_its_promise_crashes_the_run(trouble: list[str]) -> None:
    async with a_system() as system:
        stand = await a_stand(system, (TextDelta("a"),), RuntimeError("a bug"))
        await stand.begin(system)
        await stand.ended.wait()
        assert isinstance(stand.ending, Crashed)
        assert stand.channel.under_way == 0
        assert await has_a_free_permit(stand.provider)
    assert trouble == ["actor.crashed"]
    trouble.clear()
