"""Across the incarnations of a key: order holds, nothing is handed on, and never do two live at once."""

from collections import Counter

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorStopped,
    Address,
    DeadLetter,
    Directory,
    MailboxFull,
    Message,
    NotAccepted,
    Request,
    Subscription,
    System,
)


class Say(Request[int], frozen=True):
    """Is answered with the number of the incarnation; `does` is done first."""

    number: int
    does: str = "speak"


class Words(Subscription[int], frozen=True):
    pass


Speech = Say | Words


class Guest(Actor[Speech]):
    """Takes a second to start, to hear and to stop."""

    def __init__(self, house: "House", key: str) -> None:
        self.mailbox_size = house.mailbox_size
        self.house = house
        self.key = key
        self.number = 0

    async def on_start(self) -> None:
        self.house.born[self.key] += 1
        self.number = self.house.born[self.key]
        self.house.alive[self.key] += 1
        assert self.house.alive[self.key] == 1, "two incarnations of one key"
        await trio.sleep(1)

    async def receive(self, message: Speech) -> int:
        await trio.sleep(1)
        if isinstance(message, Words):
            return 0
        self.house.heard.append(message.number)
        match message.does:
            case "leave":
                self.stop()
            case "crash":
                raise ValueError
            case "kill":
                self.ref.kill()
            case _:
                pass
        return self.number

    async def on_stop(self) -> None:
        await trio.sleep(1)
        self.house.alive[self.key] -= 1


class House(Actor[Message]):
    def __init__(self, mailbox_size: int = 64, idle: float | None = None) -> None:
        self.mailbox_size = mailbox_size
        self.heard: list[int] = []
        self.born = Counter[str]()
        self.alive = Counter[str]()
        self.guests: Directory[str, Speech] = Directory(
            lambda key: Guest(self, key), limit=10, idle=idle
        )

    async def on_start(self) -> None:
        self.host(self.guests)

    async def receive(self, message: Message) -> None:
        pass

    def __getitem__(self, key: str) -> Address[str, Speech]:
        return self.guests.address(key)


@pytest.mark.rule("K4", "M2")
@pytest.mark.parametrize("end", ["leave", "crash", "kill", "idle"])
async def test_the_tells_and_asks_of_one_sender_are_heard_in_order_by_whoever_hears_them(
    autojump_clock: MockClock, end: str
) -> None:
    house = House(idle=3)
    number = 0

    def next_number() -> int:
        nonlocal number
        number += 1
        return number

    with capture_logs():
        async with System() as system:
            await system.spawn(house, "house")
            for incarnation in range(1, 6):
                house["a"].tell(Say(next_number()))
                house["a"].tell(Say(next_number()))
                assert await house["a"].ask(Say(next_number())) == incarnation
                house["a"].tell(Say(next_number(), end if end != "idle" else "speak"))
                await trio.sleep(1 if end != "idle" else 1 + 3)
                await trio.sleep(0.5)  # amid its end
                assert house.alive["a"] == 1
    assert house.heard == list(range(1, number + 1))


@pytest.mark.rule("K5", "M6", "O3")
async def test_what_one_incarnation_accepted_is_none_of_the_next_ones(
    autojump_clock: MockClock,
) -> None:
    house = House()
    system = System()
    with capture_logs():
        async with system.events() as events:
            async with system:
                await system.spawn(house, "house")
                house["a"].tell(Say(1, "leave"))
                house["a"].tell(Say(2))
                async with house["a"].stream(Words()) as words, trio.open_nursery() as nursery:

                    async def ask() -> None:
                        with pytest.raises(ActorStopped):
                            await house["a"].ask(Say(3))

                    nursery.start_soon(ask)
                    with pytest.raises(ActorStopped):
                        await anext(words)
                assert await house["a"].ask(Say(4)) == 2
                assert house.heard == [1, 4]
            letters = [event async for event in events if isinstance(event, DeadLetter)]
    assert letters == [DeadLetter("greenroom/house/a", Say(2))]


@pytest.mark.rule("K5", "M4")
async def test_who_waits_for_room_at_an_end_waits_for_the_next_incarnation(
    autojump_clock: MockClock,
) -> None:
    house = House(mailbox_size=1)
    outcomes: dict[int, object] = {}
    async with System() as system, trio.open_nursery() as nursery:
        await system.spawn(house, "house")

        async def ask(number: int, patience: float = 1000) -> None:
            with trio.move_on_after(patience):
                try:
                    outcomes[number] = await house["a"].ask(Say(number))
                except ActorStopped:
                    outcomes[number] = "stopped"

        house["a"].tell(Say(1, "leave"))
        await trio.sleep(1)  # it has begun on the first message, which leaves room for one
        for number in (2, 3, 4):
            nursery.start_soon(ask, number)
            await wait_all_tasks_blocked()
        nursery.start_soon(ask, 5, 0.5)
        nursery.start_soon(ask, 6, 1.5)
        await wait_all_tasks_blocked()
        with pytest.raises(MailboxFull):
            house["a"].tell(Say(7))
    # The fifth left the line, and the sixth the next line: nothing of them was accepted.
    assert outcomes == {2: "stopped", 3: 2, 4: 2}
    assert house.heard[0] == 1
    assert set(house.heard) - {6} == {1, 3, 4}


@pytest.mark.rule("K2", "K4")
@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_one_that_is_told_to_end_before_it_could_begin_lets_no_third_beside_the_first(
    autojump_clock: MockClock, how: str
) -> None:
    house = House()
    outcomes: list[object] = []
    async with System() as system, trio.open_nursery() as nursery:
        await system.spawn(house, "house")

        async def ask(number: int) -> None:
            try:
                outcomes.append(await house["a"].ask(Say(number)))
            except ActorStopped:
                outcomes.append("stopped")

        assert await house["a"].ask(Say(1, "leave")) == 1
        for number in (2, 3):
            nursery.start_soon(ask, number)
            await wait_all_tasks_blocked()
            ref = house.guests.activate(
                "a"
            ).ref  # the next one, which waits for the first one's end
            if how == "stop":
                ref.stop()
            else:
                ref.kill()
            await wait_all_tasks_blocked()
            assert outcomes == ["stopped"] * (number - 1)
            with pytest.raises(NotAccepted):
                ref.tell(Say(0))
        assert await house["a"].ask(Say(4)) == 2  # the second that begins
        assert trio.current_time() == 2 + 1 + 1 + 1
        assert house.guests.keys() == ("a",)
    assert house.heard == [1, 4]
    assert house.born["a"] == 2


@pytest.mark.rule("K2", "K4")
async def test_each_incarnation_begins_when_the_one_before_it_has_cleaned_up(
    autojump_clock: MockClock,
) -> None:
    house = House()
    async with System() as system:
        await system.spawn(house, "house")
        for number in range(1, 6):
            assert await house["a"].ask(Say(number, "leave")) == number
            assert trio.current_time() == 3 * number - 1
            assert len(system.tree().children[0].children) == 1


@pytest.mark.rule("K1", "K2")
async def test_an_end_of_one_key_holds_no_other(autojump_clock: MockClock) -> None:
    house = House()
    async with System() as system, trio.open_nursery() as nursery:
        await system.spawn(house, "house")
        await house["a"].ask(Say(1, "leave"))
        for key in "abc":
            nursery.start_soon(house[key].ask, Say(2))
        await trio.sleep(2.5)
        assert (house.born["a"], house.born["b"], house.born["c"]) == (2, 1, 1)
        assert house.heard == [1, 2, 2]
