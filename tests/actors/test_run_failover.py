"""Before its first word a turn is asked again, or another model is; after it nothing is switched."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.calling import Upstreams, cost_of
from greenroom.actors.channels.channel import Channel, Finish, FinishReason, TextDelta, Usage
from greenroom.actors.entries import AssistantEntry, Prompt
from greenroom.actors.failure import UNREACHABLE, FailureKind, TurnFailed
from greenroom.actors.health import Standing
from greenroom.actors.provider import DescribeProvider, Provider, ProviderMessage
from greenroom.actors.recording import Recording
from greenroom.actors.run import Begin, Run, RunResult
from greenroom.actors.settings import Cooldown, Cost, ModelSettings, ProviderSettings, Retry
from greenroom.actors.turn import (
    OnDisconnect,
    Progress,
    Route,
    Served,
    TurnEvent,
    TurnRequest,
    TurnStarted,
)
from greenroom.runtime import Finished, Ref, System
from greenroom.runtime.reply import ReplyStream
from tests.actors.conftest import (
    NO_TOOLS,
    PlayedChannel,
    Step,
    a_system,
    draft_of,
    untimed,
    user,
    words,
)

PROMPT = Prompt("?", (user("Hello"),))
FIRST, SECOND = Route("first", "m"), Route("second", "n")
BROKEN = TurnFailed.of(FailureKind.UPSTREAM_ERROR, "It broke.")
DEAD = TurnFailed.of(FailureKind.UPSTREAM_ERROR, "Nothing there.", code=UNREACHABLE)
PRICE = Cost(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)


class Result:
    """What came of a run."""

    def __init__(self, result: RunResult, recording: Recording) -> None:
        self.failure = result.failure
        self.cost = result.cost
        self.answer = recording.answer
        self.served = None if recording.started is None else recording.started.served


class Stand:
    """Two providers with played channels, and runs that have them."""

    def __init__(self, system: System, providers: Mapping[str, Ref[ProviderMessage]]) -> None:
        self._system = system
        self.providers = providers
        self._runs = 0

    async def run(
        self, *fallbacks: Route, patience: float = 90, leave_after: float | None = None
    ) -> "tuple[Result, list[TurnEvent]]":
        """One turn from beginning to end, and what its client heard."""
        self._runs += 1
        stream: ReplyStream[TurnEvent] = ReplyStream(16)
        upstreams = Upstreams(self.providers, patience, Random(1))
        recording = Recording(OnDisconnect.CANCEL)
        recording.join(stream.port)
        turn = TurnRequest("t", FIRST, (), fallbacks)
        run = Run(
            turn, draft_of(PROMPT), upstreams, recording, stream.port, NO_TOOLS, time_limit=600
        )
        ref = await self._system.spawn(run, f"run {self._runs}")
        results: list[RunResult] = []

        def note(ending: object) -> None:
            assert isinstance(ending, Finished)
            assert isinstance(ending.value, RunResult)
            results.append(ending.value)

        ref.on_end(note)
        ref.tell(Begin())
        if leave_after is not None:
            await trio.sleep(leave_after)
            stream.leave()
        await ref.stopped()
        events: list[TurnEvent] = []
        while leave_after is None and (event := stream.receive_nowait()) is not None:
            events.append(untimed(event))
        return Result(results[0], recording), events


def connect_to(channel: Channel) -> Callable[[ProviderSettings], Channel]:
    return lambda _: channel


async def a_stand(
    system: System,
    first: PlayedChannel,
    second: PlayedChannel,
    retry: Retry | None = None,
    cooldown: Cooldown | None = None,
) -> Stand:
    refs: dict[str, Ref[ProviderMessage]] = {}
    for route, channel in ((FIRST, first), (SECOND, second)):
        settings = ProviderSettings(
            route.provider,
            "scripted",
            models=(ModelSettings(route.model, cost=PRICE),),
            retry=retry or Retry(),
            cooldown=cooldown or Cooldown(failures=0),
        )
        provider = Provider(settings, connect_to(channel), Random(1))
        refs[route.provider] = await system.spawn(provider, route.provider)
    return Stand(system, refs)


async def test_a_call_that_breaks_before_its_first_word_is_made_again(
    autojump_clock: MockClock,
) -> None:
    first = PlayedChannel((BROKEN,), (BROKEN,), words("Yes."))
    async with a_system() as system:
        stand = await a_stand(system, first, PlayedChannel())
        result, events = await stand.run()
    assert result.failure is None
    assert result.answer.kept() == AssistantEntry("Yes.")
    assert result.served == Served(FIRST, 3)
    assert events == [TurnStarted("t", Served(FIRST, 3)), Progress((TextDelta("Yes."),))]
    assert 0.75 * 1.5 <= trio.current_time() <= 1.5


async def test_then_the_next_model_is_asked_by_its_own_name(autojump_clock: MockClock) -> None:
    first, second = PlayedChannel((BROKEN,)), PlayedChannel(words("Yes."))
    async with a_system() as system:
        stand = await a_stand(system, first, second)
        result, _ = await stand.run(SECOND)
    assert result.served == Served(SECOND, 4)
    assert [prompt.model for prompt in first.prompts] == ["m", "m", "m"]
    assert [prompt.model for prompt in second.prompts] == ["n"]


@pytest.mark.parametrize("steps", [((TextDelta("Y"),), BROKEN), ((Usage(1, 1),), BROKEN)])
async def test_after_the_first_word_nothing_is_switched(steps: Sequence[Step]) -> None:
    first, second = PlayedChannel(steps), PlayedChannel()
    async with a_system() as system:
        stand = await a_stand(system, first, second)
        result, events = await stand.run(SECOND)
    assert result.failure == BROKEN.failure
    assert result.served == Served(FIRST, 1)
    assert events[0] == TurnStarted("t", Served(FIRST, 1))
    assert not second.prompts


async def test_the_patience_for_a_first_word_is_for_all_attempts_together(
    autojump_clock: MockClock,
) -> None:
    first, second = PlayedChannel((20.0, BROKEN)), PlayedChannel((500.0, *words("Yes.")))
    async with a_system() as system:
        stand = await a_stand(system, first, second, Retry(times=0))
        result, events = await stand.run(SECOND, patience=50)
    assert trio.current_time() == 50
    assert result.failure == BROKEN.failure
    assert events == []
    assert second.left == [50]


async def test_a_model_that_says_nothing_leaves_time_for_the_next(
    autojump_clock: MockClock,
) -> None:
    first = PlayedChannel((500.0, *words("Late.")))
    async with a_system() as system:
        stand = await a_stand(system, first, PlayedChannel(words("Yes.")))
        result, _ = await stand.run(SECOND, patience=60)
        assert trio.current_time() == 40
        assert result.served == Served(SECOND, 2)
        status = await stand.providers["first"].ask(DescribeProvider())
        assert status.failures == {"upstream_timeout": 1}


async def test_one_that_has_no_next_has_all_the_time_and_is_to_blame(
    autojump_clock: MockClock,
) -> None:
    first = PlayedChannel((500.0, *words("Late.")))
    async with a_system() as system:
        stand = await a_stand(system, first, PlayedChannel())
        result, _ = await stand.run(patience=60)
        assert trio.current_time() == 60
        assert result.failure is not None
        assert result.failure.kind is FailureKind.UPSTREAM_TIMEOUT
        status = await stand.providers["first"].ask(DescribeProvider())
        assert status.failures == {"upstream_timeout": 1}


async def test_what_is_wrong_with_a_request_is_told_though_the_model_was_ill_before(
    autojump_clock: MockClock,
) -> None:
    wrong = TurnFailed.of(FailureKind.UPSTREAM_REJECTED, "No such field.")
    first, second = PlayedChannel((BROKEN,), (wrong,)), PlayedChannel()
    async with a_system() as system:
        stand = await a_stand(system, first, second)
        result, _ = await stand.run(SECOND)
    assert result.failure == wrong.failure
    assert not second.prompts


async def test_and_ends_with_the_first_word(autojump_clock: MockClock) -> None:
    first = PlayedChannel(((TextDelta("Y"),), 500.0, *words("es.")))
    async with a_system() as system:
        stand = await a_stand(system, first, PlayedChannel())
        result, _ = await stand.run(patience=50)
    assert result.failure is None


async def test_a_client_that_leaves_between_two_attempts_ends_the_run(
    autojump_clock: MockClock,
) -> None:
    first = PlayedChannel((BROKEN,))
    async with a_system() as system:
        stand = await a_stand(system, first, PlayedChannel())
        result, _ = await stand.run(leave_after=0.1)
    assert trio.current_time() == 0.1
    assert result.failure is not None
    assert result.failure.kind is FailureKind.INTERRUPTED
    assert len(first.prompts) == 1


async def test_with_a_dead_first_provider_no_turn_is_lost_and_few_ask_it(
    autojump_clock: MockClock, trouble: list[str]
) -> None:
    first, second = PlayedChannel((DEAD,)), PlayedChannel(words("Yes."))
    async with a_system() as system:
        stand = await a_stand(system, first, second, cooldown=Cooldown(failures=5, seconds=15))
        outcomes = [await stand.run(SECOND) for _ in range(1000)]
        status = await stand.providers["first"].ask(DescribeProvider())
    assert all(result.failure is None for result, _ in outcomes)
    assert {result.served.route for result, _ in outcomes if result.served} == {SECOND}
    assert len(first.prompts) == 5
    assert status.standings == {"": Standing.RESTING}
    assert (status.calls, status.failures, status.rests) == (5, {"upstream_error": 5}, 1)
    assert status.refused == 999
    trouble.remove("provider.resting")


async def test_a_provider_that_recovers_is_found_by_one_probe_and_serves_again(
    autojump_clock: MockClock,
) -> None:
    slow: tuple[Step, ...] = ((TextDelta("Y"),), 5.0, *words("es."))
    first = PlayedChannel(*[(DEAD,)] * 2, slow)
    second = PlayedChannel(words("Yes."))
    with structlog.testing.capture_logs() as lines:
        async with System(log=structlog.get_logger()) as system:
            stand = await a_stand(
                system, first, second, Retry(times=0), Cooldown(failures=2, seconds=15)
            )
            for _ in range(3):
                assert (await stand.run(SECOND))[0].served == Served(SECOND, 2)
            await trio.sleep(15)
            served: list[Served | None] = []

            async def one() -> None:
                served.append((await stand.run(SECOND))[0].served)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(one)
                await wait_all_tasks_blocked()
                # The probe has its first word: whoever comes now need not wait for its last.
                nursery.start_soon(one)
    assert served == [Served(FIRST, 1), Served(FIRST, 1)]
    named = [line["event"] for line in lines if line["event"].startswith("provider.")]
    assert named == ["provider.resting", "provider.probing", "provider.recovered"]


async def test_a_resting_upstream_says_why_and_for_how_long(
    autojump_clock: MockClock, trouble: list[str]
) -> None:
    first = PlayedChannel((BROKEN,))
    async with a_system() as system:
        stand = await a_stand(
            system, first, PlayedChannel(), Retry(times=0), Cooldown(failures=1, seconds=10)
        )
        await stand.run()
        failure = (await stand.run())[0].failure
    assert failure is not None
    assert failure.kind is FailureKind.UPSTREAM_ERROR
    assert failure.code == "upstream_resting"
    assert failure.retry_after is not None
    assert 8 <= failure.retry_after <= 10
    assert failure.message.startswith("The model 'm' of the provider 'first' is left alone for ")
    assert failure.message.endswith(" s after failures in a row. The last: It broke.")
    trouble.remove("provider.resting")


async def test_a_turn_costs_what_its_models_prices_say() -> None:
    usage = Usage(prompt=1000, completion=200, cached=300, cache_write=100)
    first = PlayedChannel(((TextDelta("Y"),), (Finish(FinishReason.STOP), usage)))
    async with a_system() as system:
        stand = await a_stand(system, first, PlayedChannel())
        result, _ = await stand.run()
        status = await stand.providers["first"].ask(DescribeProvider())
    cost = (600 * 3.0 + 300 * 0.3 + 100 * 3.75 + 200 * 15.0) / 1_000_000
    assert result.cost == pytest.approx(cost)
    assert (status.prompt_tokens, status.completion_tokens) == (1000, 200)
    assert status.cost == pytest.approx(cost)


def test_a_count_that_makes_no_sense_costs_no_less_than_nothing() -> None:
    assert cost_of(Usage(prompt=1, cached=5), Cost(input=1_000_000, cache_read=1)) == pytest.approx(
        5 / 1_000_000
    )
