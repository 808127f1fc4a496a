"""A round of one-for-all whose members or whose parent are told to end: it holds up no end."""

from collections.abc import Callable, Iterator

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorStopped,
    Backoff,
    Ref,
    Request,
    Strategy,
    System,
    Transient,
)
from greenroom.runtime.testing import no_task_left

IN_VIRTUAL_TIME = True

POLICY = Transient(restarts=5, seconds=100, backoff=Backoff(first=2, factor=1, jitter=0))


class BrokenError(Exception):
    pass


class Do(Request[None], frozen=True):
    what: str
    seconds: float = 0


class Member(Actor[Do]):
    grace = 100

    def __init__(self, family: "Family", name: str) -> None:
        self.family = family
        self.name = name

    async def on_start(self) -> None:
        if self.name == "b":
            await trio.sleep(self.family.start_takes)
        self.family.note(f"{self.name} up")

    async def receive(self, message: Do) -> None:
        await trio.sleep(message.seconds)
        if message.what == "crash":
            raise BrokenError

    async def on_stop(self) -> None:
        if self.name == "b":
            await trio.sleep(self.family.stop_takes)
        self.family.note(f"{self.name} down")


class Family(Actor[Do]):
    """Three members, of whom `b` takes its time, and a diary of them all."""

    strategy = Strategy.ONE_FOR_ALL
    grace = 10

    def __init__(self, *, start_takes: float = 1, stop_takes: float = 2) -> None:
        self.start_takes = start_takes
        self.stop_takes = stop_takes
        self.diary: list[str] = []
        self.refs: dict[str, Ref[Do]] = {}
        self.ended: list[str] = []

    def note(self, what: str) -> None:
        self.diary.append(f"{what} at {trio.current_time() - self.began_at:g}")

    async def on_start(self) -> None:
        self.began_at = trio.current_time()
        for name in "abc":
            await self.add(name)
        self.began_at = trio.current_time()
        self.diary.clear()

    async def add(self, name: str) -> None:
        ref = self.refs[name] = await self.supervise(lambda: Member(self, name), name, POLICY)
        ref.on_end(lambda _: self.ended.append(name))

    async def receive(self, message: Do) -> None:
        match message.what:
            case "spawn":
                child = Member(self, "t")
                ref = await self.spawn(child, "t")
                ref.tell(Do("work", message.seconds))
            case "ask c":
                with pytest.raises(ActorStopped):
                    await self.refs["c"].ask(Do("work"))
                self.note("answered")
            case _:
                raise BrokenError

    async def round(self, work: float = 2) -> None:
        """Begin a round while `b` works."""
        self.refs["b"].tell(Do("work", work))
        await wait_all_tasks_blocked()
        self.refs["c"].tell(Do("crash"))

    async def until(self, moment: float) -> None:
        """Wait until so many seconds after the start of all."""
        await trio.sleep_until(self.began_at + moment)

    @property
    def now(self) -> float:
        return trio.current_time() - self.began_at


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


def stop(ref: Ref[Do]) -> None:
    ref.stop()


def kill(ref: Ref[Do]) -> None:
    ref.kill()


def leave(_: Ref[Do]) -> None:
    """Leaving the system stops it."""


def crash(ref: Ref[Do]) -> None:
    ref.tell(Do("crash"))


IN_HAND, CLEANING, DOWN, STARTING, UP = 1, 3, 5, 6.5, 8
"""What `b` does: it works until 2, cleans up until 4, waits until 6, and starts until 7."""


@pytest.mark.rule("S7")
async def test_the_round_that_these_tests_disturb() -> None:
    family = Family()
    async with System() as system:
        await system.spawn(family, "family")
        await family.round()
        await family.until(UP)
        assert family.diary == [
            *("c down at 0", "b down at 4", "a down at 4"),
            *("a up at 6", "b up at 7", "c up at 7"),
        ]


@pytest.mark.rule("S7", "S4", "E1", "E2")
@pytest.mark.parametrize(
    ("told", "at", "ends_at", "others_up_at"),
    [
        (stop, IN_HAND, 4, (6, 6)),
        (stop, CLEANING, 4, (6, 6)),
        (stop, DOWN, 5, (6, 6)),
        (stop, STARTING, 9, (6, 7)),
        (kill, IN_HAND, 3, (5, 5)),
        (kill, CLEANING, 4, (6, 6)),
        (kill, DOWN, 5, (6, 6)),
        (kill, STARTING, 6.5, (6, 6.5)),
    ],
)
async def test_a_member_that_is_told_to_end_does_and_the_others_come_up(
    told: Callable[[Ref[Do]], None], at: float, ends_at: float, others_up_at: tuple[float, float]
) -> None:
    family = Family()
    async with System() as system:
        await system.spawn(family, "family")
        await family.round()
        await family.until(at)
        told(family.refs["b"])
        await family.refs["b"].stopped()
        assert family.now == ends_at
        await trio.sleep(20)
        a, c = others_up_at
        ups = [line for line in family.diary if " up " in line and not line.startswith("b")]
        assert ups == [f"a up at {a:g}", f"c up at {c:g}"]
        assert family.ended == ["b"]


