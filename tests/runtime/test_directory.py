"""A key has at most one incarnation, begun by its first message, and no key waits for another."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorStopped,
    Address,
    Directory,
    DirectoryFull,
    Message,
    NotAccepted,
    Ref,
    Request,
    StartFailed,
    Subscription,
    System,
)


class Say(Request[str], frozen=True):
    word: str


class Note(Message, frozen=True):
    word: str


class Words(Subscription[str], frozen=True):
    pass


class Leave(Message, frozen=True):
    pass


Speech = Say | Note | Words | Leave


class Guest(Actor[Speech]):
    def __init__(self, key: str, diary: list[str]) -> None:
        self.key = key
        self.diary = diary
        self.words: list[str] = []

    async def on_start(self) -> None:
        if self.key.startswith("slow"):
            await trio.sleep(5)
        if self.key.startswith("broken"):
            await trio.sleep(1)
            raise ValueError("broken")
        self.diary.append(f"{self.key} starts at {trio.current_time():g}")

    async def receive(self, message: Speech) -> str:
        match message:
            case Say(word) | Note(word):
                self.words.append(word)
            case Words():
                port = self.stream_port(message)
                with port.scope:
                    for word in self.words:
                        await port.send(word)
                port.close()
            case Leave():
                self.stop()
        return " ".join(self.words)

    async def on_stop(self) -> None:
        await trio.sleep(2)
        self.diary.append(f"{self.key} stops at {trio.current_time():g}")


class Host(Actor[Leave]):
    def __init__(self, directory: Directory[str, Speech]) -> None:
        self.directory = directory

    async def on_start(self) -> None:
        self.host(self.directory)

    async def receive(self, message: Leave) -> None:
        self.stop()


class House:
    """A directory with its host and what its guests wrote."""

    def __init__(self, limit: int = 10) -> None:
        self.diary: list[str] = []
        self.directory: Directory[str, Speech] = Directory(
            lambda key: Guest(key, self.diary), limit=limit
        )

    async def open(self, system: System) -> Ref[Leave]:
        return await system.spawn(Host(self.directory), "host")

    def __getitem__(self, key: str) -> Address[str, Speech]:
        return self.directory.address(key)


@pytest.mark.rule("K1")
async def test_a_message_activates_its_actor_and_the_next_finds_it(
    autojump_clock: MockClock,
) -> None:
    house = House()
    async with System() as system:
        await house.open(system)
        assert house.directory.live == 0
        assert house["a"].path == "a"
        assert await house["a"].ask(Say("one")) == "one"
        assert await house["a"].ask(Say("two")) == "one two"
        assert await house["b"].ask(Say("one")) == "one"
        assert house.directory.keys() == ("a", "b")
    assert house.directory.live == 0
    assert house.diary[:2] == ["a starts at 0", "b starts at 0"]


@pytest.mark.rule("K1")
async def test_a_tell_and_a_stream_activate_as_well(autojump_clock: MockClock) -> None:
    house = House()
    async with System() as system:
        await house.open(system)
        house["a"].tell(Note("one"))
        async with house["a"].stream(Words()) as words:
            assert [word async for word in words] == ["one"]
        async with house["b"].stream(Words()) as words:
            assert [word async for word in words] == []


@pytest.mark.rule("K1", "M2")
async def test_messages_wait_in_order_while_the_actor_starts(autojump_clock: MockClock) -> None:
    house = House()
    async with System() as system:
        await house.open(system)
        house["slow"].tell(Note("one"))
        house["slow"].tell(Note("two"))
        assert await house["slow"].ask(Say("three")) == "one two three"
        assert trio.current_time() == 5


@pytest.mark.rule("K1")
async def test_no_key_waits_for_another(autojump_clock: MockClock) -> None:
    house = House()
    async with System() as system:
        await house.open(system)
        house["slow"].tell(Note("one"))
        await house["fast"].ask(Say("one"))
        assert trio.current_time() == 0


@pytest.mark.rule("K2", "K4")
async def test_an_ask_that_meets_an_actor_at_its_end_goes_to_the_next_incarnation(
    autojump_clock: MockClock,
) -> None:
    house = House()
    async with System() as system:
        await house.open(system)
        house["a"].tell(Note("lost with the first"))
        house["a"].tell(Leave())
        await wait_all_tasks_blocked()
        assert await house["a"].ask(Say("one")) == "one"
        assert house.diary == ["a starts at 0", "a stops at 2", "a starts at 2"]


@pytest.mark.rule("K2", "K4")
async def test_a_tell_that_meets_an_actor_at_its_end_is_the_next_incarnations(
    autojump_clock: MockClock,
) -> None:
    house = House()
    async with System() as system:
        await house.open(system)
        house["a"].tell(Leave())
        await wait_all_tasks_blocked()
        house["a"].tell(Note("one"))
        assert await house["a"].ask(Say("two")) == "one two"
    assert house.diary[:3] == ["a starts at 0", "a stops at 2", "a starts at 2"]


@pytest.mark.rule("K5")
async def test_what_an_ending_actor_had_accepted_is_answered_and_not_sent_again(
    autojump_clock: MockClock,
) -> None:
    house = House()
    async with System() as system:
        await house.open(system)
        house["a"].tell(Leave())
        with pytest.raises(ActorStopped):
            await house["a"].ask(Say("one"))
        assert trio.current_time() == 0
        assert await house["a"].ask(Say("two")) == "two"


@pytest.mark.rule("A1", "K8")
async def test_a_failed_start_goes_to_those_who_sent_messages(autojump_clock: MockClock) -> None:
    house = House()
    causes: list[BaseException | None] = []

    async def say() -> None:
        with pytest.raises(StartFailed) as caught:
            await house["broken"].ask(Say("one"))
        causes.append(caught.value.__cause__)

    with capture_logs():
        async with System() as system:
            await house.open(system)
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(say)
                await wait_all_tasks_blocked()
                assert house.directory.live == 1
            assert house.directory.live == 0
            assert trio.current_time() == 1
            assert [type(cause) for cause in causes] == [ValueError] * 3
            await say()  # another try, another failure
            assert trio.current_time() == 2


@pytest.mark.rule("K1")
async def test_an_actor_that_cannot_be_built_is_its_senders_error(
    autojump_clock: MockClock,
) -> None:
    def create(key: str) -> Guest:
        raise KeyError(key)

    async with System() as system:
        directory: Directory[str, Speech] = Directory(create, limit=1)
        await system.spawn(Host(directory), "host")
        for _ in range(2):
            with pytest.raises(KeyError):
                await directory.address("a").ask(Say("one"))
        assert directory.live == 0


@pytest.mark.rule("K6")
async def test_a_full_directory_turns_new_keys_away_and_serves_the_others(
    autojump_clock: MockClock,
) -> None:
    house = House(limit=2)
    async with System() as system:
        await house.open(system)
        await house["a"].ask(Say("one"))
        await house["b"].ask(Say("one"))
        with pytest.raises(DirectoryFull) as caught:
            await house["c"].ask(Say("one"))
        with pytest.raises(DirectoryFull):
            house["c"].tell(Note("one"))
        assert caught.value.limit == 2
        assert await house["a"].ask(Say("two")) == "one two"
        house["a"].tell(Leave())
        await trio.sleep(3)
        assert await house["c"].ask(Say("one")) == "one"


@pytest.mark.rule("K7")
async def test_without_a_host_nothing_is_accepted(autojump_clock: MockClock) -> None:
    house = House()
    with pytest.raises(NotAccepted):
        house["a"].tell(Note("one"))
    with pytest.raises(NotAccepted):
        await house["a"].ask(Say("one"))
    with pytest.raises(NotAccepted):
        async with house["a"].stream(Words()):
            pytest.fail("there is no stream")
    assert house.directory.live == 0


@pytest.mark.rule("K7")
@pytest.mark.parametrize("kill", [False, True])
async def test_nothing_is_accepted_for_a_host_that_is_at_its_end(
    autojump_clock: MockClock, *, kill: bool
) -> None:
    house = House()
    async with System() as system:
        host = await house.open(system)
        await house["a"].ask(Say("one"))
        if kill:
            host.kill()
        else:
            host.stop()
        await wait_all_tasks_blocked()  # "a" takes two seconds to stop
        with pytest.raises(NotAccepted):
            house["b"].tell(Note("one"))
        assert house.directory.keys() == ("a",)
        with pytest.raises(NotAccepted):  # waits for the end of "a", and there is no next one
            await house["a"].ask(Say("one"))
        await host.stopped()
        assert trio.current_time() == 2
        with pytest.raises(NotAccepted):
            await house["a"].ask(Say("one"))
    assert house.diary == ["a starts at 0", "a stops at 2"]


@pytest.mark.rule("K7")
async def test_a_directory_goes_on_with_its_next_host(autojump_clock: MockClock) -> None:
    house = House()
    async with System() as system:
        host = await house.open(system)
        await house["a"].ask(Say("one"))
        host.stop()
        await host.stopped()
        await house.open(system)
        assert await house["a"].ask(Say("two")) == "two"


@pytest.mark.rule("A3")
async def test_an_asker_who_leaves_while_the_actor_starts_leaves_it_starting(
    autojump_clock: MockClock,
) -> None:
    house = House()
    async with System() as system:
        await house.open(system)
        with trio.move_on_after(1):
            await house["slow"].ask(Say("one"))
        assert await house["slow"].ask(Say("two")) == "one two"
        assert trio.current_time() == 5
