"""An idle actor is put away in time, a busy one never, and no message is lost to it."""

import math

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    Address,
    Directory,
    Ending,
    Message,
    Refusal,
    ReplyPort,
    Request,
    StreamPort,
    Subscription,
    System,
)

IDLE = 10.0


class Nap(Request[None], frozen=True):
    seconds: float


class Later(Request[str], frozen=True):
    """Is answered by the next `Settle`."""


class Feed(Subscription[str], frozen=True):
    """Is ended by the next `Settle`."""


class Settle(Message, frozen=True):
    pass


class Refuse(Request[None], frozen=True):
    pass


class HaveChild(Request[None], frozen=True):
    """Lives for so many seconds."""

    seconds: float


class WatchChild(Request[None], frozen=True):
    seconds: float


class ChildEnded(Message, frozen=True):
    pass


class Say(Request[int], frozen=True):
    """Is answered with the number of messages so far."""


Wish = Nap | Later | Feed | Settle | Refuse | HaveChild | WatchChild | ChildEnded | Say


class Child(Actor[Nap]):
    async def receive(self, message: Nap) -> None:
        await trio.sleep(message.seconds)
        self.stop()


class Guest(Actor[Wish]):
    def __init__(self, diary: list[float], start: float = 0, stop: float = 0) -> None:
        self.diary = diary
        self.start_takes = start
        self.stop_takes = stop
        self.ports: list[ReplyPort[str]] = []
        self.feeds: list[StreamPort[str]] = []
        self.messages = 0

    async def on_start(self) -> None:
        await trio.sleep(self.start_takes)

    async def receive(self, message: Wish) -> int:
        self.messages += 1
        match message:
            case Nap(seconds):
                await trio.sleep(seconds)
            case Later():
                self.ports.append(self.reply_port(message))
            case Feed():
                self.feeds.append(self.stream_port(message))
            case Settle():
                for port in self.ports:
                    port.answer("settled")
                for feed in self.feeds:
                    feed.close("settled")
            case Refuse():
                raise Refusal
            case HaveChild(seconds) | WatchChild(seconds):
                child = await self.spawn(Child(), f"child {self.messages}")
                child.tell(Nap(seconds))
                if isinstance(message, WatchChild):
                    self.watch(child, self.child_ended)
            case ChildEnded():
                await trio.sleep(1)
            case Say():
                pass
        return self.messages

    def child_ended(self, ending: Ending) -> ChildEnded:
        return ChildEnded()

    async def on_stop(self) -> None:
        self.diary.append(trio.current_time())
        await trio.sleep(self.stop_takes)


class House(Actor[Message]):
    """Hosts guests; `diary` has the time at which each was put away."""

    def __init__(
        self, limit: int = 10, idle: float | None = IDLE, start: float = 0, stop: float = 0
    ) -> None:
        self.diary: list[float] = []
        self.guests: Directory[str, Wish] = Directory(
            lambda key: Guest(self.diary, start, stop), limit=limit, idle=idle
        )

    async def on_start(self) -> None:
        self.host(self.guests)

    async def receive(self, message: Message) -> None:
        pass

    def __getitem__(self, key: str) -> Address[str, Wish]:
        return self.guests.address(key)


def assert_put_away(house: House, *, idle_from: float) -> None:
    assert house.guests.live == 0
    [at] = house.diary
    assert idle_from + IDLE <= at < idle_from + 2 * IDLE


@pytest.mark.rule("K3")
@pytest.mark.parametrize("last", [0, 1, 9, 9.99, 10, 10.01, 11, 25, 30])
async def test_an_actor_is_put_away_when_it_has_been_idle(
    autojump_clock: MockClock, last: float
) -> None:
    async with System() as system:
        house = House()
        await system.spawn(house, "house")
        while trio.current_time() < last:
            assert await house["a"].ask(Say()) > 0
            await trio.sleep(min(7, last - trio.current_time()))
        assert await house["a"].ask(Say()) > 0
        assert house.diary == []
        await trio.sleep(100)
        assert_put_away(house, idle_from=last)


@pytest.mark.rule("K3")
@pytest.mark.parametrize("seconds", [1, 9, 10, 11, 25, 95])
async def test_an_actor_with_a_message_in_hand_is_not_idle(
    autojump_clock: MockClock, seconds: float
) -> None:
    async with System() as system:
        house = House()
        await system.spawn(house, "house")
        await house["a"].ask(Nap(seconds))
        await trio.sleep(100)
        assert_put_away(house, idle_from=seconds)


@pytest.mark.rule("K3")
async def test_an_actor_that_starts_while_a_message_waits_is_not_idle(
    autojump_clock: MockClock,
) -> None:
    async with System() as system:
        house = House(start=35)
        await system.spawn(house, "house")
        assert await house["a"].ask(Say()) == 1
        await trio.sleep(100)
        assert_put_away(house, idle_from=35)


@pytest.mark.rule("K3", "A4")
@pytest.mark.parametrize("seconds", [1, 10, 35])
async def test_an_actor_that_owes_an_answer_is_not_idle(
    autojump_clock: MockClock, seconds: float
) -> None:
    async with System() as system, trio.open_nursery() as nursery:
        house = House()
        await system.spawn(house, "house")
        answers: list[str] = []

        async def ask() -> None:
            answers.append(await house["a"].ask(Later()))

        nursery.start_soon(ask)
        await trio.sleep(seconds)
        assert house.diary == []
        house["a"].tell(Settle())
        await trio.sleep(100)
        assert answers == ["settled"]
        assert_put_away(house, idle_from=seconds)