@pytest.mark.rule("S7")
@pytest.mark.parametrize("told", [stop, kill])
async def test_a_member_that_called_the_round_and_is_told_to_end_holds_nobody_down(
    told: Callable[[Ref[Do]], None],
) -> None:
    family = Family()
    async with System() as system:
        await system.spawn(family, "family")
        await family.round()
        await family.until(IN_HAND)
        told(family.refs["c"])
        await trio.sleep(20)
        assert family.diary[1:] == ["b down at 4", "a down at 4", "a up at 6", "b up at 7"]


@pytest.mark.rule("S7", "S4", "E3", "C1", "E5")
@pytest.mark.parametrize(
    ("told", "at", "ends_at"),
    [
        *((told, IN_HAND, 4) for told in (stop, leave)),
        *((told, IN_HAND, 3) for told in (kill, crash)),
        *((told, CLEANING, 4) for told in (stop, leave, kill, crash)),
        *((told, DOWN, 5) for told in (stop, leave, kill, crash)),
        *((told, STARTING, 9) for told in (stop, leave)),
        *((told, STARTING, 6.5) for told in (kill, crash)),
        *((told, UP, 10) for told in (stop, leave, kill, crash)),
    ],
)
async def test_the_parents_end_is_the_rounds_wherever_that_is(
    told: Callable[[Ref[Do]], None], at: float, ends_at: float
) -> None:
    family = Family()
    with no_task_left():
        async with System() as system:
            ref = await system.spawn(family, "family")
            await family.round()
            await family.until(at)
            told(ref)
            if told is not leave:
                await ref.stopped()
                assert family.now == ends_at
        assert family.now == ends_at
    assert sorted(family.ended) == ["a", "b", "c"]
    ups = sum(" up " in line for line in family.diary)
    assert sum(" down " in line for line in family.diary) == 3 + ups, "one end for each life"


@pytest.mark.rule("S7", "E5")
@pytest.mark.parametrize("at", [IN_HAND, CLEANING, DOWN, STARTING])
async def test_who_cancels_the_system_ends_the_round_wherever_that_is(at: float) -> None:
    family = Family()
    with no_task_left(), trio.CancelScope() as outside:
        async with System() as system:
            await system.spawn(family, "family")
            await family.round()
            await family.until(at)
            outside.cancel()
    assert family.now <= at + 2
    assert sorted(family.ended) == ["a", "b", "c"]


@pytest.mark.rule("S7", "E4")
@pytest.mark.parametrize("at", [IN_HAND, 11, 13])  # it is stuck at work, is cut, cleans up
async def test_a_parent_that_is_stopped_during_a_round_takes_three_graces_at_most(
    at: float,
) -> None:
    family = Family(stop_takes=1000)
    async with System() as system:
        ref = await system.spawn(family, "family")
        await family.round(work=1000)
        await family.until(at)
        ref.stop()
        await ref.stopped()
        assert family.now <= at + 3 * family.grace


@pytest.mark.rule("S7", "E3")
async def test_a_parent_that_is_stopped_during_a_round_ends_its_children_youngest_first() -> None:
    family = Family()
    async with System() as system:
        ref = await system.spawn(family, "family")
        ref.tell(Do("spawn", seconds=8))
        await wait_all_tasks_blocked()
        family.diary.clear()
        await family.round()
        await family.until(IN_HAND)
        ref.stop()
        await ref.stopped()
    assert family.diary == ["c down at 0", "b down at 4", "t down at 8", "a down at 8"]


@pytest.mark.rule("S7", "E1", "A1")
@pytest.mark.parametrize("at", [IN_HAND, CLEANING, DOWN])
async def test_a_stopping_parent_that_has_asked_a_member_that_is_down_is_answered_in_time(
    at: float,
) -> None:
    family = Family()
    async with System() as system:
        ref = await system.spawn(family, "family")
        await family.round()
        await family.until(0.5)
        ref.tell(Do("ask c"))
        await family.until(at)
        ref.stop()
        await ref.stopped()
        assert family.now <= at + family.grace
    assert [line for line in family.diary if line.startswith("answered")]
    assert " up " not in "".join(family.diary)


@pytest.mark.rule("S7", "S6")
async def test_a_parents_next_incarnation_has_rounds_of_its_own() -> None:
    families: list[Family] = []

    def create() -> Family:
        families.append(Family())
        return families[-1]

    async with System() as system:
        ref = await system.supervise(create, "family", POLICY)
        await families[0].round()
        await families[0].until(IN_HAND)
        ref.tell(Do("crash"))
        await trio.sleep(20)
        assert len(families) == 2
        assert families[1].diary == []
        await families[1].round()
        await trio.sleep(20)
        moves = [line.split(" at ")[0] for line in families[1].diary]
        assert moves == ["c down", "b down", "a down", "a up", "b up", "c up"]
        assert " up " not in "".join(families[0].diary)
