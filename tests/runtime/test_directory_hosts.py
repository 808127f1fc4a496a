"""A directory's actors are their host's children, whatever else it has, and no two hosts share one."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorStopped,
    Directory,
    DirectoryFull,
    Message,
    NotAccepted,
    Permanent,
    Request,
    StartFailed,
    System,
)


class Say(Request[str], frozen=True):
    word: str


class Leave(Message, frozen=True):
    pass


class Nap(Request[None], frozen=True):
    pass


class Crash(Message, frozen=True):
    pass


class Guest(Actor[Say | Leave | Nap]):
    """Remembers what was said to it, and takes two seconds to go."""

    def __init__(self, name: str, diary: list[str]) -> None:
        self.name = name
        self.diary = diary
        self.words: list[str] = []

    async def on_start(self) -> None:
        self.note("starts")

    async def receive(self, message: Say | Leave | Nap) -> str:
        match message:
            case Say(word):
                self.words.append(word)
            case Leave():
                self.stop()
            case Nap():
                await trio.sleep_forever()
        return " ".join(self.words)

    async def on_stop(self) -> None:
        await trio.sleep(2)
        self.note("ends")

    def note(self, what: str) -> None:
        self.diary.append(f"{self.name} {what} at {trio.current_time():g}")


Guests = Directory[str, Say | Leave | Nap]


def guests(diary: list[str], *, limit: int = 10, prefix: str = "") -> Guests:
    return Directory(lambda key: Guest(prefix + key, diary), limit=limit)


class House(Actor[Crash]):
    def __init__(self, *directories: Guests, lodger: Guest | None = None) -> None:
        self.directories = directories
        self.lodger = lodger

    async def on_start(self) -> None:
        for directory in self.directories:
            self.host(directory)
        if self.lodger is not None:
            await self.spawn(self.lodger, self.lodger.name)

    async def receive(self, message: Crash) -> None:
        raise ValueError("broken")


@pytest.mark.rule("K2")
async def test_equal_keys_of_two_directories_are_two_actors(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    first, second = guests(diary, prefix="first "), guests(diary, prefix="second ")
    async with System() as system:
        await system.spawn(House(first, second), "house")
        assert await first.address("a").ask(Say("one")) == "one"
        assert await second.address("a").ask(Say("two")) == "two"
        first.address("a").tell(Leave())
        await trio.sleep(5)
        assert (first.keys(), second.keys()) == ((), ("a",))
        assert await second.address("a").ask(Say("three")) == "two three"
    assert diary == [
        "first a starts at 0",
        "second a starts at 0",
        "first a ends at 2",
        "second a ends at 7",
    ]


@pytest.mark.rule("B3", "E3")
async def test_a_key_may_have_the_name_of_a_child(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    directory = guests(diary, prefix="keyed ")
    async with System() as system:
        await system.spawn(House(directory, lodger=Guest("a", diary)), "house")
        assert await directory.address("a").ask(Say("one")) == "one"
        paths = [child.path for child in system.tree().children[0].children]
        assert paths == ["greenroom/house/a"] * 2
    # The keyed one goes first, and the child with the name after it.
    assert diary[2:] == ["keyed a ends at 2", "a ends at 4"]


@pytest.mark.rule("K7")
async def test_a_directory_has_one_living_host(autojump_clock: MockClock) -> None:
    diary: list[str] = []
    directory = guests(diary)
    with capture_logs():
        async with System() as system:
            await system.spawn(House(directory), "house")
            for other in (House(directory), House(guests(diary), directory)):
                with pytest.raises(StartFailed) as caught:
                    await system.spawn(other, "other")
                assert isinstance(caught.value.__cause__, ValueError)
                assert "hosted by greenroom/house already" in str(caught.value.__cause__)
            assert await directory.address("a").ask(Say("one")) == "one"


@pytest.mark.rule("K7")
async def test_a_host_hosts_a_directory_once(autojump_clock: MockClock) -> None:
    directory = guests([])
    with capture_logs():
        async with System() as system:
            with pytest.raises(StartFailed) as caught:
                await system.spawn(House(directory, directory), "house")
            assert isinstance(caught.value.__cause__, ValueError)
            await system.spawn(House(directory), "house")  # who did not start hosts nothing
            assert await directory.address("a").ask(Say("one")) == "one"


@pytest.mark.rule("K7", "S6")
async def test_a_host_that_is_restarted_hosts_again_and_its_guests_begin_anew(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    directory = guests(diary)
    with capture_logs():
        async with System() as system, trio.open_nursery() as nursery:
            house = await system.supervise(lambda: House(directory), "house", Permanent())
            assert await directory.address("a").ask(Say("one")) == "one"

            async def nap() -> None:
                with pytest.raises(ActorStopped):
                    await directory.address("a").ask(Nap())

            nursery.start_soon(nap)
            await wait_all_tasks_blocked()
            house.tell(Crash())
            await wait_all_tasks_blocked()
            with pytest.raises(NotAccepted):
                directory.address("b").tell(Leave())
            await trio.sleep(5)
            assert await directory.address("a").ask(Say("two")) == "two"
    assert diary[:3] == ["a starts at 0", "a ends at 2", "a starts at 5"]


@pytest.mark.rule("K2", "K7")
async def test_a_key_that_is_ending_with_the_last_host_begins_with_the_next_after_that(
    autojump_clock: MockClock,
) -> None:
    diary: list[str] = []
    directory = guests(diary)
    async with System() as system:
        last = await system.spawn(House(directory), "last")
        assert await directory.address("a").ask(Say("one")) == "one"
        last.stop()
        await wait_all_tasks_blocked()
        await system.spawn(House(directory), "next")
        assert await directory.address("b").ask(Say("three")) == "three"
        assert await directory.address("a").ask(Say("two")) == "two"
    assert diary[:4] == ["a starts at 0", "b starts at 0", "a ends at 2", "a starts at 2"]


@pytest.mark.rule("K2")
@pytest.mark.parametrize("killed", ["house", "street"])
async def test_a_key_whose_next_actor_is_cut_with_its_host_waits_for_the_first_ones_end_all_the_same(
    autojump_clock: MockClock, killed: str
) -> None:
    class Street(Actor[Crash]):
        async def on_start(self) -> None:
            await self.spawn(House(directory), "house")

        async def receive(self, message: Crash) -> None:
            pass

    diary: list[str] = []
    directory = guests(diary)
    with capture_logs():
        async with System() as system:
            if killed == "house":
                last = await system.spawn(House(directory), "house")
            else:
                last = await system.spawn(Street(), "street")
            directory.address("a").tell(Leave())
            await wait_all_tasks_blocked()
            directory.address("a").tell(Leave())  # for the one that waits for the first one's end
            last.kill()
            await wait_all_tasks_blocked()
            await system.spawn(House(directory), "next")
            assert await directory.address("a").ask(Say("one")) == "one"
    assert diary[:3] == ["a starts at 0", "a ends at 2", "a starts at 2"]


@pytest.mark.rule("K6")
async def test_a_key_is_alive_until_its_actor_has_cleaned_up(autojump_clock: MockClock) -> None:
    directory = guests([], limit=1)
    async with System() as system:
        await system.spawn(House(directory), "house")
        directory.address("a").tell(Leave())
        await trio.sleep(1)
        with pytest.raises(DirectoryFull, match="has its 1 actors alive") as caught:
            directory.address("b").tell(Leave())
        assert (caught.value.path, caught.value.limit) == ("greenroom/house", 1)
        assert await directory.address("a").ask(Say("one")) == "one"  # its own key is not refused
        assert trio.current_time() == 2
        directory.address("a").tell(Leave())
        await trio.sleep(3)
        assert await directory.address("b").ask(Say("one")) == "one"


@pytest.mark.rule("E3")
async def test_the_keyed_end_all_at_once(autojump_clock: MockClock) -> None:
    directory = guests([])
    async with System() as system:
        house = await system.spawn(House(directory), "house")
        for key in "abcdefgh":
            await directory.address(key).ask(Say("one"))
        house.stop()
        await house.stopped()
        assert trio.current_time() == 2
        assert directory.live == 0
