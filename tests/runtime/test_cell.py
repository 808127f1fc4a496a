"""Every way into an actor's life and every way out of it; nothing that it raises leaves its cell."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Ending,
    Finished,
    Killed,
    NotAccepted,
    Ref,
    Refusal,
    Request,
    StartFailed,
    System,
)


class Do(Request[str], frozen=True):
    """Have the actor do one of the things that it has been taught."""

    what: str
    seconds: float = 0


class Player(Actor[Do]):
    """Keeps a diary of its life."""

    grace = 5.0

    def __init__(self, diary: list[str] | None = None) -> None:
        self.diary: list[str] = [] if diary is None else diary
        self.busy = False

    async def on_start(self) -> None:
        self.diary.append("start")

    async def on_stop(self) -> None:
        self.diary.append("stop")

    async def receive(self, message: Do) -> str:
        assert not self.busy
        self.busy = True
        try:
            await trio.sleep(message.seconds)
            self.diary.append(message.what)
            match message.what:
                case "crash":
                    raise ValueError("broken")
                case "refuse":
                    raise Refusal("no")
                case "stop":
                    self.stop()
                case _:
                    pass
        finally:
            self.busy = False
        return message.what


class Outcomes:
    """What came out of asks that ran in the background."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.of: dict[str, object] = {}
        self.at: dict[str, float] = {}

    async def ask(self, ref: Ref[Do], what: str, seconds: float = 0) -> None:
        self.nursery.start_soon(self._ask, ref, Do(what, seconds))
        await wait_all_tasks_blocked()

    async def _ask(self, ref: Ref[Do], request: Do) -> None:
        try:
            self.of[request.what] = await ref.ask(request)
        except (ActorCrashed, ActorStopped, NotAccepted, Refusal) as error:
            self.of[request.what] = type(error)
        self.at[request.what] = trio.current_time()


# The start


@pytest.mark.rule("B1")
async def test_a_spawn_waits_until_the_start_is_done(autojump_clock: MockClock) -> None:
    class Slow(Player):
        async def on_start(self) -> None:
            await trio.sleep(3)
            self.diary.append("started")

    async with System() as system:
        actor = Slow()
        await system.spawn(actor, "slow")
        assert actor.diary == ["started"]
        assert trio.current_time() == 3


@pytest.mark.rule("B2", "B3", "C5")
async def test_a_start_that_fails_goes_to_the_spawner_with_its_cause(
    autojump_clock: MockClock,
) -> None:
    class Broken(Player):
        async def on_start(self) -> None:
            raise ValueError("broken")

    with capture_logs():
        async with System() as system:
            actor = Broken()
            with pytest.raises(StartFailed) as caught:
                await system.spawn(actor, "broken")
            assert isinstance(caught.value.__cause__, ValueError)
            assert caught.value.path == "greenroom/broken"
            assert actor.diary == []  # what has not begun does not clean up
            await system.spawn(Player(), "broken")  # its name is free


@pytest.mark.rule("B2", "C5")
async def test_an_actor_that_is_killed_while_it_starts_has_failed_to_start(
    autojump_clock: MockClock,
) -> None:
    class Stuck(Player):
        async def on_start(self) -> None:
            refs.append(self.ref)
            await trio.sleep_forever()

    refs: list[Ref[Do]] = []
    async with System() as system, trio.open_nursery() as nursery:
        actor = Stuck()

        async def spawn() -> None:
            with pytest.raises(StartFailed):
                await system.spawn(actor, "stuck")

        nursery.start_soon(spawn)
        await wait_all_tasks_blocked()
        refs[0].kill()
        await refs[0].stopped()
    assert actor.diary == []


@pytest.mark.rule("B2")
async def test_a_spawner_who_leaves_takes_the_half_started_child_with_it(
    autojump_clock: MockClock,
) -> None:
    class Stuck(Player):
        async def on_start(self) -> None:
            await self.spawn(Player(self.diary), "child")
            await trio.sleep_forever()

    async with System() as system:
        actor = Stuck()
        with trio.move_on_after(1) as scope:
            await system.spawn(actor, "stuck")
        assert scope.cancelled_caught
        assert actor.diary == ["start", "stop"]  # the grandchild's
        await system.spawn(Player(), "stuck")  # its name is free


@pytest.mark.rule("B1", "E1", "C5")
async def test_an_actor_that_is_stopped_while_it_starts_ends_after_its_start(
    autojump_clock: MockClock,
) -> None:
    class Early(Player):
        async def on_start(self) -> None:
            self.stop("early")
            await super().on_start()

    endings: list[Ending] = []
    async with System() as system:
        actor = Early()
        early = await system.spawn(actor, "early")
        early.on_end(endings.append)
        await early.stopped()
    assert endings == [Finished("early")]
    assert actor.diary == ["start", "stop"]


# Messages


@pytest.mark.rule("M1", "M2")
async def test_one_message_at_a_time_in_the_order_of_arrival(autojump_clock: MockClock) -> None:
    async with System() as system, trio.open_nursery() as nursery:
        actor = Player()
        ref = await system.spawn(actor, "player")
        outcomes = Outcomes(nursery)
        for what, seconds in [("a", 3), ("b", 1), ("c", 2)]:
            await outcomes.ask(ref, what, seconds)
    assert actor.diary == ["start", "a", "b", "c", "stop"]
    assert outcomes.at == {"a": 3, "b": 4, "c": 6}