@pytest.mark.rule("K3", "T2")
@pytest.mark.parametrize("leaves", [False, True])
async def test_an_actor_with_an_open_stream_is_not_idle(
    autojump_clock: MockClock, *, leaves: bool
) -> None:
    async with System() as system:
        house = House()
        await system.spawn(house, "house")
        async with house["a"].stream(Feed()) as events:
            await trio.sleep(35)
            assert house.diary == []
            if not leaves:
                house["a"].tell(Settle())
                assert [event async for event in events] == ["settled"]
        await trio.sleep(100)
        assert_put_away(house, idle_from=35)


@pytest.mark.rule("K3")
async def test_an_actor_with_a_child_is_not_idle(autojump_clock: MockClock) -> None:
    async with System() as system:
        house = House()
        await system.spawn(house, "house")
        await house["a"].ask(HaveChild(35))
        await house["a"].ask(HaveChild(12))
        await trio.sleep(100)
        assert_put_away(house, idle_from=35)


@pytest.mark.rule("K3", "W2")
async def test_a_signal_keeps_an_actor_busy_like_a_message(autojump_clock: MockClock) -> None:
    async with System() as system:
        house = House()
        await system.spawn(house, "house")
        await house["a"].ask(WatchChild(3))
        await trio.sleep(100)
        assert_put_away(house, idle_from=3 + 1)


@pytest.mark.rule("K3", "A2")
async def test_a_refused_message_is_one_as_well(autojump_clock: MockClock) -> None:
    async with System() as system:
        house = House()
        await system.spawn(house, "house")
        for _ in range(3):
            await trio.sleep(7)
            with pytest.raises(Refusal):
                await house["a"].ask(Refuse())
        await trio.sleep(100)
        assert_put_away(house, idle_from=21)


@pytest.mark.rule("K3")
async def test_without_a_time_for_it_nobody_is_put_away(autojump_clock: MockClock) -> None:
    async with System() as system:
        house = House(idle=None)
        await system.spawn(house, "house")
        await house["a"].ask(Say())
        await trio.sleep(1_000_000 / 2)
        assert await house["a"].ask(Say()) == 2


@pytest.mark.rule("K3")
@pytest.mark.parametrize("idle", [0, -1, math.nan, -math.inf])
def test_a_time_that_is_none_is_refused(idle: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        House(idle=idle)


@pytest.mark.rule("K3", "K6")
async def test_who_is_put_away_makes_room_for_another_key(autojump_clock: MockClock) -> None:
    async with System() as system:
        house = House(limit=1)
        await system.spawn(house, "house")
        await house["a"].ask(Say())
        await trio.sleep(2 * IDLE)
        assert await house["b"].ask(Say()) == 1
        assert house.guests.keys() == ("b",)


@pytest.mark.rule("K2", "K4")
async def test_a_message_to_one_that_is_being_put_away_is_for_its_next_incarnation(
    autojump_clock: MockClock,
) -> None:
    async with System() as system:
        house = House(stop=4)
        await system.spawn(house, "house")
        assert [await house["a"].ask(Say()) for _ in range(2)] == [1, 2]
        await trio.sleep(IDLE + 1)
        assert house.diary == [IDLE]
        house["a"].tell(Say())
        assert await house["a"].ask(Say()) == 2  # nothing is left of the first one's state
        assert trio.current_time() == IDLE + 4


@pytest.mark.rule("K3", "K4")
@settings(max_examples=200)
@given(pauses=st.lists(st.integers(1, 3), max_size=4), schedule=st.random_module())
def test_no_message_is_lost_to_the_moment_in_which_an_actor_is_put_away(
    pauses: list[int], schedule: object
) -> None:
    async def program() -> None:
        async with System() as system:
            house = House()
            await system.spawn(house, "house")

            async def visit(key: str) -> None:
                for pause in pauses:
                    assert await house[key].ask(Say()) > 0
                    await trio.sleep(pause * IDLE)  # to the very moment, in any order
                    house[key].tell(Say())
                assert await house[key].ask(Say()) > 0

            async with trio.open_nursery() as nursery:
                for key in "abc":
                    nursery.start_soon(visit, key)
        assert system.counts().dead_letters == 0

    with capture_logs():
        trio.run(program, clock=MockClock(autojump_threshold=0))


@pytest.mark.rule("K3", "E1")
async def test_one_whose_host_ends_while_it_is_idle_is_stopped_once(
    autojump_clock: MockClock,
) -> None:
    async with System() as system:
        house = House(stop=4)
        ref = await system.spawn(house, "house")
        await house["a"].ask(Say())
        await trio.sleep(IDLE + 1)
        ref.stop()
        await ref.stopped()
        assert trio.current_time() == IDLE + 4
        assert house.diary == [IDLE]


class Street(Actor[Message]):
    """Hosts one house, as an actor with a key."""

    def __init__(self, house: House) -> None:
        self.houses: Directory[str, Message] = Directory(lambda key: house, limit=1, idle=IDLE)

    async def on_start(self) -> None:
        self.host(self.houses)

    async def receive(self, message: Message) -> None:
        pass


@pytest.mark.rule("K3")
async def test_a_host_with_a_key_is_idle_once_its_last_guest_is_put_away(
    autojump_clock: MockClock,
) -> None:
    async with System() as system:
        house = House()
        street = Street(house)
        await system.spawn(street, "street")
        street.houses.address("house").tell(Settle())
        await wait_all_tasks_blocked()
        await house["a"].ask(Nap(35))
        await trio.sleep_until(35 + IDLE + 1)
        assert house.diary == [35 + IDLE]
        assert street.houses.live == 1
        await trio.sleep_until(35 + 2 * IDLE + 1)
        assert street.houses.live == 0
