"""A failure past the limit at the top: the system's body is cancelled, and the limit comes out."""

from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio
from structlog.testing import capture_logs

from greenroom.runtime import (
    Actor,
    ActorCrashed,
    NotAccepted,
    Ref,
    Request,
    RestartLimit,
    System,
    Transient,
)
from greenroom.runtime.testing import no_task_left

IN_VIRTUAL_TIME = True


class BrokenError(Exception):
    pass


class Do(Request[None], frozen=True):
    what: str


class Player(Actor[Do]):
    async def receive(self, message: Do) -> None:
        match message.what:
            case "crash":
                await trio.sleep(1)
                raise BrokenError
            case "mess":
                try:
                    await trio.sleep_forever()
                finally:
                    raise BrokenError
            case _:
                await trio.sleep_forever()


class SlowToStop(Player):
    async def on_stop(self) -> None:
        await trio.sleep(3)


class NeverStarts(Player):
    async def on_start(self) -> None:
        await trio.sleep_forever()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


Body = Callable[[System, Ref[Do]], Awaitable[None]]


async def system_of(body: Body) -> None:
    """Run a system with two actors: one that takes its time to stop, and one that may not fail."""
    with no_task_left():
        async with System() as system:
            await system.spawn(SlowToStop(), "slow")
            await body(system, await system.supervise(Player, "frail", Transient(restarts=0)))


@pytest.mark.rule("S5", "E5")
async def test_at_the_top_it_cancels_the_body_ends_everything_and_comes_out() -> None:
    cancelled_at: list[float] = []

    async def body(_: System, frail: Ref[Do]) -> None:
        frail.tell(Do("crash"))
        try:
            await trio.sleep_forever()
        finally:
            cancelled_at.append(trio.current_time())

    with pytest.raises(RestartLimit) as caught:
        await system_of(body)
    assert caught.value.path == "greenroom/frail"
    assert isinstance(caught.value.__cause__, BrokenError)
    assert cancelled_at == [1]
    assert trio.current_time() == 1 + 3


@pytest.mark.rule("S5")
async def test_a_body_that_waits_for_an_answer_is_cancelled_before_that_actor_has_ended() -> None:
    async def body(system: System, frail: Ref[Do]) -> None:
        other = await system.spawn(Player(), "other")
        frail.tell(Do("crash"))
        await other.ask(Do("nothing"))

    with pytest.raises(RestartLimit):
        await system_of(body)


@pytest.mark.rule("S5")
async def test_a_body_that_waits_for_a_start_is_cancelled_before_that_actor_has_ended() -> None:
    async def body(system: System, frail: Ref[Do]) -> None:
        frail.tell(Do("crash"))
        await system.spawn(NeverStarts(), "other")

    with pytest.raises(RestartLimit):
        await system_of(body)


@pytest.mark.rule("S5")
async def test_a_body_that_waits_in_tasks_of_its_own_is_cancelled_with_them() -> None:
    async def body(_: System, frail: Ref[Do]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            frail.tell(Do("crash"))

    with pytest.raises(RestartLimit):
        await system_of(body)


@pytest.mark.rule("S5", "B4")
async def test_a_body_that_shields_itself_learns_of_it_in_the_end() -> None:
    async def body(system: System, frail: Ref[Do]) -> None:
        frail.tell(Do("crash"))
        with trio.CancelScope(shield=True):
            await trio.sleep(2)
            with pytest.raises(NotAccepted):
                await system.spawn(Player(), "late")
            await trio.sleep(5)

    with pytest.raises(RestartLimit):
        await system_of(body)
    assert trio.current_time() == 2 + 5


@pytest.mark.rule("S5")
async def test_an_error_of_the_bodys_own_comes_out_instead() -> None:
    async def body(_: System, frail: Ref[Do]) -> None:
        frail.tell(Do("crash"))
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError

    with pytest.raises(KeyError):
        await system_of(body)
    assert trio.current_time() == 1 + 3


@pytest.mark.rule("S5", "C2")
async def test_the_answer_to_the_message_that_was_too_much_is_the_bodys_own_error() -> None:
    async def body(_: System, frail: Ref[Do]) -> None:
        await frail.ask(Do("crash"))

    with pytest.raises(ActorCrashed):
        await system_of(body)


@pytest.mark.rule("S5", "E5")
async def test_a_system_that_is_being_left_fails_no_more() -> None:
    async def body(_: System, frail: Ref[Do]) -> None:
        frail.tell(Do("crash"))

    await system_of(body)
    assert trio.current_time() == 1 + 3


@pytest.mark.rule("S5", "E5", "C4")
async def test_who_cancels_the_system_from_outside_hears_of_no_failure_that_this_causes() -> None:
    async def body(_: System, frail: Ref[Do]) -> None:
        frail.tell(Do("mess"))
        await trio.sleep_forever()

    with trio.move_on_after(1) as outside:
        await system_of(body)
    assert outside.cancelled_caught
    assert trio.current_time() == 1 + 3