@pytest.mark.rule("A2")
async def test_a_refused_tell_is_logged_and_no_crash(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        async with System() as system:
            ref = await system.spawn(Player(), "player")
            ref.tell(Do("refuse"))
            assert await ref.ask(Do("a")) == "a"
    [refused] = [entry for entry in logs if entry["event"] == "actor.refused"]
    assert refused["actor"] == "greenroom/player"


@pytest.mark.rule("M7")
async def test_a_busy_actor_lets_its_neighbours_run(autojump_clock: MockClock) -> None:
    class Flood(Player):
        async def receive(self, message: Do) -> str:
            if len(self.diary) < 10_000:  # a bound that it would reach if it never yielded
                self.ref.tell(message)
            self.diary.append(message.what)
            return ""

    async with System() as system:
        actor = Flood()
        ref = await system.spawn(actor, "flood")
        ref.tell(Do("again"))
        for turns in range(1, 10):
            await trio.lowlevel.checkpoint()
            assert len(actor.diary) <= 2 * 16 * turns + 1
        ref.kill()


# The end


@pytest.mark.rule("C1", "C2")
async def test_a_crash_answers_its_message_with_the_cause_and_the_others_with_a_stop(
    autojump_clock: MockClock,
) -> None:
    with capture_logs() as logs:
        async with System() as system, trio.open_nursery() as nursery:
            actor = Player()
            ref = await system.spawn(actor, "player")
            outcomes = Outcomes(nursery)
            await outcomes.ask(ref, "a", 1)
            await outcomes.ask(ref, "b", 1)
            nursery.start_soon(ref.stopped)
            with pytest.raises(ActorCrashed) as caught:
                await ref.ask(Do("crash"))
            assert isinstance(caught.value.__cause__, ValueError)
            await outcomes.ask(ref, "c")
    assert outcomes.of == {"a": "a", "b": "b", "c": NotAccepted}
    assert actor.diary == ["start", "a", "b", "crash", "stop"]
    crashes = [entry for entry in logs if entry["event"] == "actor.crashed"]
    assert [(entry["log_level"], entry["actor"]) for entry in crashes] == [
        ("error", "greenroom/player")
    ]


@pytest.mark.rule("C3", "M6", "A1")
async def test_what_waits_when_an_actor_crashes_is_answered_with_a_stop(
    autojump_clock: MockClock,
) -> None:
    with capture_logs():
        async with System() as system, trio.open_nursery() as nursery:
            ref = await system.spawn(Player(), "player")
            outcomes = Outcomes(nursery)
            await outcomes.ask(ref, "crash", 1)
            await outcomes.ask(ref, "a")
            await outcomes.ask(ref, "b")
    assert outcomes.of == {"crash": ActorCrashed, "a": ActorStopped, "b": ActorStopped}


@pytest.mark.rule("E1", "A1")
async def test_a_stop_lets_the_message_in_hand_end_and_answers_the_others(
    autojump_clock: MockClock,
) -> None:
    async with System() as system, trio.open_nursery() as nursery:
        actor = Player()
        ref = await system.spawn(actor, "player")
        outcomes = Outcomes(nursery)
        await outcomes.ask(ref, "a", 3)
        await outcomes.ask(ref, "b")
        ref.stop()
        await ref.stopped()
    assert outcomes.of == {"a": "a", "b": ActorStopped}
    assert actor.diary == ["start", "a", "stop"]


@pytest.mark.rule("E2", "A1")
async def test_a_kill_cancels_the_message_in_hand_and_cleans_up(autojump_clock: MockClock) -> None:
    endings: list[Ending] = []
    async with System() as system, trio.open_nursery() as nursery:
        actor = Player()
        ref = await system.spawn(actor, "player")
        ref.on_end(endings.append)
        outcomes = Outcomes(nursery)
        await outcomes.ask(ref, "a", 3)
        await outcomes.ask(ref, "b")
        ref.kill()
        await ref.stopped()
        ref.kill()
        ref.stop()
        assert trio.current_time() == 0
    assert outcomes.of == {"a": ActorStopped, "b": ActorStopped}
    assert actor.diary == ["start", "stop"]
    assert endings == [Killed()]


@pytest.mark.rule("E2", "A1")
async def test_what_waited_for_a_killed_actor_is_answered_before_its_children_are_done(
    autojump_clock: MockClock,
) -> None:
    class Slow(Player):
        async def on_stop(self) -> None:
            await trio.sleep(4)

    class Parent(Player):
        async def on_start(self) -> None:
            await self.spawn(Slow(), "child")

    async with System() as system, trio.open_nursery() as nursery:
        ref = await system.spawn(Parent(), "parent")
        outcomes = Outcomes(nursery)
        await outcomes.ask(ref, "a", 10)
        await outcomes.ask(ref, "b")
        ref.kill()
        await wait_all_tasks_blocked()
        with pytest.raises(NotAccepted):
            ref.tell(Do("c"))
        await ref.stopped()
        assert trio.current_time() == 4
    assert outcomes.at == {"a": 0, "b": 0}


@pytest.mark.rule("M6", "O3")
async def test_unread_tells_of_an_ended_actor_are_dead_letters(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        async with System() as system:
            ref = await system.spawn(Player(), "player")
            ref.tell(Do("stop"))
            ref.tell(Do("a"))
            await ref.stopped()
    letters = [entry for entry in logs if entry["event"] == "actor.dead_letter"]
    assert [(entry["actor"], entry["message"]) for entry in letters] == [("greenroom/player", "Do")]
