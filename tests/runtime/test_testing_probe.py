"""A probe takes down what it is sent, says what came instead of what was expected, plays its part."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    ActorCrashed,
    ActorStopped,
    Message,
    Ref,
    Refusal,
    Request,
    Subscription,
    System,
)
from greenroom.runtime.testing import Probe, run


class Nap(Request[str], frozen=True):
    seconds: float


class Note(Message, frozen=True):
    word: str


class Words(Subscription[str], frozen=True):
    pass


@pytest.mark.rule("P4")
def test_a_probe_takes_down_what_it_is_sent_in_order() -> None:
    async def story(system: System) -> list[Message]:
        probe = Probe()
        spawned = await system.spawn(probe, "probe")
        assert spawned is probe.ref
        ref: Ref[Note | Nap] = spawned
        ref.tell(Note("one"))
        ref.tell(Nap(2))
        ref.tell(Note("three"))
        assert await probe.expect(Note) == Note("one")
        assert (await probe.expect(Nap)).seconds == 2
        assert await probe.expect(Message) == Note("three")
        await probe.expect_nothing(100)
        return probe.seen

    assert run(story) == [Note("one"), Nap(2), Note("three")]


@pytest.mark.rule("P4")
async def test_a_probe_waits_for_what_it_expects_and_no_longer(autojump_clock: MockClock) -> None:
    async with System("house") as system, trio.open_nursery() as nursery:
        probe = Probe()
        ref = await system.spawn(probe, "probe")

        async def tell_later() -> None:
            await trio.sleep(7)
            ref.tell(Note("late"))

        nursery.start_soon(tell_later)
        nothing = "house/probe expected Note and was sent nothing within 5 seconds; before that: "
        with pytest.raises(AssertionError) as raised:
            await probe.expect(Note, within=5)
        assert str(raised.value) == f"{nothing}nothing"
        assert await probe.expect(Note) == Note("late")
        assert trio.current_time() == 7
        with pytest.raises(AssertionError) as raised:
            await probe.expect(Note, within=5)
        assert str(raised.value) == f"{nothing}Note(word='late')"
        with pytest.raises(trio.TooSlowError), trio.fail_after(3):
            await probe.expect(Note, within=5)
        assert trio.current_time() == 7 + 5 + 3


@pytest.mark.rule("P4")
async def test_a_probe_that_is_sent_something_else_says_so_and_keeps_it(
    autojump_clock: MockClock,
) -> None:
    async with System("house") as system:
        probe = Probe()
        ref = await system.spawn(probe, "probe")
        ref.tell(Note("one"))
        await wait_all_tasks_blocked()
        with pytest.raises(AssertionError) as raised:
            await probe.expect(Nap)
        assert str(raised.value) == "house/probe expected Nap and was sent Note(word='one')"
        for word in ("two", "three", "four", "five"):
            ref.tell(Note(word))
        first_three = "Note(word='one'), Note(word='two'), Note(word='three')"
        with pytest.raises(AssertionError) as raised:
            await probe.expect_nothing(1)
        assert str(raised.value).endswith(f"expected nothing and was sent {first_three} and 2 more")
        assert await probe.expect(Note) == Note("one")
        assert trio.current_time() == 1


@pytest.mark.rule("P5")
def test_requests_and_values_meet_in_order_whichever_are_first() -> None:
    async def story(system: System) -> list[str]:
        probe = Probe()
        ref = await system.spawn(probe, "probe")
        answers: list[str] = []

        async def ask(number: int) -> None:
            answers.append(f"{number}: {await ref.ask(Nap(number))}")

        probe.answer_with("one", "two")
        await ask(1)
        await ask(2)
        async with trio.open_nursery() as nursery:
            for number in (3, 4):
                nursery.start_soon(ask, number)
                await wait_all_tasks_blocked()
            assert len(answers) == 2
            probe.answer_with("three")
            await wait_all_tasks_blocked()
            assert len(answers) == 3
            probe.answer_with("four")
        return answers

    assert run(story) == ["1: one", "2: two", "3: three", "4: four"]


@pytest.mark.rule("P5")
def test_who_does_not_wait_for_an_answer_uses_up_none() -> None:
    async def story(system: System) -> str:
        probe = Probe()
        ref = await system.spawn(probe, "probe")
        with trio.move_on_after(1):
            await ref.ask(Nap(1))
        ref.tell(Nap(2))
        await wait_all_tasks_blocked()
        probe.answer_with("for who waits")
        return await ref.ask(Nap(3))

    assert run(story) == "for who waits"


@pytest.mark.rule("P5", "A1")
@pytest.mark.parametrize("raises", [True, False])
def test_an_error_is_the_askers_as_the_kernel_would_give_it_and_the_probe_lives_on(
    *, raises: bool
) -> None:
    class NoError(Refusal):
        pass

    errors = [NoError("no"), ActorStopped("elsewhere"), ValueError("broken")]

    def answer(request: Nap) -> str:
        if request.seconds < len(errors):
            raise errors[int(request.seconds)]
        return f"slept {request.seconds:g}"

    async def story(system: System) -> list[Exception]:
        probe = Probe(answer if raises else None)
        probe.answer_with(*([] if raises else [*errors, "slept 3"]))
        ref = await system.spawn(probe, "probe")
        raised: list[Exception] = []
        for number in range(3):
            with pytest.raises(Exception, match=r".") as caught:
                await ref.ask(Nap(number))
            raised.append(caught.value)
        assert await ref.ask(Nap(3)) == "slept 3"
        assert len(probe.seen) == 4
        return raised

    refusal, stopped, crashed = run(story)
    assert [refusal, stopped] == errors[:2]
    assert isinstance(crashed, ActorCrashed)
    assert crashed.path == "greenroom/probe"
    assert crashed.__cause__ is errors[2]


@pytest.mark.rule("P5")
def test_a_function_answers_only_whom_it_was_called_for() -> None:
    async def story(system: System) -> str:
        probe = Probe(lambda request: f"for {request.seconds:g}")
        ref = await system.spawn(probe, "probe")
        ref.tell(Nap(1))
        return await ref.ask(Nap(2))

    assert run(story) == "for 2"


@pytest.mark.rule("P5", "T3")
def test_a_subscription_is_answered_by_its_events_or_by_an_error() -> None:
    async def story(system: System) -> list[str]:
        probe = Probe()
        ref = await system.spawn(probe, "probe")
        probe.answer_with([str(number) for number in range(50)], Refusal("no"))
        async with ref.stream(Words(), buffer=0) as words:
            read = [word async for word in words]
        async with ref.stream(Words()) as words:
            with pytest.raises(Refusal):
                await anext(words)
        assert await probe.expect(Words) == Words()
        return read

    assert run(story) == [str(number) for number in range(50)]
