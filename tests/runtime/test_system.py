"""A system begins and ends in order, within its grace, and knows nothing of any other."""

import pytest
import structlog
import trio
from structlog.testing import CapturingLogger, capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorStopped,
    Counts,
    Message,
    NotAccepted,
    Request,
    Started,
    StartFailed,
    System,
)


class Nap(Request[None], frozen=True):
    seconds: float


class Sleeper(Actor[Nap]):
    """Sleeps in each hook for as long as it was told."""

    def __init__(self, *, start: float = 0, stop: float = 0, grace: float = 5) -> None:
        self.start_takes = start
        self.stop_takes = stop
        self.grace = grace

    async def on_start(self) -> None:
        await trio.sleep(self.start_takes)

    async def receive(self, message: Nap) -> None:
        await trio.sleep(message.seconds)

    async def on_stop(self) -> None:
        await trio.sleep(self.stop_takes)


FOREVER = float("inf")


@pytest.mark.rule("E5")
async def test_leaving_an_idle_system_takes_no_time(autojump_clock: MockClock) -> None:
    async with System() as system:
        for number in range(10):
            await system.spawn(Sleeper(), f"sleeper {number}")
    assert trio.current_time() == 0


@pytest.mark.rule("E1", "E5")
async def test_leaving_waits_for_messages_in_hand_and_for_cleanup(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        async with System() as system:
            sleeper = await system.spawn(Sleeper(stop=3), "sleeper")
            nursery.start_soon(sleeper.ask, Nap(4))
            await wait_all_tasks_blocked()
        assert trio.current_time() == 4 + 3


STUCK, CUT = "actor.children_stuck", "actor.on_stop_stuck"


@pytest.mark.rule("E3", "E4", "E5")
@pytest.mark.parametrize(
    ("nap", "stop", "grace", "seconds", "warnings"),
    [
        (FOREVER, 0, 5, 10, [STUCK]),
        (FOREVER, FOREVER, 5, 10 + 5, [STUCK, CUT]),
        (0, FOREVER, 5, 5, [CUT]),
        (0, FOREVER, 20, 20, [STUCK, CUT]),  # a cleanup's bound is the actor's own
    ],
)
async def test_a_stuck_actor_cannot_hold_the_exit_beyond_the_graces(
    autojump_clock: MockClock,
    nap: float,
    stop: float,
    grace: float,
    seconds: float,
    warnings: list[str],
) -> None:
    with capture_logs() as logs:
        async with System(grace=10) as system:
            sleeper = await system.spawn(Sleeper(stop=stop, grace=grace), "sleeper")
            sleeper.tell(Nap(nap))
            await wait_all_tasks_blocked()
    assert trio.current_time() == seconds
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == warnings


@pytest.mark.rule("E3", "E5")
async def test_an_actor_that_is_still_starting_cannot_hold_the_exit(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        with capture_logs():
            async with System(grace=10) as system:

                async def spawn() -> None:
                    with pytest.raises(StartFailed):
                        await system.spawn(Sleeper(start=FOREVER), "sleeper")

                nursery.start_soon(spawn)
                await wait_all_tasks_blocked()
        assert trio.current_time() == 10


@pytest.mark.rule("E5")
async def test_no_task_is_left_after_the_exit(autojump_clock: MockClock) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    with capture_logs(), trio.move_on_after(1):
        async with System(grace=1) as system:
            for number in range(3):
                ref = await system.spawn(Sleeper(stop=number), f"sleeper {number}")
                ref.tell(Nap(FOREVER))
            assert trio.lowlevel.current_statistics().tasks_living == before + 1 + 3
            await trio.sleep_forever()
    assert trio.lowlevel.current_statistics().tasks_living == before


@pytest.mark.rule("A1", "E5")
async def test_an_ask_that_is_open_at_the_exit_is_answered(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        with capture_logs():
            async with System(grace=1) as system:
                sleeper = await system.spawn(Sleeper(), "sleeper")

                async def ask() -> None:
                    with pytest.raises(ActorStopped):
                        await sleeper.ask(Nap(FOREVER))

                nursery.start_soon(ask)
                nursery.start_soon(ask)
                await wait_all_tasks_blocked()


@pytest.mark.rule("E5")
async def test_an_error_in_the_body_comes_out_as_it_is_after_the_actors_have_ended(
    autojump_clock: MockClock,
) -> None:
    with pytest.raises(KeyError):  # noqa: PT012 - it comes out of the system
        async with System() as system:
            await system.spawn(Sleeper(stop=3), "sleeper")
            raise KeyError
    assert trio.current_time() == 3


@pytest.mark.rule("E5", "C5")
async def test_a_cancellation_ends_the_actors_and_lets_them_clean_up(
    autojump_clock: MockClock,
) -> None:
    with trio.move_on_after(1) as scope:
        async with System() as system:
            sleeper = await system.spawn(Sleeper(stop=3), "sleeper")
            await sleeper.ask(Nap(FOREVER))
    assert scope.cancelled_caught
    assert trio.current_time() == 1 + 3


@pytest.mark.rule("E5")
async def test_a_system_can_be_entered_amid_a_cancellation(autojump_clock: MockClock) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        async with System() as system:
            await system.spawn(Sleeper(), "sleeper")
    assert scope.cancelled_caught
    await trio.sleep(1)


@pytest.mark.rule("B4")
async def test_nobody_is_spawned_in_a_system_that_is_being_left_or_has_been(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        async with System() as system:
            await system.spawn(Sleeper(stop=3), "slow")

            async def late() -> None:
                await trio.sleep(1)
                with pytest.raises(NotAccepted):
                    await system.spawn(Sleeper(), "late")

            nursery.start_soon(late)
        assert trio.current_time() == 3
        with pytest.raises(NotAccepted):
            await system.spawn(Sleeper(), "later")


@pytest.mark.rule("O5")
async def test_two_systems_do_not_see_each_other(autojump_clock: MockClock) -> None:
    class Crash(Actor[Nap]):
        async def receive(self, message: Nap) -> None:
            raise ValueError("broken")

    with capture_logs():
        async with System("one") as one, one.events() as events:
            sleeper = await one.spawn(Sleeper(), "same name")
            async with System("two") as two:
                other = await two.spawn(Crash(), "same name")
                other.tell(Nap(0))
                await other.stopped()
            assert (sleeper.path, other.path) == ("one/same name", "two/same name")
            await sleeper.ask(Nap(1))
            assert [node.path for node in one.tree().children] == ["one/same name"]
            assert one.counts() == Counts(started=2)
            assert two.counts() == Counts(started=2, finished=1, crashed=1)
            assert events.receive_nowait() == Started("one/same name", "Sleeper", 0)
            assert events.receive_nowait() is None


@pytest.mark.rule("A1", "E5", "O1")
async def test_a_log_that_breaks_keeps_no_ask_waiting_and_no_system_from_its_end(
    autojump_clock: MockClock,
) -> None:
    def broken_pipe(*_: object) -> structlog.typing.ProcessorReturnValue:
        raise BrokenPipeError

    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        None, processors=[broken_pipe], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    answers: list[Exception] = []
    async with trio.open_nursery() as nursery:
        async with System(log=log) as system:
            sleeper = await system.spawn(Sleeper(), "sleeper")

            async def ask() -> None:
                try:
                    await sleeper.ask(Nap(1))
                except ActorStopped as error:
                    answers.append(error)

            sleeper.tell(Nap(1))
            await wait_all_tasks_blocked()
            sleeper.tell(Nap(1))
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
        assert trio.current_time() == 1
    assert len(answers) == 1
    counts = system.counts()
    assert (counts.dead_letters, counts.unlogged) == (1, 5)  # two starts, a letter and two ends


@pytest.mark.rule("O5")
async def test_a_system_logs_where_it_is_told_to(autojump_clock: MockClock) -> None:
    class Anything(Message, frozen=True):
        pass

    class Talking(Actor[Anything]):
        async def on_start(self) -> None:
            self.log.info("hello", more=1)

        async def receive(self, message: Anything) -> None:
            pass

    output = CapturingLogger()
    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        output, processors=[], wrapper_class=structlog.make_filtering_bound_logger(20)
    )
    async with System("house", log=log) as system:
        await system.spawn(Talking(), "talking")
    assert [(call.method_name, call.kwargs) for call in output.calls] == [
        ("info", {"event": "hello", "actor": "house/talking", "more": 1})
    ]
