"""What happens is counted, logged and given to whoever looks; looking holds nobody."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest
import structlog
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    Backoff,
    Counts,
    Crashed,
    DeadLetter,
    Directory,
    Ended,
    Event,
    Finished,
    Killed,
    Message,
    Passivated,
    Permanent,
    Restarting,
    Started,
    Subscription,
    System,
)


class Note(Message, frozen=True):
    text: str
    numbers: tuple[int, ...] = ()


class Leave(Message, frozen=True):
    value: str


class Crash(Message, frozen=True):
    pass


class Words(Subscription[str], frozen=True):
    pass


BROKEN = ValueError("broken")


class Guest(Actor[Note | Leave | Crash]):
    async def receive(self, message: Note | Leave | Crash) -> None:
        match message:
            case Leave(value):
                self.stop(value)
            case Crash():
                raise BROKEN
            case Note():
                await trio.sleep(1)


class House(Actor[Message]):
    def __init__(self) -> None:
        self.guests: Directory[str, Note | Leave | Crash] = Directory(
            lambda key: Guest(), limit=5, idle=10
        )

    async def on_start(self) -> None:
        self.host(self.guests)

    async def receive(self, message: Message) -> None:
        pass


Story = Callable[[System], Awaitable[None]]
POLICY = Permanent(restarts=9, backoff=Backoff(first=3, factor=1, most=3, jitter=0))
ROOT = Started("greenroom", "_Root", 0)
ROOT_ENDED = Ended("greenroom", Finished())


async def leaves(system: System) -> None:
    ref = await system.spawn(Guest(), "guest")
    ref.tell(Leave("key"))
    await ref.stopped()


async def is_killed(system: System) -> None:
    ref = await system.spawn(Guest(), "guest")
    ref.kill()
    await ref.stopped()


async def crashes(system: System) -> None:
    ref = await system.spawn(Guest(), "guest")
    ref.tell(Crash())
    await ref.stopped()


async def is_restarted(system: System) -> None:
    ref = await system.supervise(Guest, "guest", POLICY)
    ref.tell(Crash())
    await trio.sleep(5)
    ref.tell(Leave("key"))
    await trio.sleep(5)
    ref.stop()
    await ref.stopped()


async def is_put_away(system: System) -> None:
    house = House()
    ref = await system.spawn(house, "house")
    house.guests.address("a").tell(Note("hello"))
    await trio.sleep(30)
    ref.stop()
    await ref.stopped()


async def leaves_letters(system: System) -> None:
    ref = await system.spawn(Guest(), "guest")
    ref.tell(Leave("key"))
    for text in ("one", "two"):
        ref.tell(Note(text))
    await ref.stopped()


PATH = "greenroom/guest"
STORIES: list[tuple[Story, list[Event], Counts]] = [
    (
        leaves,
        [Started(PATH, "Guest", 0), Ended(PATH, Finished("key"))],
        Counts(started=2, finished=2),
    ),
    (
        is_killed,
        [Started(PATH, "Guest", 0), Ended(PATH, Killed())],
        Counts(started=2, finished=1, killed=1),
    ),
    (
        crashes,
        [Started(PATH, "Guest", 0), Ended(PATH, Crashed(BROKEN))],
        Counts(started=2, finished=1, crashed=1),
    ),
    (
        is_restarted,
        [
            Started(PATH, "Guest", 0),
            Restarting(PATH, Crashed(BROKEN), 3),
            Started(PATH, "Guest", 1),
            Restarting(PATH, Finished("key"), 3),
            Started(PATH, "Guest", 2),
            Ended(PATH, Finished()),
        ],
        Counts(started=4, restarted=2, finished=2),
    ),
    (
        is_put_away,
        [
            Started("greenroom/house", "House", 0),
            Started("greenroom/house/a", "Guest", 0),
            Passivated("greenroom/house/a"),
            Ended("greenroom/house/a", Finished()),
            Ended("greenroom/house", Finished()),
        ],
        Counts(started=3, passivated=1, finished=3),
    ),
    (
        leaves_letters,
        [
            Started(PATH, "Guest", 0),
            DeadLetter(PATH, Note("one")),
            DeadLetter(PATH, Note("two")),
            Ended(PATH, Finished("key")),
        ],
        Counts(started=2, finished=2, dead_letters=2),
    ),
]


@pytest.mark.rule("O1", "O3")
@pytest.mark.parametrize(
    ("story", "expected", "counts"), STORIES, ids=[str(counts) for _, _, counts in STORIES]
)
async def test_each_event_is_given_in_order_and_counted(
    autojump_clock: MockClock, story: Story, expected: list[Event], counts: Counts
) -> None:
    system = System()
    with capture_logs():
        async with system.events() as events:
            async with system:
                await story(system)
            assert [event async for event in events] == [ROOT, *expected, ROOT_ENDED]
    assert system.counts() == counts


LINES: list[tuple[Story, list[tuple[str, str]]]] = [
    (leaves, [("debug", "actor.started"), ("debug", "actor.finished")]),
    (is_killed, [("debug", "actor.started"), ("debug", "actor.killed")]),
    (crashes, [("debug", "actor.started"), ("error", "actor.crashed")]),
    (
        is_restarted,
        [
            ("debug", "actor.started"),
            ("error", "actor.crashed"),
            ("warning", "actor.restarting"),
            ("debug", "actor.started"),
            ("warning", "actor.restarting"),
            ("debug", "actor.started"),
            ("debug", "actor.finished"),
        ],
    ),
    (
        is_put_away,
        [("debug", "actor.started"), ("debug", "actor.passivated"), ("debug", "actor.finished")],
    ),
    (
        leaves_letters,
        [
            ("debug", "actor.started"),
            ("info", "actor.dead_letter"),
            ("info", "actor.dead_letter"),
            ("debug", "actor.finished"),
        ],
    ),
]


@pytest.mark.rule("O1")
@pytest.mark.parametrize(("story", "lines"), LINES, ids=[str(len(lines)) for _, lines in LINES])
async def test_each_event_is_a_line_of_the_log(
    autojump_clock: MockClock, story: Story, lines: list[tuple[str, str]]
) -> None:
    with capture_logs() as logs:
        async with System() as system:
            await story(system)
    of_the_guest = [entry for entry in logs if entry["actor"] in {PATH, "greenroom/house/a"}]
    assert [(entry["log_level"], entry["event"]) for entry in of_the_guest] == lines
    for entry in of_the_guest:
        match entry["event"]:
            case "actor.started":
                assert entry["kind"] == "Guest"
            case "actor.crashed":
                assert entry["exc_info"] is BROKEN
            case "actor.restarting":
                assert entry["wait"] == 3
            case "actor.dead_letter":
                assert entry["message"] == "Note"
            case _:
                pass


@pytest.mark.rule("O1")
async def test_counts_are_of_the_moment_in_which_they_were_asked_for(
    autojump_clock: MockClock,
) -> None:
    async with System() as system:
        before = system.counts()
        await leaves(system)
        assert before == Counts(started=1)
        assert system.counts() == Counts(started=2, finished=1)


@pytest.mark.rule("O3", "O1")
async def test_a_dead_letter_shows_the_message_as_it_was_told(autojump_clock: MockClock) -> None:
    async with System() as system, system.events() as events:
        ref = await system.spawn(Guest(), "guest")
        ref.tell(Leave("key"))
        ref.tell(Note("words", (1, 2)))
        await ref.stopped()
        async for event in events:
            if isinstance(event, DeadLetter):
                assert event == DeadLetter(PATH, Note("words", (1, 2)))
                assert len({event.message, Note("words", (1, 2)), Note("words", (1,))}) == 2
                encoded = msgspec.json.encode(event.message)
                assert msgspec.json.decode(encoded, type=Note | Leave | Crash) == event.message
                break


@pytest.mark.rule("O3", "M6", "A1")
async def test_what_was_asked_and_not_handled_is_no_dead_letter(autojump_clock: MockClock) -> None:
    async with System() as system:
        ref = await system.spawn(Guest(), "guest")
        ref.tell(Note("in hand"))
        await wait_all_tasks_blocked()
        with trio.move_on_after(0.5):
            async with ref.stream(Words()):
                await trio.sleep_forever()
        ref.stop()
        await ref.stopped()
    assert system.counts().dead_letters == 0


@pytest.mark.rule("O1")
@pytest.mark.parametrize("story", [story for story, _, _ in STORIES])
async def test_a_line_that_the_log_fails_on_is_counted_and_changes_nothing(
    autojump_clock: MockClock, story: Story
) -> None:
    def broken_pipe(*_: object) -> structlog.typing.ProcessorReturnValue:
        raise BrokenPipeError

    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        None, processors=[broken_pipe], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    with capture_logs() as logs:
        async with System() as whole:
            await story(whole)
    async with System(log=log) as system:
        await story(system)
    counts = system.counts()
    assert counts.unlogged == len(logs)
    counts.unlogged = 0
    assert counts == whole.counts()
