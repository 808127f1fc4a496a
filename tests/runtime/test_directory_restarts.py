"""A directory's policy: a keyed actor comes back with its mailbox, and fails for its key alone."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorCrashed,
    ActorStopped,
    Address,
    Backoff,
    Directory,
    Message,
    Permanent,
    Request,
    StartFailed,
    State,
    System,
    Transient,
)
from greenroom.runtime.supervision import Policy

AT_ONCE = Backoff(first=0, jitter=0)
AFTER_FIVE = Backoff(first=5, factor=1, most=5, jitter=0)


class Say(Request[str], frozen=True):
    """Is answered with the words that this incarnation has heard."""

    word: str
    takes: float = 0


class Crash(Request[str], frozen=True):
    takes: float = 0


class Leave(Message, frozen=True):
    pass


Speech = Say | Crash | Leave


class Guest(Actor[Speech]):
    def __init__(self, house: "House", key: str) -> None:
        self.house = house
        self.key = key
        self.words: list[str] = []

    async def on_start(self) -> None:
        self.house.starts.append(trio.current_time())
        if self.key == "broken" or self.house.broken:
            raise ValueError("broken")

    async def receive(self, message: Speech) -> str:
        match message:
            case Say(word, takes):
                await trio.sleep(takes)
                self.words.append(word)
            case Crash(takes):
                await trio.sleep(takes)
                raise ValueError("broken")
            case Leave():
                self.stop()
        return " ".join(self.words)

    async def on_stop(self) -> None:
        await trio.sleep(1)
        self.house.ends.append(trio.current_time())


class House(Actor[Message]):
    def __init__(self, policy: Policy, idle: float | None = None) -> None:
        self.starts: list[float] = []
        self.ends: list[float] = []
        self.broken = False
        self.guests: Directory[str, Speech] = Directory(
            lambda key: Guest(self, key), limit=3, policy=policy, idle=idle
        )

    async def on_start(self) -> None:
        self.host(self.guests)

    async def receive(self, message: Message) -> None:
        pass

    def __getitem__(self, key: str) -> Address[str, Speech]:
        return self.guests.address(key)


@pytest.mark.rule("C3", "K2", "K4")
async def test_a_keyed_actor_that_crashes_comes_back_with_what_waits(
    autojump_clock: MockClock,
) -> None:
    house = House(Transient(backoff=AFTER_FIVE))
    with capture_logs():
        async with System() as system:
            await system.spawn(house, "house")
            assert await house["a"].ask(Say("one")) == "one"
            house["a"].tell(Crash())
            house["a"].tell(Say("two"))
            house["a"].tell(Say("three"))
            await trio.sleep(3)
            house["a"].tell(Say("four"))  # while it waits for its restart
            assert await house["a"].ask(Say("five")) == "two three four five"
            assert trio.current_time() == 1 + 5
            assert house.guests.keys() == ("a",)
    assert system.counts().dead_letters == 0


@pytest.mark.rule("C2", "K5")
async def test_the_message_that_crashed_a_keyed_actor_is_answered_and_not_handled_again(
    autojump_clock: MockClock,
) -> None:
    house = House(Transient(backoff=AT_ONCE))
    with capture_logs():
        async with System() as system:
            await system.spawn(house, "house")
            for _ in range(3):
                with pytest.raises(ActorCrashed):
                    await house["a"].ask(Crash())
            assert await house["a"].ask(Say("one")) == "one"
    assert len(house.starts) == 4


@pytest.mark.rule("K8", "C3")
async def test_a_keyed_actor_past_its_limit_ends_and_begins_afresh_with_the_next_message(
    autojump_clock: MockClock,
) -> None:
    house = House(Transient(restarts=1, seconds=100, backoff=AT_ONCE))
    with capture_logs() as logs:
        async with System() as system, trio.open_nursery() as nursery:
            await system.spawn(house, "house")
            assert await house["b"].ask(Say("one")) == "one"

            async def wait() -> None:
                with pytest.raises(ActorStopped):
                    await house["a"].ask(Say("one"))

            for _ in range(2):
                house["a"].tell(Crash(takes=1))
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            await trio.sleep(10)
            assert house.guests.keys() == ("b",)
            # The host lives, other keys do, and a new actor has all of its restarts before it.
            assert await house["b"].ask(Say("two")) == "one two"
            house["a"].tell(Crash())
            assert await house["a"].ask(Say("two")) == "two"
            [_, node] = system.tree().children[0].children
            assert (node.path, node.restarts) == ("greenroom/house/a", 1)
    assert "RestartLimit" not in str(logs)
    assert system.counts().crashed == 1


@pytest.mark.rule("K8", "A1")
async def test_a_keyed_actors_first_start_is_not_tried_again_before_the_next_message(
    autojump_clock: MockClock,
) -> None:
    house = House(Permanent(backoff=AT_ONCE))
    with capture_logs():
        async with System() as system:
            await system.spawn(house, "house")
            for tries in (1, 2):
                with pytest.raises(StartFailed) as caught:
                    await house["broken"].ask(Say("one"))
                assert isinstance(caught.value.__cause__, ValueError)
                await trio.sleep(10)
                assert len(house.starts) == tries


@pytest.mark.rule("K8", "S2", "A1")
async def test_a_keyed_actor_that_cannot_start_again_fails_until_its_limit(
    autojump_clock: MockClock,
) -> None:
    house = House(Transient(restarts=2, backoff=AFTER_FIVE))
    with capture_logs():
        async with System() as system:
            await system.spawn(house, "house")
            assert await house["a"].ask(Say("one")) == "one"
            house.broken = True
            house["a"].tell(Crash())
            with pytest.raises(ActorStopped):  # it had begun: this is no first start
                await house["a"].ask(Say("two"))
            assert house.starts == [0, 1 + 5, 1 + 5 + 5]
            await wait_all_tasks_blocked()
            assert house.guests.live == 0


@pytest.mark.rule("K3", "S1")
@pytest.mark.parametrize("policy", [Transient(backoff=AT_ONCE), Permanent(backoff=AT_ONCE)])
async def test_an_idle_actor_is_put_away_for_good_whatever_its_policy(
    autojump_clock: MockClock, policy: Policy
) -> None:
    house = House(policy, idle=10)
    async with System() as system:
        await system.spawn(house, "house")
        assert await house["a"].ask(Say("one")) == "one"
        await trio.sleep(25)
        assert house.guests.live == 0
        assert await house["a"].ask(Say("two")) == "two"
        await trio.sleep(25)
    assert len(house.starts) == len(house.ends) == 2
    assert (system.counts().passivated, system.counts().restarted) == (2, 0)


@pytest.mark.rule("K3", "S3")
async def test_an_actor_that_waits_for_its_restart_is_not_idle(autojump_clock: MockClock) -> None:
    long = Backoff(first=35, factor=1, most=35, jitter=0)
    house = House(Transient(backoff=long), idle=10)
    with capture_logs():
        async with System() as system:
            await system.spawn(house, "house")
            house["a"].tell(Crash())
            await trio.sleep(30)
            assert house.guests.live == 1
            house["a"].tell(Say("one"))
            await trio.sleep_until(1 + 35 + 9)
            assert house.guests.live == 1
            assert house.starts == [0, 1 + 35]
            await trio.sleep_until(1 + 35 + 20 + 1)
            assert house.guests.live == 0
    assert 1 + 35 + 10 <= house.ends[1] - 1 < 1 + 35 + 20
    assert system.counts().dead_letters == 0


@pytest.mark.rule("S1", "K2", "E1")
async def test_a_permanent_keyed_actor_that_leaves_begins_again_with_its_mailbox(
    autojump_clock: MockClock,
) -> None:
    house = House(Permanent(backoff=AFTER_FIVE))
    async with System() as system:
        await system.spawn(house, "house")
        assert await house["a"].ask(Say("one")) == "one"
        house["a"].tell(Leave())
        house["a"].tell(Say("two"))
        assert await house["a"].ask(Say("three")) == "two three"
        assert house.starts == [0, 1 + 5]


@pytest.mark.rule("S4", "K7")
@pytest.mark.parametrize("kill", [False, True])
async def test_a_keyed_actor_that_waits_for_its_restart_ends_with_its_host_at_once(
    autojump_clock: MockClock, *, kill: bool
) -> None:
    house = House(Transient(backoff=AFTER_FIVE))
    with capture_logs():
        async with System() as system:
            ref = await system.spawn(house, "house")
            house["a"].tell(Crash())
            await trio.sleep(2)
            house["a"].tell(Say("one"))
            assert system.tree().children[0].children[0].state is State.RESTARTING
            if kill:
                ref.kill()
            else:
                ref.stop()
            await ref.stopped()
            assert trio.current_time() == 2
            assert house.guests.live == 0
    assert house.starts == [0]
    assert system.counts().dead_letters == 1
